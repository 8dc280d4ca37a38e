//! What stands outside of the service and knows its telemetry by name: the collector, Prometheus, Grafana.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde_json::Value;
use spanbox::testing::contract::SPANBOX;

use crate::contract::ORDERS;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All that a field holds, wherever it stands in the document.
fn all<'a>(document: &'a Value, field: &str) -> Vec<&'a str> {
    match document {
        Value::Object(fields) => {
            let own = fields.get(field).and_then(Value::as_str);
            own.into_iter().chain(fields.values().flat_map(|value| all(value, field))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| all(item, field)).collect(),
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

#[test]
fn the_collectors_pipelines_are_made_of_what_is_there_and_of_all_of_it() {
    let collector = yaml("otel-collector.yaml");
    let service = &collector["service"];
    for section in ["receivers", "processors", "exporters", "extensions"] {
        let mut used = BTreeSet::new();
        if section == "extensions" {
            used.extend(texts(&service["extensions"]));
        } else {
            let pipelines = service["pipelines"].as_object().unwrap().values();
            pipelines.for_each(|pipeline| used.extend(texts(&pipeline[section])));
        }
        let there: BTreeSet<_> = names(&collector[section]).into_iter().collect();
        assert_eq!(used, there, "{section}");
    }
    let extensions = names(&collector["extensions"]);
    let authenticators = all(&collector["exporters"], "authenticator");
    assert!(!authenticators.is_empty() && authenticators.iter().all(|name| extensions.contains(name)));
}

#[test]
fn the_collector_limits_memory_first_and_batches_last_and_lets_nothing_past_the_redaction() {
    let collector = yaml("otel-collector.yaml");
    let pipelines = collector["service"]["pipelines"].as_object().unwrap();
    assert_eq!(pipelines.keys().collect::<Vec<_>>(), ["logs", "metrics", "traces"]);
    for (name, pipeline) in pipelines {
        let processors = texts(&pipeline["processors"]);
        assert_eq!(processors.first(), Some(&"memory_limiter"), "{name}");
        assert_eq!(processors.last(), Some(&"batch"), "{name}");
        assert!(processors.contains(&"transform/pii"), "{name}");
    }
}

#[test]
fn the_collector_redacts_by_expressions_that_are_some() {
    let statements = read("otel-collector.yaml");
    let quoted = Regex::new(r#""((?:[^"\\]|\\.)*)""#).unwrap();
    let mut tried = 0;
    for line in
        statements.lines().filter(|line| line.contains("replace_") || line.contains("delete_matching"))
    {
        let texts = quoted.captures_iter(line).map(|found| found[1].replace("\\\\", "\\").replace("$$", "$"));
        let pattern = texts.into_iter().find(|text| text.contains("(?i)")).unwrap();
        let pattern = Regex::new(&pattern).unwrap();
        let (right, wrong): (&[&str], &[&str]) = if line.contains("delete_matching") {
            (
                &["password", "db.password", "x-api-key", "Authorization"],
                &["gen_ai.usage.input_tokens", "http.route"],
            )
        } else {
            (
                &["to ann@example.com", "4111-1111-1111-1111", "Bearer abc.def", "eyJh.eyJz.abc_-"],
                &[
                    "/api/orders/{id}",
                    "SELECT orders",
                    "1764000000000000000",
                    "00-0af7651916cd43dd8448eb211c80319c-01",
                ],
            )
        };
        right.iter().for_each(|text| assert!(pattern.is_match(text), "{text}: {line}"));
        wrong.iter().for_each(|text| assert!(!pattern.is_match(text), "{text}: {line}"));
        tried += 1;
    }
    assert_eq!(tried, 10);
}

#[test]
fn every_variable_of_the_collector_is_described() {
    let (collector, readme) = (read("otel-collector.yaml"), read("README.md"));
    let variable = Regex::new(r"\$\{env:(\w+)").unwrap();
    let unknown: BTreeSet<_> = variable
        .captures_iter(&collector)
        .map(|found| found[1].to_owned())
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The series of an expression, and the labels that it knows besides `job` and `instance`, which every series has.
fn used(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut labels, mut names) = (BTreeSet::new(), BTreeSet::new());
    let text = Regex::new(r#""(?:[^"\\]|\\.)*""#).unwrap().replace_all(expression, "\"\"");
    let word = Regex::new(r"[a-zA-Z_:][a-zA-Z0-9_:]*").unwrap();
    // Matchers and groupings hold labels; ranges hold durations.
    let aside = Regex::new(r"\{[^}]*\}|\b(?:by|without|on|ignoring)\s*\([^)]*\)").unwrap();
    for part in aside.find_iter(&text) {
        let words = word.find_iter(part.as_str()).map(|found| found.as_str().to_owned());
        labels.extend(words.filter(|word| !["by", "without", "on", "ignoring"].contains(&word.as_str())));
    }
    labels.retain(|label| label != "job" && label != "instance");
    let rest = aside.replace_all(&text, " ");
    let rest = Regex::new(r"\[[^\]]*\]|\boffset\s+\w+").unwrap().replace_all(&rest, " ").into_owned();
    for found in word.find_iter(&rest) {
        let is_function = rest[found.end()..].trim_start().starts_with('(');
        let of_a_number = rest[..found.start()].ends_with(|c: char| c.is_ascii_digit() || c == '.');
        if !is_function && !of_a_number && !["and", "or", "unless", "sum", "max"].contains(&found.as_str()) {
            names.insert(found.as_str().to_owned());
        }
    }
    (names, labels)
}

fn assert_known(expressions: &[&str], recorded: &[&str]) {
    let mut series = SPANBOX.prometheus();
    series.extend(ORDERS.prometheus());
    assert!(!expressions.is_empty());
    for expression in expressions {
        let (names, labels) = used(expression);
        assert!(!names.is_empty(), "{expression}");
        let unknown = |name: &&String| !series.contains_key(*name) && !recorded.contains(&name.as_str());
        let unknown: Vec<_> = names.iter().filter(unknown).collect();
        assert!(unknown.is_empty(), "{unknown:?} is no series, in {expression}");
        let known: BTreeSet<_> = names.iter().filter_map(|name| series.get(name)).flatten().collect();
        let unknown: Vec<_> = labels.iter().filter(|label| !known.contains(label)).collect();
        assert!(unknown.is_empty(), "{unknown:?} is no label of {names:?}, in {expression}");
    }
}

#[test]
fn the_alerts_look_at_what_there_is() {
    let rules = yaml("prometheus/alerts.yaml");
    assert_known(&all(&rules, "expr"), &all(&rules, "record"));
    let alerts = all(&rules, "alert");
    assert_eq!(alerts.len(), alerts.iter().collect::<BTreeSet<_>>().len(), "a name is there twice");
}

#[test]
fn the_dashboard_looks_at_what_there_is() {
    let dashboard: Value = serde_json::from_str(&read("grafana/orders.json")).unwrap();
    assert_known(&all(&dashboard, "expr"), &[]);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: BTreeSet<_> = variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
    let used = Regex::new(r"\$\{?([a-z]\w*)").unwrap();
    for found in used.captures_iter(&dashboard.to_string()) {
        assert!(variables.contains(&found[1]), "{} is no variable of the dashboard", &found[1]);
    }
}

#[test]
fn a_name_that_is_none_is_noticed() {
    let (names, labels) = used(
        "histogram_quantile(0.99, sum by (job, le) (rate(gone_bucket{lost=~\"x\"}[5m]))) > 1e3 and max(a unless b offset 10m)",
    );
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "gone_bucket"]);
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["le", "lost"]);
}
