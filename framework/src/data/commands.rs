//! What is recorded of commands to servers that speak no SQL.

use std::time::Instant;

use opentelemetry::metrics::Histogram;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use opentelemetry_semantic_conventions::attribute;

use super::recorder::{duration, is_recording};
use crate::telemetry::Telemetry;

/// Records the commands to one server: what to record with, and what is the same for all of them.
pub(super) struct Commands {
    tracer: Option<SdkTracer>,
    duration: Option<Histogram<f64>>,
    base: Vec<KeyValue>,
}

impl Commands {
    /// `base` are the attributes of every command: the system, the database, the server.
    pub(super) fn new(telemetry: &Telemetry, base: Vec<KeyValue>) -> Self {
        Self { tracer: telemetry.tracer().cloned(), duration: duration(telemetry), base }
    }

    /// Sends a command, or a batch of them: a CLIENT span where the caller's is recorded, and a duration. `kind` says in
    /// a word what an error is; its message stays out, since it may hold values.
    pub(super) async fn record<T, E>(
        &self,
        name: &'static str,
        batch: Option<usize>,
        work: impl Future<Output = Result<T, E>>,
        kind: impl FnOnce(&E) -> String,
    ) -> Result<T, E> {
        let started = Instant::now();
        let mut span = self.tracer.as_ref().and_then(|tracer| {
            Context::map_current(|cx| {
                is_recording(cx).then(|| {
                    let mut attributes = self.base.clone();
                    attributes.push(KeyValue::new(attribute::DB_OPERATION_NAME, name));
                    if let Some(size) = batch.filter(|size| *size > 1) {
                        let size = i64::try_from(size).unwrap_or(i64::MAX);
                        attributes.push(KeyValue::new(attribute::DB_OPERATION_BATCH_SIZE, size));
                    }
                    let builder =
                        SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_attributes(attributes);
                    tracer.build_with_context(builder, cx)
                })
            })
        });
        let result = work.await;
        let error_type = result.as_ref().err().map(kind);
        if let Some(histogram) = &self.duration {
            let mut attributes = self.base.clone();
            attributes.push(KeyValue::new(attribute::DB_OPERATION_NAME, name));
            attributes.extend(error_type.clone().map(|kind| KeyValue::new(attribute::ERROR_TYPE, kind)));
            histogram.record(started.elapsed().as_secs_f64(), &attributes);
        }
        if let Some(span) = &mut span {
            if let Some(kind) = error_type {
                span.set_status(Status::error(kind.clone()));
                span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, kind));
            }
            span.end();
        }
        result
    }
}
