//! The collector: its pipelines, what it redacts, and the backends that come on top.

use std::collections::BTreeSet;

use regex::Regex;

use super::{all, file_names, names, read, texts, yaml};

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

#[test]
fn each_backend_changes_where_things_go_and_nothing_else() {
    let collector = yaml("otel-collector.yaml");
    let backends = file_names("collector");
    assert_eq!(backends, ["collector/debug.yaml", "collector/grafana.yaml", "collector/scout.yaml"]);
    for file in &backends {
        let backend = yaml(file);
        let own = names(&backend["exporters"]);
        let there = |section: &str, name: &str| {
            names(&collector[section]).contains(&name) || section == "exporters" && own.contains(&name)
        };
        for (pipeline, parts) in backend["service"]["pipelines"].as_object().into_iter().flatten() {
            assert!(!collector["service"]["pipelines"][pipeline].is_null(), "{file}: {pipeline}");
            // Whatever is redacted and limited stays so.
            assert_eq!(names(parts), ["exporters"], "{file}: {pipeline}");
            let exporters = texts(&parts["exporters"]);
            assert!(!exporters.is_empty(), "{file}: {pipeline}");
            exporters.iter().for_each(|name| assert!(there("exporters", name), "{file}: {name}"));
        }
        let extensions = texts(&backend["service"]["extensions"]);
        extensions.iter().for_each(|name| assert!(there("extensions", name), "{file}: {name}"));
        let used = backend["service"]["pipelines"].to_string();
        own.iter().for_each(|name| assert!(used.contains(name), "{file}: nothing goes to {name}"));
    }
}

#[test]
fn the_collector_listens_where_the_service_sends() {
    let protocols = yaml("otel-collector.yaml")["receivers"]["otlp"]["protocols"].clone();
    let port = |protocol: &str| {
        protocols[protocol]["endpoint"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    };
    assert_eq!((port("grpc").as_str(), port("http").as_str()), ("4317", "4318"));
    let tempo = yaml("tempo/tempo.yaml");
    let taken = &tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"];
    let sent = yaml("collector/grafana.yaml")["exporters"]["otlp_grpc/tempo"]["endpoint"].clone();
    assert_eq!(taken.as_str().unwrap().rsplit(':').next(), sent.as_str().unwrap().rsplit(':').next());
}
