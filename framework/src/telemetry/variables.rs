use std::fmt;

use serde::Serialize;

use super::environment::{Environment, Notices};
use super::target::without_password;
use crate::config::closest;
use crate::redact::MASK;

/// Who reads a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The setup does.
    Setup,
    /// Nobody does, and why not.
    Nobody(&'static str),
}

use Reader::{Nobody, Setup};

/// Every variable of the specification, and those of ours, less the ones that each signal has.
const TABLE: &[(&str, Reader)] = &[
    ("OTEL_SDK_DISABLED", Setup),
    ("OTEL_SERVICE_NAME", Setup),
    ("OTEL_RESOURCE_ATTRIBUTES", Setup),
    ("OTEL_LOG_LEVEL", Setup),
    ("OTEL_PROPAGATORS", Setup),
    ("OTEL_TRACES_EXPORTER", Setup),
    ("OTEL_METRICS_EXPORTER", Setup),
    ("OTEL_LOGS_EXPORTER", Setup),
    ("OTEL_TRACES_SAMPLER", Setup),
    ("OTEL_TRACES_SAMPLER_ARG", Setup),
    ("OTEL_TRACE_SAMPLE_RATE", Setup),
    ("OTEL_BSP_SCHEDULE_DELAY", Setup),
    ("OTEL_BSP_EXPORT_TIMEOUT", Setup),
    ("OTEL_BSP_MAX_QUEUE_SIZE", Setup),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Setup),
    ("OTEL_BLRP_SCHEDULE_DELAY", Setup),
    ("OTEL_BLRP_EXPORT_TIMEOUT", Setup),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", Setup),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", Setup),
    ("OTEL_METRIC_EXPORT_INTERVAL", Setup),
    ("OTEL_METRIC_EXPORT_TIMEOUT", Setup),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", Setup),
    (API_KEY, Setup),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", Setup),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", Setup),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", Setup),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", Setup),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Setup),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", Setup),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", Setup),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", Setup),
    ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", Setup),
    ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", Setup),
    ("OTEL_BSP_MAX_CONCURRENT_EXPORTS", Nobody("exports follow one another")),
    ("OTEL_CONFIG_FILE", NO_FILE),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", NO_FILE),
    ("OTEL_ENTITIES", Nobody("the SDK knows no entities: use OTEL_RESOURCE_ATTRIBUTES")),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", Nobody("what can be found out always is")),
    ("OTEL_METRICS_EXEMPLAR_FILTER", Nobody("the SDK has no exemplars")),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        Nobody("histograms have the buckets that they were made with"),
    ),
    ("OTEL_SEMCONV_STABILITY_OPT_IN", Nobody("the stable conventions are the only ones")),
    ("OTEL_EXPORTER_PROMETHEUS_HOST", NO_PROMETHEUS),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", NO_PROMETHEUS),
    ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", NO_ZIPKIN),
    ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", NO_ZIPKIN),
    ("OTEL_EXPORTER_ZIPKIN_PROTOCOL", NO_ZIPKIN),
    ("OTEL_EXPORTER_JAEGER_ENDPOINT", Nobody("Jaeger takes OTLP: use OTEL_EXPORTER_OTLP_ENDPOINT")),
];

const NO_FILE: Reader = Nobody("the settings' files are those of the service");
const NO_PROMETHEUS: Reader =
    Nobody("Prometheus scrapes the management listener: use management.address and management.port");
const NO_ZIPKIN: Reader = Nobody("there is no exporter to Zipkin: use OTLP");

/// What each signal has of its own, `OTEL_EXPORTER_OTLP_TRACES_…`, and all of them together, `OTEL_EXPORTER_OTLP_…`.
const OF_EACH_SIGNAL: [&str; 9] = [
    "ENDPOINT",
    "PROTOCOL",
    "INSECURE",
    "HEADERS",
    "COMPRESSION",
    "TIMEOUT",
    "CERTIFICATE",
    "CLIENT_CERTIFICATE",
    "CLIENT_KEY",
];

/// The key of a managed collector, sent as a bearer token.
pub(super) const API_KEY: &str = "SCOUT_API_KEY";

/// A variable of the telemetry that is set, and what becomes of it. Displayed as one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Variable {
    /// Its name, e.g. `OTEL_SERVICE_NAME`.
    #[serde(rename = "variable")]
    pub name: String,
    /// Its value; masked when it is a secret, or may be one because nobody knows the variable.
    pub value: String,
    /// What becomes of it.
    pub standing: Standing,
    /// Why, or what is used in its place; empty when it is honoured.
    pub note: String,
}

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Standing {
    /// It is done as it says.
    Honoured,
    /// It has no effect.
    Ignored,
    /// It has no effect, or not all of it has, because of what it says.
    Invalid,
    /// There is no such variable.
    Unknown,
}

/// Every variable that is set, by name, after a setup was planned by this environment.
pub(super) fn audit(environment: &Environment, notices: &Notices) -> Vec<Variable> {
    let known = known();
    let asked = environment.asked();
    let set = environment.set().filter(|(name, _)| name.starts_with("OTEL_") || *name == API_KEY);
    set.map(|(name, value)| {
        let reader = known.iter().find(|(known, _)| known == name).map(|(_, reader)| *reader);
        let (standing, note) = match (reader, notices.about(name)) {
            (None, _) => (Standing::Unknown, suggestion(name, &known)),
            (Some(Nobody(why)), _) => (Standing::Ignored, why.to_owned()),
            (Some(_), Some(notice)) => (Standing::Invalid, notice.to_owned()),
            (Some(Setup), None) if !asked.contains(name) => (
                Standing::Ignored,
                "of no use with the other variables and the settings as they are".to_owned(),
            ),
            (Some(Setup), None) => (Standing::Honoured, String::new()),
        };
        Variable { name: name.to_owned(), value: shown(name, value, reader), standing, note }
    })
    .collect()
}

fn known() -> Vec<(String, Reader)> {
    let signals = ["", "TRACES_", "METRICS_", "LOGS_"];
    let of_signals = signals
        .iter()
        .flat_map(|signal| OF_EACH_SIGNAL.map(|what| (format!("OTEL_EXPORTER_OTLP_{signal}{what}"), Setup)));
    TABLE.iter().map(|(name, reader)| ((*name).to_owned(), *reader)).chain(of_signals).collect()
}

fn suggestion(name: &str, known: &[(String, Reader)]) -> String {
    match closest(name, known.iter().map(|(known, _)| known.as_str())) {
        Some(close) => format!("did you mean {close}?"),
        None => "there is no such variable".to_owned(),
    }
}

fn shown(name: &str, value: &str, reader: Option<Reader>) -> String {
    if reader.is_none() || name == API_KEY || name.ends_with("HEADERS") {
        MASK.to_owned()
    } else if name.ends_with("ENDPOINT") {
        // Some collectors take their key in the query.
        match without_password(value).split_once('?') {
            Some((endpoint, _)) => format!("{endpoint}?{MASK}"),
            None => without_password(value),
        }
    } else {
        value.to_owned()
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Honoured => "honoured",
            Standing::Ignored => "ignored",
            Standing::Invalid => "invalid",
            Standing::Unknown => "unknown",
        };
        write!(f, "{} = {:?}  # {standing}", self.name, self.value)?;
        if !self.note.is_empty() {
            let note: String = self.note.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            write!(f, ": {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{ServiceInfo, Setup as TelemetrySetup};
    use super::*;

    fn setup(variables: &[(&str, &str)]) -> TelemetrySetup {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        TelemetrySetup::new(ServiceInfo::new("orders", "1.0.0")).environment(variables)
    }

    fn lines(variables: &[(&str, &str)]) -> Vec<String> {
        setup(variables).variables().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_lists_what_is_read_and_nothing_else() {
        // Without a scheme, so that it matters whether the connection is insecure; secure, so that certificates do.
        let exporting =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        let by_ratio = [exporting[0], exporting[1], ("OTEL_TRACES_SAMPLER", "traceidratio")];
        let read: BTreeSet<String> = [&exporting[..], &by_ratio[..]]
            .into_iter()
            .flat_map(|variables| setup(variables).asked())
            .filter(|name| name.starts_with("OTEL_") || name == API_KEY)
            .collect();
        let listed =
            known().into_iter().filter(|(_, reader)| *reader == Setup).map(|(name, _)| name).collect();
        assert_eq!(read, listed);
    }

    #[test]
    fn no_variable_is_listed_twice() {
        let names: Vec<String> = known().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn each_variable_that_is_set_has_its_standing() {
        let lines = lines(&[
            ("HOME", "/root"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317/x?key=hunter2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2"),
            ("OTEL_EXPORTER_OTLP_HEADRES", "authorization=Bearer%20hunter2"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_METRICS_EXEMPLAR_FILTER", "always_on"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
            ("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "health"),
            ("OTEL_SERVICE_NAME", ""),
            ("SCOUT_API_KEY", "hunter2"),
        ]);
        let of_no_use = "ignored: of no use with the other variables and the settings as they are";
        assert_eq!(
            lines,
            [
                "OTEL_BSP_SCHEDULE_DELAY = \"soon\"  # invalid: is `soon`, which is no number above 0: 5000 is used",
                "OTEL_EXPORTER_OTLP_ENDPOINT = \"https://collector:4317/x?***\"  # honoured",
                "OTEL_EXPORTER_OTLP_HEADERS = \"***\"  # honoured",
                "OTEL_EXPORTER_OTLP_HEADRES = \"***\"  # unknown: did you mean OTEL_EXPORTER_OTLP_HEADERS?",
                &format!("OTEL_EXPORTER_OTLP_INSECURE = \"true\"  # {of_no_use}"),
                "OTEL_METRICS_EXEMPLAR_FILTER = \"always_on\"  # ignored: the SDK has no exemplars",
                "OTEL_PYTHON_FLASK_EXCLUDED_URLS = \"***\"  # unknown: there is no such variable",
                &format!("SCOUT_API_KEY = \"***\"  # {of_no_use}"),
            ]
        );
    }

    #[test]
    fn what_is_switched_off_honours_what_switches_it_off() {
        let lines = lines(&[("OTEL_SDK_DISABLED", "true"), ("OTEL_SERVICE_NAME", "x")]);
        assert!(lines[0].ends_with("# honoured") && lines[1].contains("# ignored"), "{lines:?}");
    }
}
