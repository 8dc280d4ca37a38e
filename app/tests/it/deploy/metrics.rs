//! Whoever looks at metrics, or acts on them, by their names: Prometheus, Grafana, the autoscaler.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;
use spanbox::testing::contract::SPANBOX;

use super::{all, documents, read, texts, yaml};
use crate::contract::ORDERS;

/// The series of an expression, and the labels that it knows besides those which whoever scrapes gives to every series.
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
    labels.retain(|label| !["job", "instance", "namespace"].contains(&label.as_str()));
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
fn the_page_says_of_each_alert_what_it_means() {
    let page = read("README.md");
    let row = Regex::new(r"(?m)^\| `([A-Z][a-z]+[A-Za-z]+)` \|").unwrap();
    let described: Vec<_> = row.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    assert_eq!(described, all(&yaml("prometheus/alerts.yaml"), "alert"));
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

#[test]
fn the_autoscaler_acts_on_what_there_is() {
    let adapter = yaml("kubernetes/monitoring/adapter-values.yaml");
    let rules = adapter["rules"]["external"].as_array().unwrap();
    let mut served = BTreeSet::new();
    for rule in rules {
        let (discovered, query) =
            (rule["seriesQuery"].as_str().unwrap(), rule["metricsQuery"].as_str().unwrap());
        // The adapter puts matchers of its own there.
        let query = query.replace("<<.LabelMatchers>>", "namespace=\"orders\"");
        assert_known(&[discovered, query.as_str()], &[]);
        let (names, _) = used(discovered);
        assert!(names.is_subset(&used(&query).0), "{discovered} is not what {query} asks for");
        served.extend(names);
    }
    let scalers = documents("kubernetes/base/autoscaling.yaml");
    let asked: BTreeSet<_> = scalers
        .iter()
        .flat_map(|scaler| scaler["spec"]["metrics"].as_array().unwrap())
        .filter_map(|metric| metric["external"]["metric"]["name"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(asked, served);
}

#[test]
fn prometheus_reads_the_rules_and_scrapes_what_is_there() {
    let prometheus = yaml("prometheus/prometheus.yaml");
    assert_eq!(texts(&prometheus["rule_files"]), ["alerts.yaml"]);
    let compose = yaml("compose.yaml");
    let scrapes = prometheus["scrape_configs"].as_array().unwrap();
    let hosts: Vec<String> = scrapes
        .iter()
        .flat_map(|scrape| {
            let found = scrape["dns_sd_configs"].as_array().into_iter().flatten();
            let found = found.flat_map(|found| texts(&found["names"]));
            let fixed = scrape["static_configs"].as_array().into_iter().flatten();
            found.chain(fixed.flat_map(|fixed| texts(&fixed["targets"]))).map(str::to_owned)
        })
        .collect();
    assert_eq!(hosts, ["app", "worker", "collector:8888"]);
    for host in &hosts {
        let service = &compose["services"][host.split(':').next().unwrap()];
        assert!(!service.is_null(), "{host} is no service");
    }
    // What the collector tells of itself, where there is somebody to ask for it.
    let own = yaml("collector/grafana.yaml")["service"]["telemetry"]["metrics"]["readers"].to_string();
    assert!(own.contains("8888"), "{own}");
    // The alerts and the dashboard go by `job`.
    assert_eq!(scrapes[0]["job_name"], "orders");
}

#[test]
fn grafana_has_the_sources_and_the_dashboard_that_are_named() {
    let sources = yaml("grafana/provisioning/datasources/orders.yaml");
    let sources = sources["datasources"].as_array().unwrap();
    let uids: BTreeSet<_> = sources.iter().map(|source| source["uid"].as_str().unwrap()).collect();
    for source in sources {
        for uid in all(&source["jsonData"], "datasourceUid") {
            assert!(uids.contains(uid), "{} points to {uid}", source["name"]);
        }
        let url = source["url"].as_str().unwrap();
        let host = url.trim_start_matches("http://").split(':').next().unwrap();
        assert!(!yaml("compose.yaml")["services"][host].is_null(), "{url}");
    }
    // The dashboard takes the default one.
    let default = sources.iter().filter(|source| source["isDefault"] == true);
    assert_eq!(default.map(|source| source["type"].as_str().unwrap()).collect::<Vec<_>>(), ["prometheus"]);
    let compose = yaml("compose.yaml");
    let grafana = &compose["services"]["grafana"];
    let home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str().unwrap();
    let providers = yaml("grafana/provisioning/dashboards/orders.yaml");
    let path = providers["providers"][0]["options"]["path"].as_str().unwrap();
    assert_eq!(home, format!("{path}/orders.json"));
    assert!(texts(&grafana["volumes"]).contains(&format!("./grafana/orders.json:{home}:ro").as_str()));
}
