//! Where a new service goes.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use toml_edit::DocumentMut;

use super::super::ScaffoldError;

/// As many names as an error tells.
const SHOWN: usize = 5;

/// Whether the directory is empty, or can be made.
pub(super) fn check(directory: &Path) -> Result<(), ScaffoldError> {
    let io = |source: io::Error| ScaffoldError::Io { path: directory.to_owned(), source };
    let occupied = |there| Err(ScaffoldError::Occupied { directory: directory.to_owned(), there });
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(_) if directory.is_file() => return occupied("is a file".to_owned()),
        Err(error) => return Err(io(error)),
    };
    let names = entries.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<OsString>, _>>();
    let mut names = names.map_err(io)?;
    if names.is_empty() {
        return Ok(());
    }
    names.sort();
    let mut there: Vec<_> =
        names.iter().take(SHOWN).map(|name| name.to_string_lossy().into_owned()).collect();
    if names.len() > SHOWN {
        there.push(format!("{} more", names.len() - SHOWN));
    }
    occupied(format!("holds {}", there.join(", ")))
}

/// Whether one of the directories around this one is that of a workspace of cargo.
pub(super) fn is_in_a_workspace(directory: &Path) -> bool {
    real(directory).is_ok_and(|directory| directory.ancestors().skip(1).any(is_a_workspace))
}

/// Whether this directory is that of a workspace of cargo.
pub(super) fn is_a_workspace(directory: &Path) -> bool {
    manifest(directory).is_some_and(|manifest| manifest.contains_key("workspace"))
}

/// What the directory's `Cargo.toml` says, if there is one that can be read.
pub(super) fn manifest(directory: &Path) -> Option<DocumentMut> {
    fs::read_to_string(directory.join("Cargo.toml")).ok()?.parse().ok()
}

/// The path without links and dots, of which the end may not be there yet.
pub(super) fn real(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for there in absolute.ancestors() {
        if let Ok(mut real) = there.canonicalize() {
            real.extend(missing.iter().rev());
            return Ok(real);
        }
        missing.extend(there.file_name());
    }
    Ok(absolute)
}

/// The way from one directory to another; both as [`real`] gives them.
pub(super) fn way(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let down = to.components().skip(shared);
    up.chain(down).collect()
}

/// The path as a word of a shell.
pub(super) fn for_a_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(plain) && !text.starts_with('-') {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_up_and_down() {
        for (from, to, expected) in [
            ("/a/shop", "/a/spanbox/framework", "../spanbox/framework"),
            ("/a/b/c", "/a", "../.."),
            ("/a", "/a/b", "b"),
            ("/x/y", "/a/b", "../../a/b"),
        ] {
            assert_eq!(way(from.as_ref(), to.as_ref()), Path::new(expected), "{from} to {to}");
        }
    }

    #[test]
    fn a_path_with_blanks_is_quoted() {
        assert_eq!(for_a_shell("a/b".as_ref()), "a/b");
        assert_eq!(for_a_shell("it's a shop".as_ref()), r"'it'\''s a shop'");
    }
}
