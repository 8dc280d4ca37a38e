//! What the project depends on: its licences, and what is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What we may pass on with a program, without more than naming it.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages on Linux, as cargo knows them, with those of tests and benchmarks.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let resolved: BTreeSet<_> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.filter(|package| resolved.contains(package["id"].as_str().unwrap())).cloned().collect()
}

/// Whether an expression of SPDX, or one in the old way with `/`, can be kept with our licences alone.
fn is_acceptable(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let accepted = any(&mut words);
    accepted && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>) -> bool {
    let mut accepted = all(words);
    while words.next_if_eq(&"OR").is_some() {
        accepted |= all(words);
    }
    accepted
}

fn all(words: &mut Words<'_>) -> bool {
    let mut accepted = one(words);
    while words.next_if_eq(&"AND").is_some() {
        accepted &= one(words);
    }
    accepted
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let accepted = any(words);
        return words.next_if_eq(&")").is_some() && accepted;
    }
    let Some(mut licence) = words.next().map(str::to_owned) else { return false };
    if words.next_if_eq(&"WITH").is_some() {
        licence.push_str(" WITH ");
        licence.push_str(words.next().unwrap_or_default());
    }
    LICENCES.contains(&licence.as_str())
}

#[test]
fn each_has_a_licence_that_we_can_keep() {
    for (expression, acceptable) in [
        ("MIT OR Apache-2.0", true),
        ("GPL-3.0-or-later", false),
        ("GPL-3.0-only OR MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0/MIT", true),
        ("", false),
    ] {
        assert_eq!(is_acceptable(expression), acceptable, "{expression}");
    }
    let wrong: Vec<_> = packages()
        .iter()
        .filter(|package| !is_acceptable(package["license"].as_str().unwrap_or_default()))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Packages that are there in two versions or three, because those who need them do not agree.
const TWICE: &[(&str, usize)] = &[
    ("base64", 3),
    ("block-buffer", 2),
    ("const-oid", 2),
    ("cpufeatures", 2),
    ("crypto-common", 2),
    ("darling", 2),
    ("darling_core", 2),
    ("darling_macro", 2),
    ("digest", 2),
    ("getrandom", 3),
    ("h2", 2),
    ("hashbrown", 3),
    ("hmac", 2),
    ("http", 2),
    ("itertools", 2),
    ("nom", 2),
    ("phf", 2),
    ("phf_shared", 2),
    ("rand", 3),
    ("rand_chacha", 2),
    ("rand_core", 3),
    ("sha2", 2),
    ("syn", 2),
    ("synstructure", 2),
    ("toml_datetime", 2),
    ("winnow", 2),
    ("zstd", 2),
    ("zstd-safe", 2),
];

/// Those of them that cargo-deny finds once: one of their versions is for the development of ours, or for what nobody has
/// switched on, which Cargo.lock lists all the same.
const BUILT_ONCE: [&str; 3] = ["itertools", "nom", "synstructure"];

/// The lists of `.config/deny.toml`.
fn denied(table: &str, key: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../.config/deny.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let document: toml_edit::DocumentMut = text.parse().unwrap();
    let list = document[table][key].as_array().unwrap();
    list.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[test]
fn cargo_deny_allows_the_same() {
    assert_eq!(denied("licenses", "allow"), LICENCES);
    let mut twice: Vec<_> = TWICE.iter().map(|(name, _)| *name).collect();
    twice.retain(|name| !BUILT_ONCE.contains(name));
    assert_eq!(denied("bans", "skip"), twice);
}

#[test]
fn nothing_more_is_there_twice_than_we_know_of() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().unwrap().to_owned();
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    let twice: Vec<_> = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, all)| (name.as_str(), all.len()))
        .collect();
    assert_eq!(twice, TWICE, "left: what there is, right: what is known");
}
