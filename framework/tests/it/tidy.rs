//! The rules of this repository that a machine can check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of the framework may import, as docs/ARCHITECTURE.md says.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("context", &[]),
    ("redact", &[]),
    ("config", &["redact"]),
    ("telemetry", &["config", "context", "redact"]),
    ("actor", &["telemetry", "context"]),
    ("data", &["config", "telemetry", "context", "redact"]),
    ("jobs", &["actor", "data", "config", "telemetry", "context", "redact"]),
    ("web", &["data", "config", "telemetry", "context", "redact"]),
    ("module", &["jobs", "web", "actor", "data", "config", "telemetry", "context", "redact"]),
    ("app", &["module", "jobs", "web", "actor", "data", "config", "telemetry", "context", "redact"]),
    ("cli", &["app", "module", "jobs", "web", "actor", "data", "config", "telemetry", "context", "redact"]),
    (
        "testing",
        &["app", "module", "jobs", "web", "actor", "data", "config", "telemetry", "context", "redact"],
    ),
];

/// What the top level holds besides dotfiles.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "app",
    "benches",
    "config",
    "deploy",
    "docs",
    "framework",
    "migrations",
];

/// What a build and a run leave at the top level, which git ignores.
const LEFT_BY_RUNNING: &[&str] = &["target", "var"];

/// A file longer than this has more than one room in it.
const MAX_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules of this crate that a source file names, tests left out.
fn imports(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    code.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .flat_map(|line| line.match_indices("crate::").map(move |(at, found)| &line[at + found.len()..]))
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let source = root().join("framework/src");
    let mut wrong = Vec::new();
    for (module, allowed) in &table {
        let mut files = Vec::new();
        rust_files(&source.join(module), &mut files);
        for file in files
            .iter()
            .filter(|file| !file.ends_with("tests.rs") && !file.iter().any(|part| part == "tests"))
        {
            for import in imports(&fs::read_to_string(file).unwrap()) {
                // Macros stand at the top of the crate, whoever defines them.
                let known = table.contains_key(import.as_str());
                if known && import != *module && !allowed.contains(&import.as_str()) {
                    wrong.push(format!("{}: `{module}` must not know `{import}`", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_the_table_and_the_table_has_no_cycle() {
    let mut modules: Vec<String> = fs::read_dir(root().join("framework/src"))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    modules.sort();
    let mut listed: Vec<_> = MAY_IMPORT.iter().map(|(module, _)| (*module).to_owned()).collect();
    listed.sort();
    assert_eq!(modules, listed);
    // The table is in order: each module knows only those above it.
    for (place, (module, allowed)) in MAY_IMPORT.iter().enumerate() {
        for import in *allowed {
            assert!(MAY_IMPORT[..place].iter().any(|(above, _)| above == import), "{module} knows {import}");
        }
    }
}

#[test]
fn no_file_is_longer_than_a_head_holds() {
    let mut files = Vec::new();
    for crate_directory in ["framework", "app", "benches"] {
        rust_files(&root().join(crate_directory), &mut files);
    }
    let long: Vec<_> = files
        .iter()
        .map(|file| (fs::read_to_string(file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn there_is_one_opentelemetry() {
    // Two versions would have two sets of globals, and spans would vanish between them.
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["opentelemetry", "opentelemetry_sdk", "opentelemetry-otlp", "actix-web", "tokio"] {
        assert_eq!(lock.matches(&format!("name = \"{name}\"\n")).count(), 1, "{name}");
    }
}

#[test]
fn the_top_level_holds_what_it_should() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let expected = TOP_LEVEL.contains(&name.as_str()) || LEFT_BY_RUNNING.contains(&name.as_str());
        if !name.starts_with('.') && !expected {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    for name in TOP_LEVEL {
        assert!(root().join(name).exists(), "{name} is missing");
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |place: &str, backend: &str| {
        let mut names: Vec<_> = fs::read_dir(root().join(place).join(backend))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for place in ["migrations", "framework/migrations"] {
        assert_eq!(names(place, "sqlite"), names(place, "postgres"), "{place}");
    }
}
