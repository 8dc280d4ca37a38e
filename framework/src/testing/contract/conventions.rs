//! The semantic conventions, as the source of the crate `opentelemetry-semantic-conventions` has them: its constants know
//! no more than their names, what is said above them knows the rest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::{Attribute, Contract, Metric};

/// What a constant of the crate says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Registered {
    stable: bool,
    deprecated: bool,
    /// Of a metric.
    instrument: String,
    /// Of a metric.
    unit: String,
}

pub(super) struct Conventions {
    pub(super) attributes: BTreeMap<String, Registered>,
    pub(super) metrics: BTreeMap<String, Registered>,
}

impl Contract {
    /// What the contract says otherwise than the semantic conventions, in words: an attribute in a namespace of theirs that
    /// is not registered there, what they have deprecated, a metric with another instrument or unit. What it builds on is
    /// not looked at.
    ///
    /// They are read from the source of the crate `opentelemetry-semantic-conventions` that Cargo built with.
    ///
    /// # Panics
    ///
    /// When Cargo does not tell where that is.
    #[must_use]
    pub fn unconventional(&self) -> Vec<String> {
        let conventions = Conventions::read();
        let attributes =
            self.attributes.iter().filter_map(|attribute| conventions.doubt_attribute(attribute));
        let metrics = self.metrics.iter().filter_map(|metric| conventions.doubt_metric(metric));
        let mut wrong: Vec<_> = attributes.chain(metrics).collect();
        // What things have and nothing describes.
        let spans = self.spans.iter().flat_map(|span| [span.has, span.may_have]);
        let events = self.events.iter().flat_map(|event| [event.has, event.may_have]);
        let metrics = self.metrics.iter().flat_map(|metric| [metric.has, metric.may_have]);
        let used = spans.chain(events).chain(metrics).chain([self.resource]).flatten();
        wrong.extend(
            used.filter(|key| self.attribute(key).is_none())
                .map(|key| format!("attribute `{key}` is not described")),
        );
        let events = self.spans.iter().flat_map(|span| span.events).filter(|name| self.event(name).is_none());
        wrong.extend(events.map(|name| format!("event `{name}` is not described")));
        wrong.sort();
        wrong.dedup();
        wrong
    }
}

impl Conventions {
    /// Those of the crate that this was built with.
    pub(super) fn read() -> Self {
        let source = source_of("opentelemetry-semantic-conventions");
        let constants = |file: &str| {
            let file = source.join("src").join(file);
            let text = std::fs::read_to_string(&file);
            constants(&text.unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        };
        Self { attributes: constants("attribute.rs"), metrics: constants("metric.rs") }
    }

    /// The convention for an attribute; one that ends in `.{words}` is registered without them.
    pub(super) fn of(&self, attribute: &Attribute) -> Option<&Registered> {
        let name = attribute.name.split_once(".{").map_or(attribute.name, |(before, _)| before);
        self.attributes.get(name)
    }

    fn doubt_attribute(&self, attribute: &Attribute) -> Option<String> {
        let name = attribute.name;
        let Some(registered) = self.of(attribute) else {
            let namespace = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
            let theirs = self.attributes.keys().any(|key| namespace(key) == namespace(name));
            return (theirs && attribute.why_there.is_none())
                .then(|| format!("attribute `{name}` is not registered in its namespace"));
        };
        if registered.deprecated {
            return Some(format!("attribute `{name}` is deprecated"));
        }
        attribute.why_there.map(|_| format!("attribute `{name}` is registered"))
    }

    fn doubt_metric(&self, metric: &Metric) -> Option<String> {
        let Metric { name, unit, .. } = *metric;
        let instrument = metric.instrument.as_str();
        let registered = self.metrics.get(name)?;
        if registered.deprecated {
            return Some(format!("metric `{name}` is deprecated"));
        }
        let is_so = registered.instrument == instrument && registered.unit == unit;
        (!is_so).then(|| {
            let Registered { instrument, unit, .. } = registered;
            format!("metric `{name}` is to be a {instrument} of `{unit}`")
        })
    }
}

impl Registered {
    pub(super) const fn stability(&self) -> &'static str {
        if self.stable { "stable" } else { "development" }
    }
}

/// Where Cargo has the source of a package that this one is built with.
fn source_of(package: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    // What only other platforms are built with may not be here.
    metadata.args([
        "metadata",
        "--format-version=1",
        "--offline",
        "--filter-platform",
        env!("SPANBOX_TARGET"),
    ]);
    let metadata = metadata.output();
    let metadata = metadata.unwrap_or_else(|error| panic!("cargo metadata: {error}"));
    let told: serde_json::Value = serde_json::from_slice(&metadata.stdout)
        .unwrap_or_else(|_| panic!("cargo metadata: {}", String::from_utf8_lossy(&metadata.stderr)));
    let packages = told["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|one| one["name"] == package)
        .find_map(|one| PathBuf::from(one["manifest_path"].as_str()?).parent().map(PathBuf::from));
    manifest.unwrap_or_else(|| panic!("cargo metadata knows no package {package}"))
}

/// The constants of one of the crate's files by their values. What is not stable is behind a feature.
fn constants(source: &str) -> BTreeMap<String, Registered> {
    let mut all = BTreeMap::new();
    let mut next = Registered { stable: true, ..Registered::default() };
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("#[cfg(feature = \"semconv_experimental\")]") {
            next.stable = false;
        } else if line.starts_with("#[deprecated") {
            next.deprecated = true;
        } else if let Some(instrument) = line.strip_prefix("/// | Instrument: | ") {
            next.instrument = between_ticks(instrument);
        } else if let Some(unit) = line.strip_prefix("/// | Unit: | ") {
            next.unit = between_ticks(unit);
        } else if line.starts_with("pub const ") {
            // The value may stand on a line of its own.
            let value = line.split('"').nth(1).or_else(|| lines.next()?.split('"').nth(1));
            let read = std::mem::replace(&mut next, Registered { stable: true, ..Registered::default() });
            all.extend(value.map(|value| (value.to_owned(), read)));
        }
    }
    all
}

fn between_ticks(text: &str) -> String {
    text.split('`').nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_source_is_understood() {
        let Conventions { attributes, metrics } = Conventions::read();
        assert!(attributes.len() > 900 && metrics.len() > 300, "{} {}", attributes.len(), metrics.len());
        assert!(attributes["http.route"].stable && !attributes["http.route"].deprecated);
        assert!(!attributes["db.client.connection.state"].stable);
        assert!(attributes["http.method"].deprecated);
        let duration = Registered {
            stable: true,
            deprecated: false,
            instrument: "histogram".to_owned(),
            unit: "s".to_owned(),
        };
        assert_eq!(metrics["http.server.request.duration"], duration);
        assert!(!metrics["db.client.connection.pending_requests"].stable);
        assert_eq!(metrics["db.client.connection.pending_requests"].unit, "{request}");
    }
}
