//! What the tests of this folder share: a telemetry of their own and an actor that does a bit of everything.

mod carrying;
mod draining;
mod giving_up;
mod heartbeats;
mod measuring;
mod panics;
mod pools;
mod refusals;
mod semantics;
mod starting_later;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::System;
use opentelemetry::trace::{SpanId, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context as Cx, Value};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

use super::{Actors, Causality};
use crate::telemetry::{Providers, Telemetry};

/// Everything that one test records.
struct Rig {
    actors: Actors,
    telemetry: Telemetry,
    exporter: InMemorySpanExporter,
}

impl Rig {
    fn new() -> Self {
        Self::with(Causality::default())
    }

    fn with(causality: Causality) -> Self {
        let exporter = InMemorySpanExporter::default();
        let traces = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let telemetry = Telemetry::from_providers(Providers { traces: Some(traces), ..Providers::default() });
        Self { actors: Actors::with_causality(telemetry.clone(), causality), telemetry, exporter }
    }

    /// A span `name` to send from.
    fn sender(&self, name: &'static str) -> Cx {
        let tracer = self.telemetry.tracer().unwrap();
        let root = self.telemetry.root();
        root.with_span(tracer.start_with_context(name, &root))
    }

    fn spans(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }

    fn named(&self, name: &str) -> Vec<SpanData> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// The only span of this name, once it has ended.
    async fn one(&self, name: &str) -> SpanData {
        eventually(&format!("a span {name} among {:?}", names(&self.spans())), || {
            !self.named(name).is_empty()
        })
        .await;
        let mut spans = self.named(name);
        assert_eq!(spans.len(), 1, "{name}");
        spans.remove(0)
    }
}

fn names(spans: &[SpanData]) -> Vec<String> {
    spans.iter().map(|span| span.name.to_string()).collect()
}

fn id(cx: &Cx) -> SpanId {
    cx.span().span_context().span_id()
}

fn attribute(span: &SpanData, key: &str) -> Option<Value> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|found| found.value.clone())
}

fn outcome(span: &SpanData) -> String {
    attribute(span, "actor.message.outcome").map(|value| value.to_string()).unwrap_or_default()
}

/// Awaits a condition, with a deadline of five seconds.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::task::yield_now().await;
    }
}

fn run<F: Future>(test: F) -> F::Output {
    System::new().block_on(test)
}

fn metered() -> (Telemetry, SdkMeterProvider, InMemoryMetricExporter) {
    let exporter = InMemoryMetricExporter::default();
    let metrics =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter.clone()).build()).build();
    let telemetry =
        Telemetry::from_providers(Providers { metrics: Some(metrics.clone()), ..Providers::default() });
    (telemetry, metrics, exporter)
}

/// A gate that a handler waits at, so that a test decides when it goes on.
#[derive(Clone, Default)]
struct Gate(Arc<tokio::sync::Notify>);

impl Gate {
    fn open(&self) {
        self.0.notify_one();
    }

    async fn pass(&self) {
        self.0.notified().await;
    }
}
