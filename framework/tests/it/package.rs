//! What is published of this crate: all that its build reads, and its licences.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_in(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn packaged(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--offline", "-p", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn all_that_the_build_reads_is_in_the_package() {
    let mut files = Vec::new();
    for place in ["migrations", "src", "templates"] {
        files_in(&root().join(place), &mut files);
    }
    let packaged = packaged("spanbox");
    let missing: Vec<_> = files
        .iter()
        .map(|file| file.strip_prefix(root()).unwrap().display().to_string())
        .chain(["build.rs", "README.md", "Cargo.toml"].map(str::to_owned))
        .filter(|file| !packaged.contains(file))
        .collect();
    assert!(missing.is_empty(), "`include` in Cargo.toml leaves out {missing:?}");
}

#[test]
fn both_licences_are_in_both_packages() {
    for package in ["spanbox", "spanbox-macros"] {
        let packaged = packaged(package);
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(packaged.contains(licence), "{package} is published without {licence}");
        }
    }
}

/// The paths that a line of code names at compile time, and whether they start at the crate's directory.
fn named(line: &str) -> Vec<(&str, bool)> {
    let starts = [
        ("include_str!(\"", false),
        ("include_bytes!(\"", false),
        ("#[path = \"", false),
        ("embed_migrations!(\"", true),
    ];
    let all = starts.iter().flat_map(|(start, of_crate)| {
        let found = line.match_indices(start).map(move |(at, start)| &line[at + start.len()..]);
        found.filter_map(|rest| Some((rest.split_once('"')?.0, *of_crate)))
    });
    all.collect()
}

#[test]
fn nothing_that_the_build_reads_lies_outside_of_the_crate() {
    let mut files = Vec::new();
    files_in(&root().join("src"), &mut files);
    files.push(root().join("build.rs"));
    let (mut outside, mut seen) = (Vec::new(), 0);
    for file in files.iter().filter(|file| file.extension().is_some_and(|is| is == "rs")) {
        let text = fs::read_to_string(file).unwrap();
        let mut before = "";
        for line in text.lines() {
            // The examples of the documents beside the crate are tested where those are.
            let of_documents = before.contains("doctest");
            before = line;
            if of_documents || line.trim_start().starts_with("//") {
                continue;
            }
            for (path, of_crate) in named(line) {
                seen += 1;
                let from = if of_crate { root() } else { file.parent().unwrap() };
                let path = from
                    .join(path)
                    .canonicalize()
                    .unwrap_or_else(|error| panic!("{file:?}: {path}: {error}"));
                if !path.starts_with(root().canonicalize().unwrap()) {
                    outside.push(format!("{}: {}", file.display(), path.display()));
                }
            }
        }
    }
    assert!(seen > 5, "nothing was found to be looked at");
    assert!(outside.is_empty(), "{}", outside.join("\n"));
}
