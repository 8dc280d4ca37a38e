//! What of a service's signals may leave it: `[telemetry.redact]`, `[telemetry.limits]` and `[telemetry.capture]`.

use serde::{Deserialize, Serialize};

use crate::redact::Redactor;

/// `[telemetry.redact]`: what is hidden in spans, logs, attributes of metrics and errors of jobs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactSettings {
    /// Whether anything is: see [`Redactor`] for what. Default true.
    pub enabled: bool,
    /// More to hide: regular expressions, in the syntax of the `regex` crate. Default none.
    pub patterns: Vec<String>,
    /// More names of attributes, fields and parameters whose values are hidden, e.g. `customer_name`. A name counts by
    /// what it ends in; `_`, `-` and case do not count. Default none, besides the names that everybody has.
    pub names: Vec<String>,
}

impl Default for RedactSettings {
    fn default() -> Self {
        Self { enabled: true, patterns: Vec::new(), names: Vec::new() }
    }
}

impl RedactSettings {
    pub(super) fn check(&self) -> Option<(&'static str, String)> {
        let wrong = Redactor::new(&[], &self.patterns).err()?;
        Some(("redact.patterns", format!("has `{}`, which {}", wrong.pattern, wrong.reason)))
    }
}

/// `[telemetry.limits]`: how much of a signal is exported. What is beyond is cut off or left out. The `OTEL_*` variables
/// of the same meaning win over these.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Bytes of a text: of an attribute's value, of each item if it is a list, of a span's name, a status, and a log
    /// record's body. Default 4096.
    pub attribute_value_length: usize,
    /// Attributes of a span, and of a log record. Default 128.
    pub attributes: u32,
    /// Events of a span. Default 128.
    pub events: u32,
    /// Links of a span. Default 128.
    pub links: u32,
    /// Attributes of an event. Default 128.
    pub event_attributes: u32,
    /// Attributes of a link. Default 128.
    pub link_attributes: u32,
    /// Series of an instrument: combinations of attributes. The measurements of those that come later are in one more
    /// series, `otel.metric.overflow = true`. Default 2000.
    pub metric_series: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            attribute_value_length: 4096,
            attributes: 128,
            events: 128,
            links: 128,
            event_attributes: 128,
            link_attributes: 128,
            metric_series: 2000,
        }
    }
}

impl LimitSettings {
    pub(super) fn check(&self) -> Option<(&'static str, String)> {
        // Each instrument makes room for all of them at once.
        let fits = (1..=100_000).contains(&self.metric_series);
        (!fits).then(|| {
            ("limits.metric_series", format!("must be between 1 and 100000, got {}", self.metric_series))
        })
    }
}

/// `[telemetry.capture]`: which headers become attributes of a request's span, `http.request.header.<name>` and
/// `http.response.header.<name>`, each a list of its values.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureSettings {
    /// Headers of requests, e.g. `x-request-id`. Default none.
    pub request_headers: Vec<String>,
    /// Headers of answers. Default none.
    pub response_headers: Vec<String>,
}

/// Headers that are credentials as a whole.
const NEVER: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "set-cookie", "authentication-info"];

impl CaptureSettings {
    pub(super) fn check(&self) -> impl Iterator<Item = (&'static str, String)> {
        let lists = [
            ("capture.request_headers", &self.request_headers),
            ("capture.response_headers", &self.response_headers),
        ];
        lists.into_iter().flat_map(|(key, names)| {
            let wrong = names.iter().filter_map(|name| Some(format!("has `{name}`, {}", objection(name)?)));
            wrong.map(move |wrong| (key, wrong))
        })
    }
}

fn objection(name: &str) -> Option<&'static str> {
    // A token of HTTP (RFC 9110, section 5.6.2).
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if NEVER.iter().any(|never| never.eq_ignore_ascii_case(name)) {
        Some("which carries credentials and is never recorded; `http.auth.present` tells that there are any")
    } else if name.is_empty() || !name.bytes().all(token) {
        Some("which is no header's name")
    } else {
        None
    }
}

/// `[telemetry.logs]`: what becomes of log records, on stderr and exported alike.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordSettings {
    /// How many warnings or errors one place in the code may log within 10 s. The others are held back, and counted in one
    /// line more, `repeated lines were held back`. What they say does not matter, only where they are written. Lines of
    /// other levels are never held back. Default 20; 0 holds nothing back.
    pub repeats: u32,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { repeats: 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_credentials_is_refused_and_one_that_is_none() {
        let capture = CaptureSettings {
            request_headers: ["X-Request-Id", "Authorization", "a b"].map(str::to_owned).to_vec(),
            response_headers: vec!["set-cookie".to_owned()],
        };
        let wrong: Vec<_> = capture.check().collect();
        let keys: Vec<_> = wrong.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["capture.request_headers", "capture.request_headers", "capture.response_headers"]);
        assert!(wrong[0].1.starts_with("has `Authorization`, which carries credentials"), "{wrong:?}");
        assert!(wrong[1].1.starts_with("has `a b`, which is no header's name"), "{wrong:?}");
    }

    #[test]
    fn a_pattern_that_cannot_be_used_is_named() {
        let settings = RedactSettings { patterns: vec!["C-(".to_owned()], ..RedactSettings::default() };
        let (key, wrong) = settings.check().unwrap();
        assert_eq!(key, "redact.patterns");
        assert!(wrong.starts_with("has `C-(`, which is no regular expression: "), "{wrong}");
    }

    #[test]
    fn an_instrument_has_at_least_one_series() {
        let settings = LimitSettings { metric_series: 0, ..LimitSettings::default() };
        assert_eq!(settings.check().unwrap().0, "limits.metric_series");
        assert!(LimitSettings::default().check().is_none());
    }
}
