//! The rules of this repository that a machine can check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The document that says what each module of the framework may import.
const MAP: &str = "docs/ARCHITECTURE.md";

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

/// What fuzzing leaves beside its targets, which git ignores.
const LEFT_BY_FUZZING: &[&str] = &["fuzz/target", "fuzz/corpus", "fuzz/artifacts", "fuzz/coverage"];

/// A file longer than this has more than one room in it.
const MAX_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of ours with one of these extensions.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in TOP_LEVEL.iter().chain(&[".cargo", ".ci", ".config"]) {
        let path = root().join(name);
        if path.is_dir() {
            files_in(&path, &mut found);
        } else {
            found.push(path);
        }
    }
    found.retain(|file| {
        file.extension().is_some_and(|is| extensions.iter().any(|extension| is == *extension))
    });
    found
}

fn files_in(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if !path.is_dir() {
            found.push(path);
        // What a build of the fuzz targets leaves beside them is not ours.
        } else if !LEFT_BY_FUZZING.iter().any(|left| path.ends_with(left)) {
            files_in(&path, found);
        }
    }
}

fn read(file: impl AsRef<Path>) -> String {
    let file = root().join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(row.split(" | ").map(str::trim).collect())
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The table of the map: each module, and what it may import, in the document's order.
fn may_import() -> Vec<(String, Vec<String>)> {
    let map = read(MAP);
    let table = map.lines().skip_while(|line| *line != "| module | is | may import |").skip(2);
    let rows: Vec<_> = table
        .map_while(cells)
        .map(|row| {
            let [module, _, imports] = row[..] else { panic!("{MAP}: a row has three cells: {row:?}") };
            let imports: Vec<_> = code(imports).map(str::to_owned).collect();
            assert!(!imports.is_empty() || row[2] == "nothing of ours", "{MAP}: what is this? {row:?}");
            (code(module).next().unwrap().to_owned(), imports)
        })
        .collect();
    assert!(!rows.is_empty(), "{MAP} has no table of the modules");
    rows
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
fn modules_import_only_what_the_map_allows() {
    let table: BTreeMap<_, _> = may_import().into_iter().collect();
    let mut wrong = Vec::new();
    for (module, allowed) in &table {
        let mut files = Vec::new();
        files_in(&root().join("framework/src").join(module), &mut files);
        let of_tests = |file: &Path| file.ends_with("tests.rs") || file.iter().any(|part| part == "tests");
        for file in
            files.iter().filter(|file| file.extension().is_some_and(|is| is == "rs") && !of_tests(file))
        {
            for import in imports(&read(file)) {
                // Macros stand at the top of the crate, whoever defines them.
                if table.contains_key(&import) && import != *module && !allowed.contains(&import) {
                    wrong.push(format!("{}: `{module}` must not know `{import}`", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_on_the_map_and_the_map_has_no_cycle() {
    let table = may_import();
    let mut modules: Vec<String> = fs::read_dir(root().join("framework/src"))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        // Programs are made of the library.
        .filter(|name| name != "bin")
        .collect();
    modules.sort();
    let mut listed: Vec<_> = table.iter().map(|(module, _)| module.clone()).collect();
    listed.sort();
    assert_eq!(modules, listed);
    // The table is in order: each module knows only those above it.
    for (place, (module, allowed)) in table.iter().enumerate() {
        for import in allowed {
            assert!(table[..place].iter().any(|(above, _)| above == import), "{module} knows {import}");
        }
    }
}

#[test]
fn every_file_that_the_map_names_is_there() {
    let map = read(MAP);
    let rooms = ["", "framework/src", "app/src", "app/src/orders"].map(|room| root().join(room));
    let missing: Vec<_> = code(&map)
        .filter(|name| name.ends_with(".rs") || name.ends_with(".md"))
        .filter(|name| !rooms.iter().any(|room| room.join(name).exists()))
        .collect();
    assert!(missing.is_empty(), "{MAP} names {missing:?}");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let mut dead = Vec::new();
    // What lies in a src directory belongs to the API's own pages, whose links rustdoc checks.
    for file in files(&["md"]).iter().filter(|file| !file.iter().any(|part| part == "src")) {
        let text = read(file);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#']).next().unwrap();
            let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            let path = file.parent().unwrap().join(target);
            if !elsewhere && !path.exists() {
                dead.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_package_that_a_documented_cargo_command_names_exists() {
    let members = ["framework", "framework/macros", "app", "benches"]
        .map(|member| read(format!("{member}/Cargo.toml")));
    let names: Vec<_> =
        members.iter().filter_map(|text| text.split("\nname = \"").nth(1)?.split('"').next()).collect();
    for file in files(&["md"]) {
        let text = read(&file);
        for (at, _) in text.match_indices("cargo ") {
            let command = text[at..].split(['`', '\n']).next().unwrap();
            let mut words = command.split_whitespace();
            while let Some(word) = words.next().filter(|word| *word != "--") {
                if word == "-p" {
                    let package = words.next().unwrap_or_default();
                    assert!(names.contains(&package), "{}: `{command}`: {names:?}", file.display());
                }
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_a_head_holds() {
    let long: Vec<_> = files(&["rs", "md", "toml", "sql"])
        .into_iter()
        .map(|file| (read(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // In two parts, so that this file passes.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("unimpl", "emented!(")];
    let found: Vec<_> = files(&["rs", "md", "toml", "sql"])
        .into_iter()
        .filter(|file| marks.iter().any(|mark| read(file).contains(mark)))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_public_module_shows_how_it_is_used() {
    let source = root().join("framework/src");
    let mut without = Vec::new();
    for parent in ["lib.rs", "ext/mod.rs", "jobs/mod.rs", "testing/mod.rs", "web/mod.rs"] {
        let parent = source.join(parent);
        let text = read(&parent);
        // What is hidden is for what macros expand to.
        let shown = text.replace("#[doc(hidden)]\npub mod", "mod");
        let names = shown.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        for name in names {
            let file = parent.with_file_name(name).join("mod.rs");
            let module = read(&file);
            // The example may stand in a page of its own, which is then all of the documentation.
            let docs = match module.split_once("#![doc = include_str!(\"") {
                Some((_, page)) => read(file.with_file_name(page.split('"').next().unwrap())),
                None => {
                    module.lines().filter_map(|line| line.strip_prefix("//! ")).collect::<Vec<_>>().join("\n")
                }
            };
            if !docs.lines().any(|line| matches!(line, "```" | "```no_run" | "```rust")) {
                without.push(file);
            }
        }
    }
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn there_is_one_opentelemetry() {
    // Two versions would have two sets of globals, and spans would vanish between them.
    let lock = read("Cargo.lock");
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
    let own = ["", "/auth", "/idempotency"].map(|set| format!("framework/migrations{set}"));
    for place in own.iter().map(String::as_str).chain(["migrations"]) {
        assert_eq!(names(place, "sqlite"), names(place, "postgres"), "{place}");
    }
}
