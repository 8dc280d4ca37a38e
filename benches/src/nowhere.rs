//! Telemetry that is recorded as in production, and exported to nowhere.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use spanbox::telemetry::{Providers, Telemetry};

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

/// Every trace through the SDK's batch processor, and all metrics; and where they end.
#[must_use]
pub fn telemetry() -> (Telemetry, Nowhere) {
    let nowhere = Nowhere::default();
    let spans = BatchSpanProcessor::builder(nowhere.clone()).build();
    let traces = SdkTracerProvider::builder().with_span_processor(spans).build();
    let metrics =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(nowhere.clone()).build()).build();
    let providers = Providers { traces: Some(traces), metrics: Some(metrics), ..Providers::default() };
    (Telemetry::from_providers(providers), nowhere)
}
