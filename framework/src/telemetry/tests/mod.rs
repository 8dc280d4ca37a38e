mod logs;
mod parents;
mod repeats;
mod scrub;
mod setup;

use std::io::{self, Write};
use std::sync::Arc;

use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use parking_lot::Mutex;

use super::{ServiceInfo, Setup, Telemetry};
use crate::config::{LogFormat, LogSettings};

/// What a service under test wrote and recorded.
#[derive(Clone, Default)]
struct Captured {
    lines: Arc<Mutex<Vec<u8>>>,
    spans: InMemorySpanExporter,
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.lines.lock().clone()).unwrap()
    }

    fn span(&self, name: &str) -> SpanData {
        let spans = self.spans.get_finished_spans().unwrap();
        spans
            .iter()
            .find(|span| span.name == name)
            .unwrap_or_else(|| panic!("no {name} in {spans:?}"))
            .clone()
    }

    fn json(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn service(format: LogFormat, level: &str) -> (Telemetry, Captured) {
    let captured = Captured::default();
    let telemetry = unsent(format, level, &captured).span_exporter(captured.spans.clone()).build().unwrap();
    (telemetry, captured)
}

/// A service with no collector and nobody who takes its spans.
fn unsent(format: LogFormat, level: &str, captured: &Captured) -> Setup {
    Setup::new(ServiceInfo::new("orders", "1.0.0"))
        .log(LogSettings { level: level.to_owned(), format })
        .log_writer(captured.clone())
        .environment([])
}
