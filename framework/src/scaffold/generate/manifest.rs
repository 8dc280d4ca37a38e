//! Lines for `Cargo.toml`.

use std::ops::Range;

use toml_edit::{Document, Item, Table};

/// What the code that is written may need, as it stands in a `Cargo.toml`: the versions and features that spanbox itself is
/// built with.
pub(super) const DEPENDENCIES: &[(&str, &str)] = &[
    ("actix", r#"{ version = "0.13.5", default-features = false, features = ["macros"] }"#),
    ("actix-web", r#"{ version = "4.18", default-features = false }"#),
    ("chrono", r#"{ version = "0.4.45", default-features = false, features = ["now", "serde", "std"] }"#),
    (
        "diesel",
        r#"{ version = "2.3", default-features = false, features = ["chrono", "returning_clauses_for_sqlite_3_35"] }"#,
    ),
    ("diesel-async", r#"{ version = "0.9", default-features = false }"#),
    ("iso_currency", r#"{ version = "0.7.1", default-features = false }"#),
    ("serde", r#"{ version = "1", features = ["derive"] }"#),
    ("serde_json", r#""1""#),
    ("thiserror", r#""2""#),
    ("tracing", r#"{ version = "0.1", default-features = false, features = ["attributes", "std"] }"#),
    ("utoipa", r#"{ version = "6", features = ["chrono", "uuid"] }"#),
    ("uuid", r#"{ version = "1", default-features = false, features = ["serde", "std"] }"#),
];

/// A table of the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Normal,
    /// For tests; what is there for all is there for them.
    Tests,
}

/// The line of a dependency.
pub(super) fn line(name: &str) -> String {
    let known = DEPENDENCIES.iter().find(|(known, _)| *known == name);
    format!("{name} = {}", known.map_or("\"*\"", |(_, requirement)| requirement))
}

/// Adds a dependency that is not there, in its place among the others.
pub(super) fn depend(text: &str, name: &str, section: Section) -> Result<String, &'static str> {
    let document = Document::parse(text).map_err(|_| "it is not TOML")?;
    let table = |key: &str| document.get(key).and_then(Item::as_table);
    let is_there = |key: &str| table(key).is_some_and(|table| table.contains_key(name));
    let tests = section == Section::Tests;
    if is_there("dependencies") || (tests && is_there("dev-dependencies")) {
        return Ok(text.to_owned());
    }
    let key = if tests { "dev-dependencies" } else { "dependencies" };
    let line = line(name);
    let Some(table) = table(key) else { return Ok(format!("{}\n\n[{key}]\n{line}\n", text.trim_end())) };
    let header = table.span().ok_or("its dependencies have no table of their own")?;
    let own = table.iter().filter(|(_, item)| item.as_table().is_none_or(Table::is_dotted));
    let before =
        own.filter(|(known, _)| *known < name).filter_map(|(known, item)| end_of(table, known, item)).max();
    let at = before.unwrap_or(header.start);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    Ok([&text[..end], "\n", &line, &text[end..]].concat())
}

/// Where a key with its value ends.
fn end_of(table: &Table, name: &str, item: &Item) -> Option<usize> {
    let key = table.key(name).and_then(toml_edit::Key::span);
    let value: Option<Range<usize>> = item.span();
    key.into_iter().chain(value).map(|span| span.end).max()
}

/// Adds a feature of spanbox that is not there.
pub(super) fn feature(text: &str, feature: &str) -> Result<String, &'static str> {
    let document = Document::parse(text).map_err(|_| "it is not TOML")?;
    let spanbox =
        document.get("dependencies").and_then(|all| all.get("spanbox")).ok_or("it has no `spanbox`")?;
    let Some(features) = spanbox.get("features") else {
        let table = spanbox.as_inline_table().and_then(toml_edit::InlineTable::span);
        let end = table.ok_or("spanbox has no table of its own")?.end - 1;
        let before = text[..end].trim_end();
        return Ok(format!("{before}, features = [\"{feature}\"] {}", &text[end..]));
    };
    let array = features.as_array().ok_or("the features of spanbox are no list")?;
    if array.iter().any(|known| known.as_str() == Some(feature)) {
        return Ok(text.to_owned());
    }
    let end = array.span().ok_or("the features of spanbox are no list")?.end - 1;
    let before = text[..end].trim_end();
    let comma = if before.ends_with([',', '[']) { "" } else { "," };
    let blank = if before.ends_with('[') { "" } else { " " };
    Ok(format!("{before}{comma}{blank}\"{feature}\"{}", &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_put_in_its_place_once() {
        let text = "[dependencies]\n# A.\nactix.workspace = true\nserde = \"1\" # it\n\n[dependencies.spanbox]\npath = \"x\"\n";
        let once = depend(text, "serde_json", Section::Normal).unwrap();
        assert!(once.contains("serde = \"1\" # it\nserde_json = \"1\"\n\n"), "{once}");
        assert_eq!(depend(&once, "serde_json", Section::Tests).unwrap(), once);
        assert_eq!(depend(&once, "actix", Section::Normal).unwrap(), once);
        let tests = depend(&once, "thiserror", Section::Tests).unwrap();
        assert!(tests.ends_with("path = \"x\"\n\n[dev-dependencies]\nthiserror = \"2\"\n"), "{tests}");
        let first = depend("[dependencies]\nspanbox = \"1\"\n", "chrono", Section::Normal).unwrap();
        assert!(first.starts_with("[dependencies]\nchrono = "), "{first}");
    }

    #[test]
    fn a_feature_is_added_once_wherever_the_features_are() {
        for (before, after) in [
            (r#"spanbox = { path = "x" }"#, r#"spanbox = { path = "x", features = ["openapi"] }"#),
            (
                r#"spanbox = { path = "x", features = [] }"#,
                r#"spanbox = { path = "x", features = ["openapi"] }"#,
            ),
            (
                "spanbox = { features = [\n  \"auth\",\n] }",
                "spanbox = { features = [\n  \"auth\", \"openapi\"] }",
            ),
        ] {
            let text = format!("[dependencies]\n{before}\n");
            let once = feature(&text, "openapi").unwrap();
            assert_eq!(once, format!("[dependencies]\n{after}\n"));
            assert_eq!(feature(&once, "openapi").unwrap(), once);
        }
        assert!(feature("[dependencies]\nspanbox = \"1\"\n", "openapi").is_err());
    }

    #[test]
    fn what_is_written_is_built_with_the_versions_of_spanbox_itself() {
        let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let document = Document::parse(std::fs::read_to_string(workspace).unwrap()).unwrap();
        let version = |item: &Item| {
            let alone = item.as_str().or_else(|| item.get("version")?.as_str());
            alone.map(str::to_owned).unwrap()
        };
        for (name, requirement) in DEPENDENCIES {
            let ours = Document::parse(format!("it = {requirement}")).unwrap();
            assert_eq!(
                version(ours.get("it").unwrap()),
                version(&document["workspace"]["dependencies"][name]),
                "{name}"
            );
        }
    }
}
