//! The page that lists every setting, and what holds it: docs/SETTINGS.md.

mod source;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use orders::create_app;
use regex::Regex;
use serde_json::Value;
use spanbox::config::{Config, Origin};

use source::{Row, Source};

const PROFILES: [&str; 3] = ["development", "testing", "production"];

/// Tables that there are by name: one of each, so that its keys have defaults to show.
const TABLES: [(&str, &str); 3] = [
    ("APP_LIMITS__RULES__NAME", "{}"),
    ("APP_JOBS__QUEUES__NAME", "{}"),
    ("APP_HTTP_CLIENT__UPSTREAMS__NAME", "{}"),
];

/// The names without a section, each with a value that its key takes.
const PLAIN: [(&str, &str); 8] = [
    ("APP_VERSION", "1.2.3"),
    ("CACHE_URL", "memory://"),
    ("DATABASE_URL", "sqlite://var/own.db"),
    ("ENVIRONMENT", "staging"),
    ("LOG_LEVEL", "debug"),
    ("PORT", "8081"),
    ("REDIS_URL", "redis://localhost:6379"),
    ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
];

const HEAD: &str = "\
# Settings

Every setting of the order service and of the framework under it, with what it is by default in each profile. Written by
`UPDATE=1 cargo test -p orders --test it settings` from the structs that the settings are read into; a test holds the page
against what the service knows. [CONFIG.md](CONFIG.md) says how settings are given and how a module or an extension has its own.

Of the layers that set a key the highest wins: the default here, `config/default.toml`, `config/{profile}.toml`, the plain
variable, the variable with the section's name. What `config/*.toml` of the order service set is not in the tables; `orders config` shows
each value in effect with where it comes from. A duration is written as `\"1m 30s\"`; in a variable, a list is separated by commas.
`NAME` stands for a name that you give. The variables of OpenTelemetry are in [deploy/README.md](../deploy/README.md).

";

/// The settings of the service in a profile, without files.
fn settings<'a>(profile: &str, environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> Config {
    let service = create_app(Some(profile)).without_files().environment(environment);
    service.prepare().unwrap_or_else(|errors| panic!("{profile}: {errors}")).config().clone()
}

/// What a key is when nobody sets it.
fn defaults(profile: &str) -> BTreeMap<String, Value> {
    let config = settings(profile, PLAIN.into_iter().filter(|(name, _)| *name != "CACHE_URL").chain(TABLES));
    let of_code =
        |origin: &Origin| matches!(origin, Origin::Default | Origin::ProfileDefault(_) | Origin::Code);
    let value = |entry: &spanbox::config::Entry| {
        let layers = config.explain(&entry.key).unwrap().layers;
        layers.into_iter().rev().find(|(origin, _)| of_code(origin)).map(|(_, value)| value)
    };
    let keys = config.entries().iter();
    keys.map(|entry| match is_of_table(&entry.key) {
        true => (entry.key.replace(".name.", ".NAME."), entry.value.clone()),
        false => (entry.key.clone(), value(entry).unwrap_or_default()),
    })
    .collect()
}

fn is_of_table(key: &str) -> bool {
    key.contains(".name.")
}

fn variable(key: &str) -> String {
    format!("APP_{}", key.replace('.', "__").to_uppercase())
}

/// What each plain name sets, as the service has it.
fn plain() -> BTreeMap<String, &'static str> {
    let config = settings("development", PLAIN);
    let of = |entry: &spanbox::config::Entry| match &entry.origin {
        Origin::Variable(name) => PLAIN.iter().find(|(plain, _)| plain == name).map(|(plain, _)| *plain),
        _ => None,
    };
    config.entries().iter().filter_map(|entry| Some((entry.key.clone(), of(entry)?))).collect()
}

fn shown(value: &Value) -> String {
    if value.is_null() {
        return "not set".to_owned();
    }
    let days = value.as_str().and_then(in_days).map(Value::from);
    format!("`{}`", days.as_ref().unwrap_or(value)).replace('|', "\\|")
}

/// A long duration, which is written as months and days and what is left of those.
fn in_days(text: &str) -> Option<String> {
    let long = ["month", "year"].iter().any(|word| text.contains(word));
    let seconds = humantime::parse_duration(text).ok().filter(|_| long)?.as_secs();
    seconds.is_multiple_of(24 * 3600).then(|| format!("{}days", seconds / (24 * 3600)))
}

/// The default, and where a profile has another.
fn default_of(key: &str, defaults: &[BTreeMap<String, Value>; 3]) -> String {
    let Some(values) = defaults.iter().map(|of| of.get(key)).collect::<Option<Vec<_>>>() else {
        return String::new();
    };
    let often = |value: &&Value| values.iter().filter(|other| *other == value).count();
    let usual = values.iter().max_by_key(|value| often(value)).unwrap();
    let mut text = shown(usual);
    for (value, profile) in values.iter().zip(PROFILES).filter(|(value, _)| *value != usual) {
        let _ = write!(text, "; {profile}: {}", shown(value));
    }
    text
}

/// Documentation as a cell has it: no links into the API, no name of the table that it stands in.
fn cell(says: &str) -> String {
    let paragraphs = says.split("```").step_by(2).collect::<String>();
    let text = paragraphs.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = match text.strip_prefix("`[") {
        Some(rest) => rest.split_once("]`").map_or("", |(_, rest)| rest).trim_start_matches([':', '.', ' ']),
        None => &text,
    };
    let links = Regex::new(r"\[([^\[\]]+)\]\((?:crate|super|self)[^)]*\)|\[(`[^`]+`)\]").unwrap();
    let plain = links.replace_all(text, "$1$2");
    let mut letters = plain.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str()).replace('|', "\\|")
}

fn page(source: &Source) -> String {
    let defaults = PROFILES.map(defaults);
    let plain = plain();
    let mut page = HEAD.to_owned();
    for name in sections(&settings("development", [])) {
        let (says, rows) = source.section(&name);
        let _ = writeln!(page, "## `[{name}]`");
        let says = cell(&says);
        if !says.is_empty() {
            let _ = writeln!(page, "{says}");
        }
        page.push_str("\n| key | is | default | variable | |\n|---|---|---|---|---|\n");
        for Row { key, kind, says } in rows {
            let _ = match kind {
                None => writeln!(page, "| `[{key}]` | | | | {} |", cell(&says)),
                Some(kind) => {
                    let default = default_of(&key, &defaults);
                    let names = plain.get(&key).map(|name| format!(", `{name}`")).unwrap_or_default();
                    writeln!(
                        page,
                        "| `{key}` | {kind} | {default} | `{}`{names} | {} |",
                        variable(&key),
                        cell(&says)
                    )
                }
            };
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn sections(config: &Config) -> Vec<String> {
    let mut names: Vec<String> =
        config.entries().iter().filter_map(|entry| Some(entry.key.split('.').next()?.to_owned())).collect();
    names.dedup();
    names
}

#[test]
fn the_page_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SETTINGS.md");
    let page = page(&Source::read());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/SETTINGS.md is not what the types say: UPDATE=1 cargo test -p orders --test it settings"
    );
}

#[test]
fn every_key_that_the_service_knows_is_read_from_the_source_and_the_other_way_round() {
    let source = Source::read();
    let mut known = sections(&settings("development", []));
    known.sort();
    assert_eq!(known, source.names().collect::<Vec<_>>());
    let rows: Vec<Row> = known.iter().flat_map(|name| source.section(name).1).collect();
    let keys: Vec<&str> = rows.iter().filter(|row| row.kind.is_some()).map(|row| row.key.as_str()).collect();
    let undescribed: Vec<_> =
        rows.iter().filter(|row| cell(&row.says).is_empty()).map(|row| &row.key).collect();
    assert!(undescribed.is_empty(), "say above their fields what these are for: {undescribed:?}");
    let entries = defaults("development");
    for key in entries.keys() {
        // A table that is not set is one entry.
        let is_table = || keys.iter().any(|other| other.starts_with(&format!("{key}.")));
        assert!(keys.contains(&key.as_str()) || is_table(), "{key} is not found in the source");
    }
    for key in keys {
        let above =
            || key.match_indices('.').any(|(at, _)| entries.get(&key[..at]).is_some_and(Value::is_null));
        assert!(entries.contains_key(key) || above(), "{key} is nothing that the service knows");
    }
}

#[test]
fn every_variable_sets_its_key() {
    let config = settings("development", []);
    let given: Vec<(String, String)> = config
        .entries()
        .iter()
        .filter(|entry| !entry.value.is_null())
        .map(|entry| {
            let text = entry.value.as_str().map_or_else(|| entry.text(), str::to_owned);
            (variable(&entry.key), text)
        })
        .collect();
    let read = settings("development", given.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    for (before, after) in
        config.entries().iter().zip(read.entries()).filter(|(before, _)| !before.value.is_null())
    {
        assert_eq!(after.origin, Origin::Variable(variable(&before.key)), "{}", before.key);
        assert_eq!((&after.key, &after.value), (&before.key, &before.value));
    }
    assert_eq!(plain().len(), PLAIN.len(), "{:?}", plain());
}
