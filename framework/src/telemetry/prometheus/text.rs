use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Histogram, Metric, MetricData, ResourceMetrics};

use super::Exposition;
use super::names::{Kind, family, label};

/// All metrics, a family after the other.
///
/// Of two instruments that would be one family and are not of one kind, the first is written. Exponential histograms,
/// which neither format has, are left out.
pub(super) fn encode(metrics: &ResourceMetrics, exposition: Exposition) -> String {
    let mut families = Families::default();
    for scope in metrics.scope_metrics() {
        let labels = of_scope(scope.scope());
        scope.metrics().for_each(|metric| families.add(metric, &labels));
    }
    let mut text = String::with_capacity(families.0.values().map(|family| family.samples.len() + 200).sum());
    target(&mut text, metrics.resource(), exposition);
    for (name, family) in &families.0 {
        family.write(&mut text, name, exposition);
    }
    if exposition == Exposition::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

/// By name, in which they are sorted.
#[derive(Default)]
struct Families(BTreeMap<String, Family>);

struct Family {
    kind: Kind,
    help: String,
    unit: Option<Cow<'static, str>>,
    samples: String,
}

impl Families {
    fn add(&mut self, metric: &Metric, scope: &[(String, String)]) {
        match metric.data() {
            AggregatedMetrics::F64(data) => self.add_data(metric, data, scope),
            AggregatedMetrics::U64(data) => self.add_data(metric, data, scope),
            AggregatedMetrics::I64(data) => self.add_data(metric, data, scope),
        }
    }

    fn add_data<T: Number>(&mut self, metric: &Metric, data: &MetricData<T>, scope: &[(String, String)]) {
        let kind = match data {
            MetricData::Sum(sum) if sum.is_monotonic() => Kind::Counter,
            MetricData::Sum(_) | MetricData::Gauge(_) => Kind::Gauge,
            MetricData::Histogram(_) => Kind::Histogram,
            MetricData::ExponentialHistogram(_) => return,
        };
        let (name, unit) = family(metric.name(), metric.unit(), kind);
        let samples = match self.0.entry(name.clone()) {
            Entry::Occupied(family) if family.get().kind != kind => return,
            Entry::Occupied(family) => &mut family.into_mut().samples,
            Entry::Vacant(place) => {
                let help = metric.description().to_owned();
                &mut place.insert(Family { kind, help, unit, samples: String::new() }).samples
            }
        };
        match data {
            MetricData::Sum(sum) => {
                let suffix = if kind == Kind::Counter { "_total" } else { "" };
                for point in sum.data_points() {
                    sample(samples, &name, suffix, &labels(point.attributes(), scope), point.value());
                }
            }
            MetricData::Gauge(gauge) => {
                for point in gauge.data_points() {
                    sample(samples, &name, "", &labels(point.attributes(), scope), point.value());
                }
            }
            MetricData::Histogram(histogram) => buckets(samples, &name, histogram, scope),
            MetricData::ExponentialHistogram(_) => {}
        }
    }
}

impl Family {
    fn write(&self, text: &mut String, name: &str, exposition: Exposition) {
        if self.samples.is_empty() {
            return;
        }
        // To Prometheus a counter's family is named as its sample is.
        let total =
            if exposition == Exposition::Prometheus && self.kind == Kind::Counter { "_total" } else { "" };
        if !self.help.is_empty() {
            let help = escaped(&self.help, exposition == Exposition::OpenMetrics);
            push(text, format_args!("# HELP {name}{total} {help}\n"));
        }
        push(text, format_args!("# TYPE {name}{total} {}\n", self.kind.name()));
        if let (Exposition::OpenMetrics, Some(unit)) = (exposition, &self.unit) {
            push(text, format_args!("# UNIT {name} {unit}\n"));
        }
        text.push_str(&self.samples);
    }
}

/// Each bucket holds what the smaller ones do, too.
fn buckets<T: Number>(text: &mut String, name: &str, histogram: &Histogram<T>, scope: &[(String, String)]) {
    for point in histogram.data_points() {
        let labels = labels(point.attributes(), scope);
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bound, count) in point.bounds().zip(point.bucket_counts()) {
            below += count;
            let labels = format!("{labels}{comma}le=\"{}\"", bound.shown());
            sample(text, name, "_bucket", &labels, below);
        }
        sample(text, name, "_bucket", &format!("{labels}{comma}le=\"+Inf\""), point.count());
        sample(text, name, "_sum", &labels, point.sum());
        sample(text, name, "_count", &labels, point.count());
    }
}

fn sample(text: &mut String, name: &str, suffix: &str, labels: &str, value: impl Number) {
    let value = value.shown();
    if labels.is_empty() {
        push(text, format_args!("{name}{suffix} {value}\n"));
    } else {
        push(text, format_args!("{name}{suffix}{{{labels}}} {value}\n"));
    }
}

/// What the resource says of the service, as a series of its own.
fn target(text: &mut String, resource: &Resource, exposition: Exposition) {
    let labels =
        joined(resource.iter().map(|(key, value)| (label(key.as_str()), key.as_str(), shown(value))));
    let (name, kind) = match exposition {
        Exposition::Prometheus => ("target_info", "gauge"),
        Exposition::OpenMetrics => ("target", "info"),
    };
    push(text, format_args!("# HELP {name} What the service says of itself.\n# TYPE {name} {kind}\n"));
    sample(text, "target", "_info", &labels, 1_u64);
}

/// Of the scope, which every series has: names and values.
fn of_scope(scope: &InstrumentationScope) -> Vec<(String, String)> {
    let own =
        [("name", Some(scope.name())), ("version", scope.version()), ("schema_url", scope.schema_url())];
    let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
    let attributes = scope.attributes().map(|pair| (pair.key.as_str().to_owned(), shown(&pair.value)));
    own.chain(attributes).map(|(key, value)| (format!("otel_scope_{key}"), value)).collect()
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>, scope: &[(String, String)]) -> String {
    let attributes = attributes.map(|pair| (label(pair.key.as_str()), pair.key.as_str(), shown(&pair.value)));
    joined(attributes.chain(scope.iter().map(|(key, value)| (label(key), key.as_str(), value.clone()))))
}

/// `name="value",…`, sorted. What comes to the same name is one label, its values in the order of the keys.
fn joined<'a>(labels: impl Iterator<Item = (String, &'a str, String)>) -> String {
    let mut by_name: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for (name, key, value) in labels {
        by_name.entry(name).or_default().insert(key, value);
    }
    let mut text = String::new();
    for (name, values) in by_name {
        let comma = if text.is_empty() { "" } else { "," };
        let value = values.into_values().collect::<Vec<_>>().join(";");
        push(&mut text, format_args!("{comma}{name}=\"{}\"", escaped(&value, true)));
    }
    text
}

fn shown(value: &Value) -> String {
    value.to_string()
}

/// A text that fits in a line, and between quotes if it is `quoted`.
fn escaped(text: &str, quoted: bool) -> Cow<'_, str> {
    if !text.contains(['\\', '\n', '"']) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    Cow::Owned(if quoted { text.replace('"', "\\\"") } else { text })
}

/// Writing to a `String` does not fail.
fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

trait Number: Copy {
    /// As both formats write it.
    fn shown(self) -> String;
}

impl Number for u64 {
    fn shown(self) -> String {
        self.to_string()
    }
}

impl Number for i64 {
    fn shown(self) -> String {
        self.to_string()
    }
}

impl Number for f64 {
    fn shown(self) -> String {
        if self.is_infinite() {
            return if self > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
        }
        // With a point, so that a bucket's bound is the same text in both formats.
        format!("{self:?}")
    }
}
