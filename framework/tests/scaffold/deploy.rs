//! What a new service is deployed with is what this repository is deployed with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{new, root};

fn read(directory: &Path, file: &str) -> String {
    fs::read_to_string(directory.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The images that a file names, each with its tag.
fn images(text: &str) -> BTreeMap<&str, &str> {
    let named = text.lines().filter_map(|line| line.trim().strip_prefix("image: "));
    named.filter_map(|image| image.split_once(':')).collect()
}

/// The names of an object's fields, as far as the `/`.
fn kinds(section: &Value) -> BTreeSet<String> {
    let names = section.as_object().into_iter().flatten().map(|(name, _)| name);
    names.map(|name| name.split('/').next().unwrap().to_owned()).collect()
}

/// A service with all servers.
fn shop(directory: &Path) -> std::path::PathBuf {
    new(directory, &["shop", "--yes", "--database", "postgres", "--jobs", "redis"]);
    directory.join("shop")
}

#[test]
fn the_images_are_those_of_this_repository() {
    let directory = tempfile::tempdir().unwrap();
    let shop = shop(directory.path());
    let compose = read(root(), "deploy/compose.yaml");
    let ours = images(&compose);
    let mut seen = BTreeSet::new();
    for file in ["deploy/compose.yaml", "deploy/development.yaml", ".github/workflows/ci.yml"] {
        for (image, tag) in images(&read(&shop, file)) {
            assert_eq!(ours.get(image), Some(&tag), "{file}: {image}");
            seen.insert(image.to_owned());
        }
    }
    let seen: Vec<_> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["otel/opentelemetry-collector-contrib", "postgres", "redis"]);

    let ours = read(root(), "deploy/Dockerfile");
    let argument = |name: &str| {
        let line = ours.lines().find_map(|line| line.strip_prefix(&format!("ARG {name}="))).unwrap();
        line.trim().to_owned()
    };
    let from: Vec<_> = read(&shop, "deploy/Dockerfile")
        .lines()
        .filter_map(|line| line.strip_prefix("FROM ").map(str::to_owned))
        .collect();
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(argument("RUST_VERSION").starts_with(rust), "{ours}");
    assert_eq!(
        from,
        [
            format!("rust:{rust}-slim-{} AS build", argument("DEBIAN_RELEASE")),
            format!("debian:{}-slim", argument("DEBIAN_VERSION")),
        ]
    );
}

#[test]
fn the_collector_is_made_of_what_that_of_this_repository_is() {
    let directory = tempfile::tempdir().unwrap();
    let text = read(&shop(directory.path()), "deploy/otel-collector.yaml");
    // With the exporter that is there to be switched on.
    let collector = yaml(&text.replace("  # ", "  "));
    let ours = yaml(&read(root(), "deploy/otel-collector.yaml"));
    for section in ["receivers", "processors", "exporters"] {
        let (theirs, known) = (kinds(&collector[section]), kinds(&ours[section]));
        assert!(!theirs.is_empty() && theirs.is_subset(&known), "{section}: {theirs:?}, and here {known:?}");
    }
    assert!(kinds(&collector["exporters"]).contains("otlp_grpc"), "{text}");
    assert_eq!(collector["receivers"], ours["receivers"]);
    let pipelines = |collector: &Value| kinds(&collector["service"]["pipelines"]);
    assert_eq!(pipelines(&collector), pipelines(&ours));
}
