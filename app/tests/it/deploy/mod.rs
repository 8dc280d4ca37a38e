//! What stands outside of the service and knows it by name: what it is built and run by, and what looks at it.

mod collector;
mod commands;
mod compose;
mod environment;
mod image;
mod kubernetes;
mod metrics;
mod systemd;

use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

/// The top of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file below deploy/.
fn read(file: &str) -> String {
    let path = root().join("deploy").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents of a file, which `---` parts.
fn documents(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All that a field holds, wherever it stands in the document.
fn all<'a>(document: &'a Value, field: &str) -> Vec<&'a str> {
    everywhere(document, field).into_iter().filter_map(Value::as_str).collect()
}

/// The same of what is no text.
fn everywhere<'a>(document: &'a Value, field: &str) -> Vec<&'a Value> {
    match document {
        Value::Object(fields) => fields
            .get(field)
            .into_iter()
            .chain(fields.values().flat_map(|value| everywhere(value, field)))
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| everywhere(item, field)).collect(),
        _ => Vec::new(),
    }
}

/// The names of what lies in a section.
fn names(section: &Value) -> Vec<&str> {
    section.as_object().into_iter().flat_map(|section| section.keys().map(String::as_str)).collect()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The files below a directory of deploy/, by their names from deploy/ on, in order.
fn file_names(directory: &str) -> Vec<String> {
    let root = root().join("deploy");
    let mut found = Vec::new();
    files_in(&root.join(directory), &mut found);
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let mut found: Vec<_> = found.iter().map(name).collect();
    found.sort();
    found
}

fn files_in(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_in(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn is_pinned(image: &str) -> bool {
    Regex::new(r"^[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)?$").unwrap().is_match(image)
}

/// Whether a name is that of what must not be in a file.
fn is_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    // A URL may hold a password.
    ["PASSWORD", "SECRET", "TOKEN", "API_KEY", "CLI_AUTH", "DATABASE_URL", "REDIS_URL", "CACHE_URL"]
        .iter()
        .any(|part| name.contains(part))
}

#[test]
fn every_yaml_parses() {
    let mut parsed = 0;
    for file in file_names("").iter().filter(|file| file.ends_with(".yaml")) {
        let count = documents(file).len();
        assert!(count > 0, "{file} is empty");
        parsed += count;
    }
    assert!(parsed > 20, "{parsed}");
}

#[test]
fn no_url_holds_a_password() {
    let password = Regex::new(r"://[^/@\s]*:([^/@\s]+)@").unwrap();
    for file in file_names("") {
        for found in password.captures_iter(&read(&file)) {
            let dots_or_variable = ["…", "password", "${"].iter().any(|start| found[1].starts_with(start));
            assert!(dots_or_variable, "{file}: {}", &found[0]);
        }
    }
}

#[test]
fn an_image_without_a_version_is_noticed() {
    for (image, pinned) in [
        ("postgres:18.6-trixie", true),
        ("grafana/tempo:2.9.0", true),
        ("prom/prometheus:v3.13.3", true),
        ("registry.example.com/orders:0.1.0", true),
        ("redis", false),
        ("redis:latest", false),
        ("redis:8", false),
        ("redis:8-alpine", false),
    ] {
        assert_eq!(is_pinned(image), pinned, "{image}");
    }
}
