//! Telemetry that is recorded as in production, and exported to nowhere.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use spanbox::config::LogSettings;
use spanbox::telemetry::{ServiceInfo, Setup, Telemetry, TelemetryError};

/// An exporter that counts what it gets, and drops it.
#[derive(Clone, Debug, Default)]
pub struct Nowhere {
    spans: Arc<AtomicU64>,
}

impl Nowhere {
    /// How many spans it got.
    #[must_use]
    pub fn spans(&self) -> u64 {
        self.spans.load(Ordering::Relaxed)
    }
}

impl SpanExporter for Nowhere {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.spans.fetch_add(batch.len() as u64, Ordering::Relaxed);
        black_box(batch);
        Ok(())
    }
}

impl PushMetricExporter for Nowhere {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        black_box(metrics);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

/// A processor that drops every span where it ends: what remains is the cost of making it.
#[derive(Debug)]
pub struct Dropping;

impl SpanProcessor for Dropping {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        black_box(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// A service's telemetry, by its default settings: every trace, with what is personal or secret in it hidden, through the
/// SDK's batch processor, and all metrics; and where they end.
///
/// # Errors
///
/// Those of [`Setup::build`].
pub fn telemetry() -> Result<(Telemetry, Nowhere), TelemetryError> {
    let nowhere = Nowhere::default();
    let setup = Setup::new(ServiceInfo::new("benches", env!("CARGO_PKG_VERSION")))
        .environment([])
        .log(LogSettings { level: "off".to_owned(), ..LogSettings::default() })
        .span_processor(BatchSpanProcessor::builder(nowhere.clone()).build())
        .metric_exporter(nowhere.clone());
    Ok((setup.build()?, nowhere))
}
