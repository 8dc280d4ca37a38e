//! compose.yaml: what its containers are given, and how they hang together.

use std::collections::BTreeSet;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;
use spanbox::config::{ManagementSettings, ServerSettings, TelemetrySettings};

use super::environment::{Variables, assert_settings, of_file, of_image, sample};
use super::{everywhere, is_pinned, is_secret, names, read, texts, yaml};

/// The services that are the program.
const OURS: [&str; 3] = ["migrate", "app", "worker"];

/// A text with its variables put in: `${NAME}`, `${NAME:-default}`, `${NAME:?what to do}`, one in another's default, `$$`.
fn interpolated(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let innermost = Regex::new(r"\$\{(\w+)(?::([-?])([^${}]*))?\}").unwrap();
    let mut text = text.replace("$$", "\0");
    while let Some(found) = innermost.captures(&text) {
        let default = || match found.get(2).map(|operator| operator.as_str()) {
            Some("-") => found[3].to_owned(),
            _ => panic!("{} has no value, in {text}", &found[1]),
        };
        let put = value(&found[1]).filter(|value| !value.is_empty()).unwrap_or_else(default);
        let place = found.get(0).unwrap().range();
        text.replace_range(place, &put);
    }
    text.replace('\0', "$")
}

/// The variables of a service's container, on top of the image's.
fn environment(service: &Value, value: &dyn Fn(&str) -> Option<String>) -> Variables {
    let mut variables = of_image();
    for (name, text) in service["environment"].as_object().unwrap() {
        variables.insert(name.clone(), interpolated(text.as_str().unwrap(), value));
    }
    variables
}

fn seconds(text: &Value) -> Duration {
    let text = text.as_str().unwrap();
    Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

#[test]
fn each_process_starts_with_what_it_is_given_and_all_of_it_does_something() {
    let compose = yaml("compose.yaml");
    let required = ["SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"];
    let alone = |name: &str| sample(name).filter(|_| required.contains(&name)).map(str::to_owned);
    for name in OURS {
        let service = &compose["services"][name];
        // With nothing but what must be set, and with all that can be.
        let _ = assert_settings(name, &environment(service, &alone));
        let all = |name: &str| sample(name).map(str::to_owned);
        let ready = assert_settings(name, &environment(service, &all));
        let server: ServerSettings = ready.config().get().unwrap();
        let telemetry: TelemetrySettings = ready.config().get().unwrap();
        let needed = server.shutdown_grace + telemetry.flush_timeout + Duration::from_secs(2);
        assert!(seconds(&service["stop_grace_period"]) > needed, "{name}: {needed:?}");
    }
}

#[test]
fn what_is_not_set_and_must_be_is_told_by_name() {
    let compose = read("compose.yaml");
    for name in ["SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"] {
        let uses = Regex::new(&format!(r"\$\{{{name}[^}}]*\}}")).unwrap();
        let uses: Vec<_> = uses.find_iter(&compose).map(|found| found.as_str()).collect();
        assert!(
            !uses.is_empty() && uses.iter().all(|text| text.contains(":?set it to the output of openssl")),
            "{uses:?}"
        );
    }
}

#[test]
fn no_secret_is_written_down() {
    let compose = yaml("compose.yaml");
    for (service, about) in compose["services"].as_object().unwrap() {
        for (name, value) in
            about["environment"].as_object().into_iter().flatten().filter(|(name, _)| is_secret(name))
        {
            assert!(value.as_str().unwrap().contains("${"), "{service}: {name}");
        }
    }
    for file in [".env.example", "systemd/orders.env.example"] {
        for (name, value) in of_file(file).iter().filter(|(name, _)| is_secret(name)) {
            let harmless = value.is_empty() || value.starts_with("sqlite:") || !value.contains('@');
            assert!(harmless, "{file}: {name}");
        }
        assert!(of_file(file)["SECRET_KEY"].is_empty(), "{file}");
    }
}

#[test]
fn the_example_has_each_variable_and_no_other() {
    let used = Regex::new(r"\$\{(\w+)").unwrap();
    let used: BTreeSet<_> =
        used.captures_iter(&read("compose.yaml")).map(|found| found[1].to_owned()).collect();
    let listed: BTreeSet<_> = of_file(".env.example").into_keys().collect();
    assert_eq!(used, listed);
}

#[test]
fn the_ports_are_those_that_the_service_has() {
    let compose = yaml("compose.yaml");
    let all = |name: &str| sample(name).map(str::to_owned);
    let ready = assert_settings("app", &environment(&compose["services"]["app"], &all));
    let (server, management): (ServerSettings, ManagementSettings) =
        (ready.config().get().unwrap(), ready.config().get().unwrap());
    let published = texts(&compose["services"]["app"]["ports"]);
    let published: Vec<_> = published.iter().map(|port| interpolated(port, &|_| None)).collect();
    assert_eq!(published, [format!("127.0.0.1:8080:{}", server.port)]);
    assert!(read("Dockerfile").contains(&format!("\nEXPOSE {}\n", server.port)));
    let prometheus = yaml("prometheus/prometheus.yaml");
    let scraped: Vec<_> = everywhere(&prometheus, "port").iter().map(|port| port.as_u64().unwrap()).collect();
    assert_eq!(scraped, [u64::from(management.port)]);
    assert_eq!(management.address, "0.0.0.0");
    // Nobody else's listener for operators, or server of data, is published.
    for name in ["migrate", "worker", "postgres", "redis", "collector", "prometheus", "tempo", "loki"] {
        assert!(compose["services"][name]["ports"].is_null(), "{name}");
    }
}

#[test]
fn the_containers_wait_for_what_they_need_and_are_asked_whether_they_are_well() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().unwrap();
    // Their images hold nothing that could ask.
    let mute = ["collector", "tempo", "loki"];
    for (name, service) in services {
        let disabled = service["healthcheck"]["disable"] == true;
        let asked = !texts(&service["healthcheck"]["test"]).is_empty();
        assert_eq!(asked, !mute.contains(&name.as_str()) && name != "migrate", "{name}");
        assert_eq!(disabled, name == "migrate", "{name}");
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            let expected = match other.as_str() {
                "migrate" => "service_completed_successfully",
                other if mute.contains(&other) => "service_started",
                _ => "service_healthy",
            };
            assert_eq!(how["condition"], expected, "{name}: {other}");
            assert!(services.contains_key(other), "{name}: {other}");
        }
    }
    for name in ["app", "worker"] {
        let waits: BTreeSet<_> = names(&services[name]["depends_on"]).into_iter().collect();
        assert_eq!(waits, BTreeSet::from(["collector", "migrate", "postgres", "redis"]), "{name}");
    }
}

#[test]
fn the_containers_may_not_do_more_than_they_have_to() {
    let compose = yaml("compose.yaml");
    for name in OURS.iter().chain(&["collector"]) {
        let service = &compose["services"][name];
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
    }
    for network in ["data", "telemetry"] {
        assert_eq!(compose["networks"][network]["internal"], true, "{network}");
    }
    for name in ["postgres", "redis"] {
        assert_eq!(texts(&compose["services"][name]["networks"]), ["data"], "{name}");
    }
}

#[test]
fn redis_forgets_nothing_that_it_hands_out() {
    let command = texts(&yaml("compose.yaml")["services"]["redis"]["command"]).join(" ");
    assert!(
        command.contains("--appendonly yes") && command.contains("--maxmemory-policy noeviction"),
        "{command}"
    );
}

#[test]
fn every_image_has_a_version_and_every_file_and_volume_is_there() {
    let compose = yaml("compose.yaml");
    let volumes = names(&compose["volumes"]);
    for (name, service) in compose["services"].as_object().unwrap() {
        let image = interpolated(service["image"].as_str().unwrap(), &|_| None);
        assert!(is_pinned(&image), "{name}: {image}");
        for volume in texts(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            match source.strip_prefix("./") {
                Some(file) => assert!(super::root().join("deploy").join(file).exists(), "{name}: {volume}"),
                None => assert!(volumes.contains(&source), "{name}: {volume}"),
            }
        }
        for network in texts(&service["networks"]) {
            assert!(!compose["networks"][network].is_null(), "{name}: {network}");
        }
        if !service["build"].is_null() {
            assert_eq!(image, format!("orders:{}", env!("CARGO_PKG_VERSION")), "{name}");
            assert_eq!(service["build"]["context"], "..");
            assert_eq!(service["build"]["dockerfile"], "deploy/Dockerfile");
        }
    }
}

#[test]
fn the_collector_has_what_it_wants_and_a_backend() {
    let collector = yaml("compose.yaml")["services"]["collector"].clone();
    let variable = Regex::new(r"\$\{env:(\w+)").unwrap();
    let file = read("otel-collector.yaml");
    // What is commented out is asked for by nobody.
    let asked = file.lines().filter(|line| !line.trim_start().starts_with('#'));
    let asked: BTreeSet<_> =
        asked.flat_map(|line| variable.captures_iter(line).map(|found| found[1].to_owned())).collect();
    let given: BTreeSet<_> = names(&collector["environment"]).into_iter().map(str::to_owned).collect();
    assert_eq!(asked, given);
    for (profiles, backend, expected) in [
        (None, None, "debug"),
        (Some("grafana"), None, "grafana"),
        (Some("grafana"), Some("scout"), "scout"),
        (None, Some("scout"), "scout"),
    ] {
        let value = |name: &str| match name {
            "COMPOSE_PROFILES" => profiles.map(str::to_owned),
            "COLLECTOR_BACKEND" => backend.map(str::to_owned),
            _ => None,
        };
        let chosen = interpolated(texts(&collector["command"])[1], &value);
        assert_eq!(chosen, format!("--config=/etc/otelcol/backends/{expected}.yaml"));
    }
}

#[test]
fn variables_are_put_in_as_compose_does() {
    let value = |name: &str| (name == "SET").then(|| "x".to_owned());
    for (text, expected) in [
        ("${SET}/${SET:-y}/${SET:?why}", "x/x/x"),
        ("${UNSET:-y}${UNSET:-}", "y"),
        ("${UNSET:-${SET:-z}}-${UNSET:-${OTHER:-z}}", "x-z"),
        ("$${SET}", "${SET}"),
    ] {
        assert_eq!(interpolated(text, &value), expected, "{text}");
    }
    assert!(std::panic::catch_unwind(|| interpolated("${UNSET:?why}", &|_| None)).is_err());
}
