use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use diesel::result::Error as QueryError;
use opentelemetry::metrics::Histogram;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use opentelemetry_semantic_conventions::{attribute, metric};

use super::error::{kind, sqlstate};
use super::statement::{Statement, read};
use crate::telemetry::Telemetry;

/// A wait shorter than this makes no span: it explains nothing, and a span costs more than it.
pub(super) const VISIBLE_WAIT: Duration = Duration::from_millis(1);

/// The bounds of `db.client.operation.duration`, in seconds, as the semantic conventions advise.
const DURATION_BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

/// What every command to a database is timed by.
pub(super) fn duration(telemetry: &Telemetry) -> Option<Histogram<f64>> {
    seconds(telemetry, metric::DB_CLIENT_OPERATION_DURATION, "Duration of database client operations.")
}

fn seconds(telemetry: &Telemetry, name: &'static str, description: &'static str) -> Option<Histogram<f64>> {
    telemetry.meter().map(|meter| {
        let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
        histogram.with_boundaries(DURATION_BOUNDS.to_vec()).build()
    })
}

/// Records the statements of one database: what to record with, and what is the same for all of them.
pub(super) struct Recorder {
    tracer: Option<SdkTracer>,
    duration: Option<Histogram<f64>>,
    wait: Option<Histogram<f64>>,
    base: Vec<KeyValue>,
}

impl Recorder {
    /// `base` are the attributes of every statement: the system, the database, the server.
    pub(super) fn new(telemetry: &Telemetry, base: Vec<KeyValue>) -> Self {
        Self {
            tracer: telemetry.tracer().cloned(),
            duration: duration(telemetry),
            wait: seconds(
                telemetry,
                metric::DB_CLIENT_CONNECTION_WAIT_TIME,
                "The time it took to obtain an open connection from the pool.",
            ),
            base,
        }
    }

    pub(super) fn disabled() -> Self {
        Self { tracer: None, duration: None, wait: None, base: Vec::new() }
    }

    /// Whether a statement in the current context is worth its text.
    pub(super) fn wants(&self) -> bool {
        self.duration.is_some() || (self.tracer.is_some() && Context::map_current(is_recording))
    }

    /// Whether a unit of work asked for in `cx` is worth a clock.
    pub(super) fn wants_wait(&self, cx: &Context) -> bool {
        self.wait.is_some() || (self.tracer.is_some() && is_recording(cx))
    }

    /// Describes a statement.
    pub(super) fn describe(&self, sql: &str) -> Arc<Statement> {
        let read = read(sql);
        let mut metric = self.base.clone();
        if let Some(operation) = read.operation {
            metric.push(KeyValue::new(attribute::DB_OPERATION_NAME, shared(operation)));
        }
        if let Some(collection) = read.collection {
            metric.push(KeyValue::new(attribute::DB_COLLECTION_NAME, shared(collection)));
        }
        metric.push(KeyValue::new(attribute::DB_QUERY_SUMMARY, shared(read.summary.clone())));
        let mut span = metric.clone();
        span.push(KeyValue::new(attribute::DB_QUERY_TEXT, shared(read.text)));
        Arc::new(Statement { summary: read.summary.into(), span, metric })
    }

    /// Makes ready to record a statement; [`Recording::start`] begins.
    pub(super) fn prepare(self: &Arc<Self>, statement: Arc<Statement>) -> Recording {
        Recording { started: None, span: None, statement, recorder: self.clone(), begun: false }
    }

    /// Records how long a unit of work waited for its connection.
    pub(super) fn waited(&self, cx: &Context, waited: Duration) {
        if let Some(wait) = &self.wait {
            wait.record(waited.as_secs_f64(), &self.base);
        }
        if waited < VISIBLE_WAIT || !is_recording(cx) {
            return;
        }
        if let Some(tracer) = &self.tracer {
            let now = SystemTime::now();
            let builder = SpanBuilder::from_name("db.pool.wait")
                .with_kind(SpanKind::Internal)
                .with_start_time(now.checked_sub(waited).unwrap_or(now))
                .with_attributes(self.base.clone());
            tracer.build_with_context(builder, cx).end_with_timestamp(now);
        }
    }
}

/// A statement that is about to be sent, or under way.
pub(super) struct Recording {
    begun: bool,
    span: Option<Span>,
    started: Option<Instant>,
    statement: Arc<Statement>,
    recorder: Arc<Recorder>,
}

impl Recording {
    /// The first call begins: a span when the current one is recorded, a clock when there is a meter.
    pub(super) fn start(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let (recorder, statement) = (&self.recorder, &self.statement);
        self.span = recorder.tracer.as_ref().and_then(|tracer| {
            Context::map_current(|cx| {
                is_recording(cx).then(|| {
                    let builder = SpanBuilder::from_name(statement.summary.as_str().to_owned())
                        .with_kind(SpanKind::Client)
                        .with_attributes(statement.span.clone());
                    tracer.build_with_context(builder, cx)
                })
            })
        });
        self.started = recorder.duration.is_some().then(Instant::now);
    }

    /// Ends it. The error's message stays out: it may hold values.
    pub(super) fn finish(self, error: Option<&QueryError>) {
        let code = error.and_then(sqlstate);
        let error_type = error.map(|error| code.unwrap_or_else(|| kind(error)));
        if let (Some(started), Some(histogram)) = (self.started, &self.recorder.duration) {
            let seconds = started.elapsed().as_secs_f64();
            match error_type {
                None => histogram.record(seconds, &self.statement.metric),
                Some(error_type) => {
                    let mut attributes = self.statement.metric.clone();
                    attributes.push(KeyValue::new(attribute::ERROR_TYPE, error_type));
                    histogram.record(seconds, &attributes);
                }
            }
        }
        if let Some(mut span) = self.span {
            if let (Some(error), Some(error_type)) = (error, error_type) {
                span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error_type));
                if let Some(code) = code {
                    span.set_attribute(KeyValue::new(attribute::DB_RESPONSE_STATUS_CODE, code));
                }
                span.set_status(Status::error(kind(error)));
            }
            span.end();
        }
    }
}

pub(super) fn is_recording(cx: &Context) -> bool {
    cx.has_active_span() && cx.span().is_recording()
}

/// A string that is cheap to clone: these attributes are cloned for every span.
fn shared(text: String) -> Value {
    Value::String(Arc::<str>::from(text).into())
}
