//! The variables that each way to run the service gives it: all of them are known, and none is wrong.

use std::collections::{BTreeMap, BTreeSet};

use orders::create_app;
use regex::Regex;
use spanbox::app::Ready;
use spanbox::config::Origin;
use spanbox::telemetry::{ServiceInfo, Setup, Standing};

use super::{file_names, read, root};

pub(super) type Variables = BTreeMap<String, String>;

/// What people fill in, as fits.
pub(super) const SAMPLES: &[(&str, &str)] = &[
    ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
    ("DATABASE_URL", "postgres://orders:abc123@db.example.com:5432/orders?sslmode=verify-full"),
    ("REDIS_URL", "redis://:abc123@redis.example.com:6379/0"),
    ("CACHE_URL", "redis://:abc123@redis.example.com:6379/1"),
    ("POSTGRES_PASSWORD", "abc123"),
    ("REDIS_PASSWORD", "abc123"),
    ("FIRST_ADMIN", "ann@example.com"),
    ("FIRST_ADMIN_PASSWORD", "correct horse battery"),
    ("APP_ACCOUNTS__FIRST_ADMIN", "ann@example.com"),
    ("APP_ACCOUNTS__FIRST_ADMIN_PASSWORD", "correct horse battery"),
    ("PAYMENT_GATEWAY", "https://payments.example.com"),
    ("TRUSTED_PROXIES", "10.0.0.0/8"),
    ("K8S_POD", "orders-7c9"),
    ("K8S_NAMESPACE", "orders"),
];

/// A sample of a variable, or the value itself.
pub(super) fn sample(name: &str) -> Option<&'static str> {
    SAMPLES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The service, checked with these variables and the files of config/.
pub(super) fn prepared(place: &str, variables: &Variables) -> Ready {
    let service = create_app(None).config_directory(root().join("config")).environment(variables.clone());
    match service.prepare() {
        Ok(ready) => ready,
        Err(errors) => panic!("{place}: {errors}"),
    }
}

/// Holds that the service starts in production with these variables, and that each of them does something.
pub(super) fn assert_settings(place: &str, variables: &Variables) -> Ready {
    let ready = prepared(place, variables);
    assert!(ready.config().profile().is_production(), "{place}: {:?}", ready.config().profile());
    let entries = ready.config().entries();
    let settings: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| match &entry.origin {
            Origin::Variable(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let telemetry = ready.variables();
    for name in variables.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str()) {
        let honoured = telemetry.iter().find(|variable| variable.name == name);
        match honoured {
            Some(variable) => assert_eq!(variable.standing, Standing::Honoured, "{place}: {variable}"),
            None => {
                assert!(settings.contains(name) || is_read_elsewhere(name), "{place}: {name} sets nothing")
            }
        }
    }
    ready
}

/// The variables that say where settings are, and where the service runs, stand in the source as they are.
fn is_read_elsewhere(name: &str) -> bool {
    let reader = match name {
        "APP_PROFILE" | "APP_CONFIG_DIR" => "framework/src/config/loader.rs",
        _ if name.starts_with("K8S_") => "framework/src/telemetry/resource.rs",
        _ => return false,
    };
    std::fs::read_to_string(root().join(reader)).unwrap().contains(&format!("\"{name}\""))
}

/// What the image sets.
pub(super) fn of_image() -> Variables {
    let file = read("Dockerfile");
    let last = file.rsplit("\nFROM ").next().unwrap();
    let line = Regex::new(r"(?m)^(?:ENV|\s+) ?([A-Z_]+)=(\S*?)(?: \\)?$").unwrap();
    let value = |text: &str| text.replace("${APP_VERSION}", "0.1.0");
    let variables: Variables =
        line.captures_iter(last).map(|found| (found[1].to_owned(), value(&found[2]))).collect();
    assert_eq!(variables.keys().collect::<Vec<_>>(), ["APP_CONFIG_DIR", "APP_PROFILE", "APP_VERSION"]);
    variables
}

/// The lines `NAME=value` of a file, those that are commented out included.
pub(super) fn of_file(file: &str) -> Variables {
    let line = Regex::new(r"(?m)^#?([A-Z][A-Z0-9_]*)=(.*)$").unwrap();
    line.captures_iter(&read(file)).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

#[test]
fn a_variable_that_sets_nothing_is_noticed() {
    let mut variables = of_image();
    for name in ["SECRET_KEY", "DATABASE_URL"] {
        variables.insert(name.to_owned(), sample(name).unwrap().to_owned());
    }
    let _ = assert_settings("the image", &variables);
    for (name, value) in [("K8S_PODD", "x"), ("OTEL_SERVICE_NAM", "x"), ("ORDERS_PORT", "80")] {
        let mut wrong = variables.clone();
        wrong.insert(name.to_owned(), value.to_owned());
        let caught = std::panic::catch_unwind(|| assert_settings("here", &wrong));
        assert!(caught.is_err(), "{name}");
    }
}

#[test]
fn every_variable_that_the_page_names_is_one() {
    let page = read("README.md");
    let mut variables = of_image();
    for name in ["SECRET_KEY", "DATABASE_URL"] {
        variables.insert(name.to_owned(), sample(name).unwrap().to_owned());
    }
    let entries = prepared("README.md", &variables).config().entries().to_vec();
    let is_setting = |name: &str| {
        let key = name.strip_prefix("APP_").map(|key| key.replace("__", ".").to_lowercase());
        key.is_some_and(|key| {
            // A table that is not set is one entry.
            let within = |table: &str| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'));
            entries.iter().any(|it| it.key.replace('-', "_") == key || it.value.is_null() && within(&it.key))
        })
    };
    let files = file_names("").into_iter().filter(|file| !file.ends_with(".md"));
    let elsewhere: String = files.map(|file| read(&file)).collect();
    let name = Regex::new(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`").unwrap();
    let mut named = 0;
    for found in name.captures_iter(&page) {
        let name = &found[1];
        let known = if name.starts_with("OTEL_") {
            let setup = Setup::new(ServiceInfo::new("orders", "0.1.0"));
            let audited = setup.environment([(name.to_owned(), "x".to_owned())]).variables();
            audited[0].standing != Standing::Unknown
        } else {
            is_setting(name)
                || is_read_elsewhere(name)
                || Regex::new(&format!(r"\b{name}\b")).unwrap().is_match(&elsewhere)
        };
        assert!(known, "README.md names {name}, which nobody reads");
        named += 1;
    }
    assert!(named > 10, "{named}");
}
