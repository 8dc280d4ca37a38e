//! What a program's file is made of (ELF, 64 bits, little endian): code, data, what unwinds the stack, what relocates it, and
//! symbols.

use std::fs;
use std::path::Path;

use super::StartError;
use crate::figures::Figures;

/// What the sections are for, by the beginning of their names; the first that fits.
const KINDS: [(&str, &str); 8] = [
    (".text", "code"),
    (".rodata", "constants"),
    (".data.rel.ro", "constants with addresses"),
    (".rela", "relocations"),
    (".eh_frame", "unwinding"),
    (".gcc_except", "unwinding"),
    (".symtab", "symbols"),
    (".strtab", "symbols"),
];

/// The size of a program and of its parts; only that of the file where it is no such program.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn tell(program: &Path, into: &mut Figures) -> Result<(), StartError> {
    let bytes = fs::read(program)?;
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mib = |size: u64| size as f64 / 1024.0 / 1024.0;
    into.add(format!("{name}, the program"), "in all", "MiB", mib(bytes.len() as u64));
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for (section, size) in sections(&bytes).unwrap_or_default() {
        let kind =
            KINDS.iter().find(|(prefix, _)| section.starts_with(prefix)).map_or("other", |(_, kind)| kind);
        match kinds.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, all)) => *all += size,
            None => kinds.push((kind, size)),
        }
    }
    kinds.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    for (kind, size) in kinds {
        into.add(format!("{name}, the program"), kind, "MiB", mib(size));
    }
    Ok(())
}

/// The names and sizes of the sections that take room in the file.
fn sections(file: &[u8]) -> Option<Vec<(String, u64)>> {
    const NO_BITS: u64 = 8;
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let number = |at: usize, length: usize| {
        let bytes = file.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    };
    let place = |number: u64| usize::try_from(number).ok();
    let (table, each) = (place(number(40, 8)?)?, place(number(58, 2)?)?);
    let (count, names) = (place(number(60, 2)?)?, place(number(62, 2)?)?);
    let names = place(number(table + names * each + 24, 8)?)?;
    let mut found = Vec::new();
    for header in (0..count).map(|nth| table + nth * each) {
        if number(header + 4, 4)? == NO_BITS {
            continue;
        }
        let name = file.get(names + place(number(header, 4)?)?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        found.push((String::from_utf8_lossy(name).into_owned(), number(header + 32, 8)?));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sections_of_this_program_are_found_and_no_larger_than_it() {
        let file = fs::read(std::env::current_exe().expect("it runs")).expect("it can be read");
        let sections = sections(&file).expect("it is one");
        let code = sections.iter().find(|(name, _)| name == ".text").map_or(0, |(_, size)| *size);
        assert!(code > 100_000, "{code}");
        assert!(sections.iter().map(|(_, size)| size).sum::<u64>() <= file.len() as u64);
        assert_eq!(super::sections(b"#!/bin/sh\n"), None);
    }
}
