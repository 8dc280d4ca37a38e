//! Settings as TOML for people.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::layer::dotted;
use super::{Entry, Origin, Profile};

/// Values longer than this do not push the comments of their section to the right.
const WIDEST: usize = 56;

pub(super) fn all(profile: &Profile, entries: &[Entry]) -> String {
    let mut text = format!("# profile: {}\n", profile.name().escape_debug());
    for section in entries.chunk_by(|one, other| section_of(one) == section_of(other)) {
        let lines: Vec<(String, &Origin)> =
            section.iter().map(|entry| (line(entry), &entry.origin)).collect();
        let widths = lines.iter().map(|(line, _)| line.chars().count());
        let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
        // Writing to a String does not fail.
        let _ = writeln!(text, "\n[{}]", section.first().map_or("", section_of));
        for (line, origin) in lines {
            let _ = writeln!(text, "{line:width$}  # {}", comment(origin));
        }
    }
    text
}

fn section_of(entry: &Entry) -> &str {
    entry.key.split('.').next().unwrap_or_default()
}

fn line(entry: &Entry) -> String {
    let key = entry.key.split_once('.').map_or(entry.key.as_str(), |(_, key)| key);
    if entry.value.is_null() { format!("# {key} is not set") } else { format!("{key} = {}", entry.text()) }
}

/// An origin on one line, whatever a file is called.
pub(super) fn comment(origin: &Origin) -> String {
    origin.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// One value as TOML, on one line.
pub(super) fn toml(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => string(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(table) => {
            let set = table.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<String> = set
                .map(|(key, value)| format!("{} = {}", dotted(std::slice::from_ref(key)), toml(value)))
                .collect();
            if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
        }
    }
}

pub(super) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
