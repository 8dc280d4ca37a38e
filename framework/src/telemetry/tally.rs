//! What becomes of a signal on its way out, and the instruments that tell it: `otel.sdk.*` by the semantic conventions.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::metrics::{Histogram, Meter};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, OTEL_COMPONENT_NAME, OTEL_COMPONENT_TYPE};

use super::target::{Signal, Target};
use crate::config::OtlpProtocol;

/// What became of one signal.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Given to the processor. Not counted for metrics, which have none.
    pub(super) accepted: AtomicU64,
    /// Of these, what found the queue full.
    pub(super) dropped: AtomicU64,
    /// Of these, what the exporter was given.
    taken: AtomicU64,
    /// In exports that the collector confirmed; of metrics, the exports.
    pub(super) sent: AtomicU64,
    /// In exports that failed; of metrics, the exports.
    pub(super) failed: AtomicU64,
    /// Spans, log records or data points in exports, by how they ended.
    confirmed: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
    in_flight: AtomicI64,
    /// Spans that began and are recorded, sampled or only recorded, by where their parent is.
    started: [[AtomicU64; 3]; 2],
    about: OnceLock<About>,
    duration: OnceLock<Histogram<f64>>,
}

/// How a signal is exported.
#[derive(Debug)]
struct About {
    signal: Signal,
    exporter: [KeyValue; 2],
    /// Of the processor's queue; none for metrics.
    capacity: Option<u64>,
}

/// `otel.span.parent.origin`.
const ORIGINS: [&str; 3] = ["none", "local", "remote"];

/// `otel.span.sampling_result`. What is not recorded at all, no processor sees.
const RESULTS: [&str; 2] = ["RECORD_AND_SAMPLE", "RECORD_ONLY"];

impl Tally {
    /// To be said before anything is counted.
    pub(super) fn describe(&self, target: &Target, capacity: Option<usize>) {
        let exporter = component(match (target.signal, target.protocol) {
            (Signal::Traces, OtlpProtocol::Grpc) => "otlp_grpc_span_exporter",
            (Signal::Traces, OtlpProtocol::HttpProtobuf) => "otlp_http_span_exporter",
            (Signal::Metrics, OtlpProtocol::Grpc) => "otlp_grpc_metric_exporter",
            (Signal::Metrics, OtlpProtocol::HttpProtobuf) => "otlp_http_metric_exporter",
            (Signal::Logs, OtlpProtocol::Grpc) => "otlp_grpc_log_exporter",
            (Signal::Logs, OtlpProtocol::HttpProtobuf) => "otlp_http_log_exporter",
        });
        let capacity = capacity.map(|capacity| capacity as u64);
        // A signal is assembled once.
        let _ = self.about.set(About { signal: target.signal, exporter, capacity });
    }

    /// Whether the processor's queue has room for one more. What has none is counted and dropped here, so that the queue
    /// behind, which tells nobody, never has to.
    pub(super) fn admit(&self) -> bool {
        let accepted = self.accepted.fetch_add(1, Relaxed) + 1;
        let queued = accepted.saturating_sub(self.dropped.load(Relaxed) + self.taken.load(Relaxed));
        let capacity = self.about.get().and_then(|about| about.capacity).unwrap_or(u64::MAX);
        if queued > capacity {
            self.dropped.fetch_add(1, Relaxed);
        }
        queued <= capacity
    }

    /// A span that is recorded has begun.
    pub(super) fn began(&self, span: &SpanContext, parent: &Context) {
        let parent = parent.span();
        let parent = parent.span_context();
        let origin = if !parent.is_valid() {
            0
        } else if parent.is_remote() {
            2
        } else {
            1
        };
        self.started[usize::from(!span.is_sampled())][origin].fetch_add(1, Relaxed);
    }

    /// What the queue holds.
    fn queued(&self) -> u64 {
        let gone = self.dropped.load(Relaxed) + self.taken.load(Relaxed);
        self.accepted.load(Relaxed).saturating_sub(gone)
    }

    /// An export of so many begins.
    pub(super) fn export_begins(&self, items: u64) {
        self.taken.fetch_add(items, Relaxed);
        self.in_flight.fetch_add(signed(items), Relaxed);
    }

    /// It has ended.
    pub(super) fn export_ended(&self, items: u64, took: Duration, result: &OTelSdkResult) {
        self.in_flight.fetch_sub(signed(items), Relaxed);
        let (counter, error) = match result {
            Ok(()) => (&self.confirmed, None),
            Err(OTelSdkError::Timeout(_)) => (&self.timed_out, Some(TIMEOUT)),
            Err(_) => (&self.refused, Some(REFUSED)),
        };
        counter.fetch_add(items, Relaxed);
        if let (Some(duration), Some(about)) = (self.duration.get(), self.about.get()) {
            let error = error.map(|error| KeyValue::new(ERROR_TYPE, error));
            let attributes: Vec<_> = about.exporter.iter().cloned().chain(error).collect();
            duration.record(took.as_secs_f64(), &attributes);
        }
    }

    /// Makes the instruments of a signal that is exported; of another there is nothing to tell.
    pub(super) fn observe(self: &Arc<Self>, meter: &Meter) {
        let Some(about) = self.about.get() else { return };
        let duration = meter
            .f64_histogram("otel.sdk.exporter.operation.duration")
            .with_unit("s")
            .with_description("How long an export took, with its retries.")
            .with_boundaries(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            .build();
        // Made once, as the signal is.
        let _ = self.duration.set(duration);
        let (names, unit) = match about.signal {
            Signal::Traces => (&SPANS, "{span}"),
            Signal::Logs => (&LOGS, "{log_record}"),
            Signal::Metrics => (&POINTS, "{data_point}"),
        };
        let exporter = about.exporter.clone();
        self.counter(
            meter,
            names.exported,
            unit,
            "What was in exports that have ended.",
            move |tally, observe| {
                observe(&tally.confirmed, &exporter);
                for (counter, error) in [(&tally.timed_out, TIMEOUT), (&tally.refused, REFUSED)] {
                    // A series of what never happened would only be looked at.
                    if counter.load(Relaxed) > 0 {
                        let [name, kind] = exporter.clone();
                        observe(counter, &[name, kind, KeyValue::new(ERROR_TYPE, error)]);
                    }
                }
            },
        );
        let (tally, exporter) = (Arc::clone(self), about.exporter.clone());
        meter
            .i64_observable_up_down_counter(names.in_flight)
            .with_unit(unit)
            .with_description("What is in an export that has begun and not ended.")
            .with_callback(move |observer| observer.observe(tally.in_flight.load(Relaxed), &exporter))
            .build();
        if let (Some(queue), Some(capacity)) = (&names.queue, about.capacity) {
            self.observe_queue(meter, queue, unit, capacity);
        }
        if about.signal == Signal::Traces {
            let what = "Spans that began and are recorded.";
            self.counter(meter, "otel.sdk.span.started", unit, what, |tally, observe| {
                for (started, result) in tally.started.iter().zip(RESULTS) {
                    for (counter, origin) in started.iter().zip(ORIGINS) {
                        let result = KeyValue::new("otel.span.sampling_result", result);
                        observe(counter, &[KeyValue::new("otel.span.parent.origin", origin), result]);
                    }
                }
            });
        }
    }

    fn observe_queue(self: &Arc<Self>, meter: &Meter, queue: &QueueNames, unit: &'static str, capacity: u64) {
        let processor = component(queue.processor);
        let own = processor.clone();
        self.counter(meter, queue.processed, unit, "What has left the processor.", move |tally, observe| {
            observe(&tally.taken, &own);
            let [name, kind] = own.clone();
            observe(&tally.dropped, &[name, kind, KeyValue::new(ERROR_TYPE, "queue_full")]);
        });
        let (tally, own) = (Arc::clone(self), processor.clone());
        meter
            .i64_observable_up_down_counter(queue.size)
            .with_unit(unit)
            .with_description("What waits in the processor's queue.")
            .with_callback(move |observer| observer.observe(signed(tally.queued()), &own))
            .build();
        meter
            .i64_observable_up_down_counter(queue.capacity)
            .with_unit(unit)
            .with_description("What the processor's queue holds at most; more is dropped.")
            .with_callback(move |observer| observer.observe(signed(capacity), &processor))
            .build();
    }

    fn counter(
        self: &Arc<Self>,
        meter: &Meter,
        name: &'static str,
        unit: &'static str,
        what: &'static str,
        read: impl Fn(&Self, &dyn Fn(&AtomicU64, &[KeyValue])) + Send + Sync + 'static,
    ) {
        let tally = Arc::clone(self);
        meter
            .u64_observable_counter(name)
            .with_unit(unit)
            .with_description(what)
            .with_callback(move |observer| {
                read(&tally, &|counter, attributes| observer.observe(counter.load(Relaxed), attributes));
            })
            .build();
    }
}

const TIMEOUT: &str = "timeout";
/// By the collector or on the way to it.
const REFUSED: &str = "_OTHER";

struct Names {
    exported: &'static str,
    in_flight: &'static str,
    queue: Option<QueueNames>,
}

struct QueueNames {
    processor: &'static str,
    processed: &'static str,
    size: &'static str,
    capacity: &'static str,
}

const SPANS: Names = Names {
    exported: "otel.sdk.exporter.span.exported",
    in_flight: "otel.sdk.exporter.span.inflight",
    queue: Some(QueueNames {
        processor: "batching_span_processor",
        processed: "otel.sdk.processor.span.processed",
        size: "otel.sdk.processor.span.queue.size",
        capacity: "otel.sdk.processor.span.queue.capacity",
    }),
};

const LOGS: Names = Names {
    exported: "otel.sdk.exporter.log.exported",
    in_flight: "otel.sdk.exporter.log.inflight",
    queue: Some(QueueNames {
        processor: "batching_log_processor",
        processed: "otel.sdk.processor.log.processed",
        size: "otel.sdk.processor.log.queue.size",
        capacity: "otel.sdk.processor.log.queue.capacity",
    }),
};

const POINTS: Names = Names {
    exported: "otel.sdk.exporter.metric_data_point.exported",
    in_flight: "otel.sdk.exporter.metric_data_point.inflight",
    queue: None,
};

/// A service has one of each.
fn component(kind: &'static str) -> [KeyValue; 2] {
    [KeyValue::new(OTEL_COMPONENT_NAME, format!("{kind}/0")), KeyValue::new(OTEL_COMPONENT_TYPE, kind)]
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
