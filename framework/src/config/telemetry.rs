//! What is recorded, and where it goes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exported::{CaptureSettings, LimitSettings, RecordSettings, RedactSettings};
use super::sampling::{BaggageSettings, KeepSettings, SamplingSettings};
use super::trust::Trust;
use super::{DatabaseTelemetrySettings, Section, endpoint};
use crate::redact::Secret;

/// `[telemetry]`: what is recorded and where it goes. The `OTEL_*` variables win over these.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// False is the same as `OTEL_SDK_DISABLED=true`: nothing is recorded. Default true.
    pub enabled: bool,
    /// The OTLP endpoint for all signals, e.g. `http://localhost:4317`. Not set, and no `OTEL_EXPORTER_OTLP_*`
    /// endpoint either: nothing is exported.
    pub endpoint: Option<String>,
    /// How to speak to the endpoint: `grpc` or `http/protobuf`. Default `http/protobuf`, as the specification says;
    /// an endpoint on port 4317 without a protocol is taken as `grpc`.
    pub protocol: Option<OtlpProtocol>,
    /// Headers that are sent with each export, e.g. `authorization = "Bearer …"`. Default none. Shown masked.
    /// `OTEL_EXPORTER_OTLP_HEADERS` takes the place of all of them.
    #[serde(serialize_with = "endpoint::masked_headers")]
    pub headers: BTreeMap<String, Secret<String>>,
    /// The share of new traces that are recorded, 0.0 to 1.0. A caller's decision is followed. Default 1.0.
    /// `OTEL_TRACE_SAMPLE_RATE` wins over it, `OTEL_TRACES_SAMPLER` over both.
    pub sample_ratio: f64,
    /// Other shares for single modules and routes.
    pub sampling: SamplingSettings,
    /// Which of the other traces are exported all the same.
    pub keep: KeepSettings,
    /// Whose trace context is followed: that of `"all"` callers, the default; of `"none"`, which is the `production`
    /// profile's; or of those in a list of networks, `["10.0.0.0/8", "fd00::/8"]`. The others' requests begin traces of
    /// their own, with a link to the caller's span.
    pub trust: Trust,
    /// Which baggage comes in and goes out.
    pub baggage: BaggageSettings,
    /// Paths that are served without a span; a `*` stands for any characters, also none.
    /// Default `/health`, `/health/*`, `/ready`, `/metrics` and `/favicon.ico`.
    pub excluded_paths: Vec<String>,
    /// What is hidden.
    pub redact: RedactSettings,
    /// How much is exported.
    pub limits: LimitSettings,
    /// Which headers are recorded.
    pub capture: CaptureSettings,
    /// Whether the sizes of the bodies of requests and answers are measured, which is two measurements more a request.
    /// Default false.
    pub body_sizes: bool,
    /// What is logged again and again.
    pub logs: RecordSettings,
    /// How long the end of the process may take to send what is left. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub flush_timeout: Duration,
    /// What is looked for in statements: `[telemetry.database]`.
    pub database: DatabaseTelemetrySettings,
}

/// OTLP's transports.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// gRPC, usually port 4317.
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf over HTTP/1.1, usually port 4318.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            endpoint: None,
            protocol: None,
            headers: BTreeMap::new(),
            sample_ratio: 1.0,
            sampling: SamplingSettings::default(),
            keep: KeepSettings::default(),
            trust: Trust::default(),
            baggage: BaggageSettings::default(),
            excluded_paths: ["/health", "/health/*", "/ready", "/metrics", "/favicon.ico"]
                .map(str::to_owned)
                .to_vec(),
            redact: RedactSettings::default(),
            limits: LimitSettings::default(),
            capture: CaptureSettings::default(),
            body_sizes: false,
            logs: RecordSettings::default(),
            flush_timeout: Duration::from_secs(5),
            database: DatabaseTelemetrySettings::default(),
        }
    }
}

impl Section for TelemetrySettings {
    const NAME: &'static str = "telemetry";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            wrong.push(("sample_ratio", format!("must lie between 0.0 and 1.0, got {}", self.sample_ratio)));
        }
        wrong.extend(self.sampling.check());
        wrong.extend(self.keep.check());
        wrong.extend(self.baggage.check());
        if let Some(path) = self.excluded_paths.iter().find(|path| !path.starts_with(['/', '*'])) {
            wrong.push((
                "excluded_paths",
                format!("has `{path}`, which no path is like: start it with `/` or `*`"),
            ));
        }
        if let Some(Err(message)) = self.endpoint.as_deref().map(endpoint::check_otlp) {
            wrong.push(("endpoint", message));
        }
        if let Some(Err(message)) = self.headers.iter().map(endpoint::check_header).find(Result::is_err) {
            wrong.push(("headers", message));
        }
        wrong.extend(self.redact.check());
        wrong.extend(self.limits.check());
        wrong.extend(self.capture.check());
        wrong.extend(self.database.check());
        wrong
    }
}
