//! One span, sent to see whether it arrives.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::environment::{Environment, Notices};
use super::setup::Setup;
use super::{TelemetryError, span};
use crate::config::{KeepSettings, LogFormat, LogSettings, RecordSettings, TelemetrySettings};

/// What would keep the span from being sampled, or its failure from being told.
const LEFT_OUT: [&str; 5] = [
    "OTEL_LOG_LEVEL",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_TRACE_SAMPLE_RATE",
    "OTEL_TRACES_SAMPLER",
];

/// What the exporter gets over its own timeout, so that it can say why it failed.
const MARGIN: Duration = Duration::from_secs(2);

/// What became of the span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The service exports no spans.
    Nowhere,
    /// The collector has confirmed it.
    Arrived {
        /// Host and port.
        endpoint: String,
        took: Duration,
    },
    /// It has not.
    Lost {
        /// Host and port.
        endpoint: String,
        /// What the exporter said.
        reason: String,
    },
}

impl Setup {
    /// Sends the span `doctor.export` by an exporter that is set up as the service's, and waits until it has arrived or is
    /// lost, at most a little longer than the exporter's own timeout. Metrics and logs are not sent.
    pub(crate) fn probe(&self) -> Result<Probe, TelemetryError> {
        let environment = self.variables_read();
        let variables = environment.set().filter(|(name, _)| !LEFT_OUT.contains(name));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let off =
            ["OTEL_LOGS_EXPORTER", "OTEL_METRICS_EXPORTER"].map(|name| (name.to_owned(), "none".to_owned()));
        let environment: Environment = variables.chain(off).collect();
        let planned = self.plan(&environment, &mut Notices::default()).map_err(super::setup::first)?;
        let Some((target, _)) = planned.recording.and_then(|recording| recording.traces) else {
            return Ok(Probe::Nowhere);
        };
        let settings = TelemetrySettings {
            sample_ratio: 1.0,
            keep: KeepSettings { enabled: false, ..KeepSettings::default() },
            logs: RecordSettings { repeats: 0 },
            ..self.settings_read().clone()
        };
        let said = Said::default();
        let setup = Self::new(self.info().clone())
            .settings(settings)
            .log(LogSettings { level: "warn".to_owned(), format: LogFormat::Json })
            .log_writer(said.clone())
            .environment(environment.set().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let telemetry = setup.build()?;
        let began = Instant::now();
        {
            let _current = telemetry.root().attach();
            span("doctor.export").in_scope(|_| ());
        }
        let report = telemetry.shutdown(target.timeout + MARGIN);
        let endpoint = target.endpoint;
        if report.spans.sent == 1 {
            return Ok(Probe::Arrived { endpoint, took: began.elapsed() });
        }
        let reason = said.reason().unwrap_or_else(|| format!("it was not sent within {:?}", target.timeout));
        Ok(Probe::Lost { endpoint, reason })
    }
}

/// What is logged meanwhile.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    /// Why the export failed.
    fn reason(&self) -> Option<String> {
        let said = self.0.lock();
        let lines = said.split(|byte| *byte == b'\n');
        let mut lines = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
        lines.find_map(|line| Some(line["fields"]["reason"].as_str()?.to_owned()))
    }
}

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
