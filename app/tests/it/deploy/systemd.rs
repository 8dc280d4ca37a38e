//! The units for a machine without containers.

use std::collections::BTreeMap;
use std::time::Duration;

use spanbox::config::{ManagementSettings, ServerSettings, TelemetrySettings};

use super::environment::{Variables, assert_settings, of_file, sample};
use super::{file_names, read};

/// A unit's directives, each with all its values; those of `Environment=` apart.
fn unit(file: &str) -> (BTreeMap<String, Vec<String>>, Variables) {
    let (mut directives, mut variables) = (BTreeMap::<String, Vec<String>>::new(), Variables::new());
    for line in read(file).lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty()) {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{file}: {line}"));
        if name == "Environment" {
            let pairs = value.split_whitespace().map(|pair| pair.split_once('=').unwrap());
            variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.replace("%i", "9465"))));
        } else {
            directives.entry(name.to_owned()).or_default().push(value.to_owned());
        }
    }
    (directives, variables)
}

fn units() -> Vec<String> {
    let units: Vec<_> = file_names("systemd").into_iter().filter(|file| file.ends_with(".service")).collect();
    assert_eq!(
        units,
        ["systemd/orders-migrate.service", "systemd/orders-worker@.service", "systemd/orders.service"]
    );
    units
}

#[test]
fn each_unit_starts_with_what_it_is_given_and_all_of_it_does_something() {
    let example = of_file("systemd/orders.env.example");
    for file in units() {
        let (directives, own) = unit(&file);
        assert_eq!(directives["EnvironmentFile"], ["/etc/orders/orders.env"], "{file}");
        let filled = |(name, value): (&String, &String)| {
            let value =
                if value.is_empty() { sample(name).unwrap_or_else(|| panic!("{name}")) } else { value };
            (name.clone(), value.to_owned())
        };
        let variables: Variables = example.iter().map(filled).chain(own).collect();
        let ready = assert_settings(&file, &variables);
        if let Some(stop) = directives.get("TimeoutStopSec") {
            let server: ServerSettings = ready.config().get().unwrap();
            let telemetry: TelemetrySettings = ready.config().get().unwrap();
            let needed = server.shutdown_grace + telemetry.flush_timeout + Duration::from_secs(2);
            let stop = Duration::from_secs(stop[0].strip_suffix('s').unwrap().parse().unwrap());
            assert!(stop > needed, "{file}: {needed:?}");
        }
    }
}

#[test]
fn workers_on_one_machine_have_a_port_each() {
    let (_, worker) = unit("systemd/orders-worker@.service");
    let port: u16 = worker["APP_MANAGEMENT__PORT"].parse().unwrap();
    assert_ne!(port, ManagementSettings::default().port);
    assert!(read("systemd/orders-worker@.service").contains("APP_MANAGEMENT__PORT=%i"));
}

#[test]
fn what_runs_for_long_is_stopped_in_order_and_started_again() {
    for file in ["systemd/orders.service", "systemd/orders-worker@.service"] {
        let (directives, _) = unit(file);
        assert_eq!(directives["Restart"], ["on-failure"], "{file}");
        assert!(directives.contains_key("TimeoutStopSec") && directives.contains_key("ExecReload"), "{file}");
        // Its default, SIGTERM, is what drains the service.
        assert!(!directives.contains_key("KillSignal") && !directives.contains_key("KillMode"), "{file}");
    }
}

#[test]
fn every_unit_is_locked_in_alike() {
    let hardening = |file: &str| {
        let text = read(file);
        let start = text.find("UMask=").unwrap_or_else(|| panic!("{file}"));
        let lines = text[start..].lines().take_while(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = hardening("systemd/orders.service");
    for needed in ["NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes"]
    {
        assert!(expected.iter().any(|line| line == needed), "{needed}");
    }
    for file in units() {
        assert_eq!(hardening(&file), expected, "{file}");
        assert_eq!(unit(&file).0["DynamicUser"], ["yes"], "{file}");
    }
}
