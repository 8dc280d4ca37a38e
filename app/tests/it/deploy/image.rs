//! The Dockerfile and what it is built from.

use regex::Regex;

use super::{files_in, read, root};

/// What comes after a `FROM`, of each stage.
fn stages() -> Vec<String> {
    format!("\n{}", read("Dockerfile")).split("\nFROM ").skip(1).map(str::to_owned).collect()
}

#[test]
fn the_image_is_built_of_versions_that_are_named() {
    let file = read("Dockerfile");
    let argument = |name: &str| {
        let line = Regex::new(&format!(r"(?m)^ARG {name}=(\S+)$")).unwrap();
        line.captures(&file).unwrap_or_else(|| panic!("{name}"))[1].to_owned()
    };
    let number = Regex::new(r"^\d+\.\d+(\.\d+)?$").unwrap();
    for name in ["RUST_VERSION", "DEBIAN_VERSION", "CARGO_CHEF_VERSION"] {
        assert!(number.is_match(&argument(name)), "{name}={}", argument(name));
    }
    // The toolchain that the crates ask for, at least.
    let asked: Vec<u32> =
        env!("CARGO_PKG_RUST_VERSION").split('.').map(|part| part.parse().unwrap()).collect();
    let given: Vec<u32> = argument("RUST_VERSION").split('.').map(|part| part.parse().unwrap()).collect();
    assert!(given >= asked, "{given:?}");
    let from: Vec<_> =
        stages().iter().map(|stage| stage.split_whitespace().next().unwrap().to_owned()).collect();
    assert_eq!(
        from,
        ["rust:${RUST_VERSION}-slim-${DEBIAN_RELEASE}", "chef", "chef", "debian:${DEBIAN_VERSION}-slim"]
    );
}

#[test]
fn the_lock_file_decides_what_is_compiled_and_dependencies_come_before_the_source() {
    let file = read("Dockerfile");
    let compiles: Vec<_> = file
        .lines()
        .filter(|line| {
            ["cargo install", "cargo chef cook", "cargo build"].iter().any(|command| line.contains(command))
        })
        .collect();
    assert_eq!(compiles.len(), 3);
    compiles.iter().for_each(|line| assert!(line.contains("--locked"), "{line}"));
    let build = &stages()[2];
    let place = |text: &str| build.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("cargo chef cook") < place("COPY . .") && place("COPY . .") < place("cargo build"));
}

#[test]
fn nobody_in_the_image_is_root_and_it_writes_to_one_place() {
    let last = stages().pop().unwrap();
    let one = |instruction: &str| {
        let lines = last.lines().filter_map(|line| line.strip_prefix(instruction));
        let lines: Vec<_> = lines.map(str::trim).collect();
        assert_eq!(lines.len(), 1, "{instruction}: {lines:?}");
        lines[0].to_owned()
    };
    let user = one("USER");
    let ids: Vec<u32> = user.split(':').map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| *id > 0), "{user}");
    assert_eq!(one("VOLUME"), r#"["/app/var"]"#);
    assert!(last.contains(&format!("--chown={user} /image/app/var /app/var")));
    assert_eq!(one("STOPSIGNAL"), "SIGTERM");
    assert_eq!(last.matches("\nRUN ").count(), 0, "nothing is installed");
}

/// What is sent to the builder, of the top of the repository.
fn sent() -> Vec<String> {
    let ignored = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "*"), "all else is left out");
    ignored.lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect()
}

#[test]
fn what_is_built_is_there() {
    let sent = sent();
    sent.iter().for_each(|name| assert!(root().join(name).exists(), "{name}"));
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    assert!(members.len() > 3);
    for needed in members.iter().map(String::as_str).chain([
        ".cargo",
        "Cargo.toml",
        "Cargo.lock",
        "config",
        "migrations",
    ]) {
        let top = needed.split('/').next().unwrap();
        assert!(sent.iter().any(|name| name == top), "{needed} is not sent to the builder");
    }
    assert!(!sent.iter().any(|name| ["target", "var", ".git", "deploy"].contains(&name.as_str())));
}

#[test]
fn what_the_source_includes_is_sent_to_the_builder() {
    let (sent, top) = (sent(), root().canonicalize().unwrap());
    let include = Regex::new(r#"include_(?:str|bytes)!\("([^"]+)"\)"#).unwrap();
    let mut files = Vec::new();
    ["app/src", "framework/src", "framework/macros/src"]
        .iter()
        .for_each(|place| files_in(&top.join(place), &mut files));
    let mut included = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|is| is == "rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut before = "";
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            // The pages are there for their examples' tests alone.
            for found in include.captures_iter(line).filter(|_| !before.contains("doctest")) {
                let target = file.parent().unwrap().join(&found[1]).canonicalize();
                let target = target.unwrap_or_else(|error| panic!("{}: {line}: {error}", file.display()));
                let first = target.strip_prefix(&top).unwrap().iter().next().unwrap().to_str().unwrap();
                assert!(sent.iter().any(|name| name == first), "{}: {line}", file.display());
                included += 1;
            }
            before = line;
        }
    }
    assert!(included > 3, "{included}");
}
