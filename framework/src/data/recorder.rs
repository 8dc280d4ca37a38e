use std::panic::Location;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use diesel::result::Error as QueryError;
use opentelemetry::metrics::{Histogram, Meter};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use opentelemetry_semantic_conventions::{attribute, metric};

use super::comment::{Comment, Comments};
use super::error::{kind, sqlstate};
use super::findings::Findings;
use super::statement::Statement;
use crate::telemetry::Telemetry;

/// The bounds of durations, in seconds, as the semantic conventions advise for `db.client.operation.duration`.
const DURATION_BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

/// What every command to a database is timed by.
pub(super) fn duration(telemetry: &Telemetry) -> Option<Histogram<f64>> {
    let name = metric::DB_CLIENT_OPERATION_DURATION;
    telemetry.meter().map(|meter| seconds(meter, name, "Duration of database client operations."))
}

pub(super) fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
    histogram.with_boundaries(DURATION_BOUNDS.to_vec()).build()
}

/// Records the statements of one database: what to record with, and what is the same for all of them.
pub(super) struct Recorder {
    tracer: Option<SdkTracer>,
    duration: Option<Histogram<f64>>,
    findings: Findings,
    comments: Option<Comments>,
    base: Vec<KeyValue>,
}

impl Recorder {
    /// `base` are the attributes of every statement: the system, the database, the server.
    pub(super) fn new(telemetry: &Telemetry, mut base: Vec<KeyValue>) -> Self {
        for attribute in &mut base {
            // Every span has a copy of it.
            if let Value::String(text) = &attribute.value {
                attribute.value = Value::String(shared(text));
            }
        }
        Self {
            tracer: telemetry.tracer().cloned(),
            duration: duration(telemetry),
            findings: Findings::new(telemetry),
            comments: Comments::new(telemetry.database()),
            base,
        }
    }

    pub(super) fn disabled() -> Self {
        Self::new(&Telemetry::disabled(), Vec::new())
    }

    /// Whether a statement in the current context is worth its text.
    pub(super) fn wants(&self) -> bool {
        self.duration.is_some() || (self.tracer.is_some() && Context::map_current(is_recording))
    }

    /// Whether statements get comments.
    pub(super) fn comments(&self) -> bool {
        self.comments.is_some()
    }

    /// What is to follow a statement. One that has a comment already keeps that and gets no other.
    pub(super) fn comment(&self, statement: &Statement) -> Option<Comment> {
        self.comments.as_ref().filter(|_| !statement.commented).map(Comments::make)
    }

    /// Describes a statement.
    pub(super) fn describe(&self, sql: &str) -> Arc<Statement> {
        Arc::new(Statement::new(sql, &self.base, self.duration.as_ref()))
    }

    /// Makes ready to record a statement; [`Recording::start`] begins. `site` is the place in the code that repeats it if
    /// it is repeated; without one that is not looked for.
    pub(super) fn prepare(
        self: &Arc<Self>,
        statement: Arc<Statement>,
        site: Option<&'static Location<'static>>,
    ) -> Box<Recording> {
        let recorder = Arc::clone(self);
        Box::new(Recording { started: None, span: None, statement, site, recorder, begun: false })
    }
}

/// A statement that is about to be sent, or under way. It is handed on often and is large, so that it lives in a box.
pub(super) struct Recording {
    begun: bool,
    /// With when it began.
    span: Option<(Span, SystemTime)>,
    started: Option<Instant>,
    statement: Arc<Statement>,
    site: Option<&'static Location<'static>>,
    recorder: Arc<Recorder>,
}

impl Recording {
    /// The first call begins: a span when the current one is recorded, a clock when there is a meter.
    pub(super) fn start(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let (recorder, statement) = (&self.recorder, &self.statement);
        if let Some(tracer) = &recorder.tracer
            && let Some(cx) = Context::map_current(|cx| is_recording(cx).then(|| cx.clone()))
        {
            if let Some(site) = self.site {
                recorder.findings.runs(&cx, statement, site);
            }
            // Room for what is known at its end.
            let mut attributes = Vec::with_capacity(statement.span.len() + 2);
            attributes.extend_from_slice(&statement.span);
            let began = SystemTime::now();
            let builder = SpanBuilder {
                name: statement.summary.as_str().to_owned().into(),
                span_kind: Some(SpanKind::Client),
                start_time: Some(began),
                attributes: Some(attributes),
                ..SpanBuilder::default()
            };
            self.span = Some((tracer.build_with_context(builder, &cx), began));
        }
        let timed = recorder.duration.is_some() || (self.span.is_some() && recorder.findings.timed());
        self.started = timed.then(Instant::now);
    }

    /// Ends it, with the number of rows that were read if it has any. The error's message stays out: it may hold values.
    pub(super) fn finish(mut self: Box<Self>, error: Option<&QueryError>, rows: Option<u64>) {
        let code = error.and_then(sqlstate);
        let error_type = error.map(|error| code.unwrap_or_else(|| kind(error)));
        let took = self.started.map(|started| started.elapsed());
        if let Some(took) = took {
            if let Some(histogram) = &self.recorder.duration {
                self.measure(histogram, took.as_secs_f64(), code, error_type);
            }
            self.recorder.findings.took(took, &self.statement, self.span.as_mut().map(|(span, _)| span));
        }
        if let Some((span, began)) = &mut self.span {
            if let Some(rows) = rows {
                let rows = i64::try_from(rows).unwrap_or(i64::MAX);
                span.set_attribute(KeyValue::new(attribute::DB_RESPONSE_RETURNED_ROWS, rows));
            }
            if let (Some(error), Some(error_type)) = (error, error_type) {
                span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error_type));
                if let Some(code) = code {
                    span.set_attribute(KeyValue::new(attribute::DB_RESPONSE_STATUS_CODE, code));
                }
                span.set_status(Status::error(kind(error)));
            }
            // By the clock that measures it, where one does.
            match took.and_then(|took| began.checked_add(took)) {
                Some(end) => span.end_with_timestamp(end),
                None => span.end(),
            }
        }
    }

    fn measure(
        &self,
        histogram: &Histogram<f64>,
        seconds: f64,
        code: Option<&'static str>,
        error_type: Option<&'static str>,
    ) {
        let Some(error_type) = error_type else {
            return self.statement.durations.iter().for_each(|series| series.record(seconds));
        };
        let mut attributes = self.statement.metric.clone();
        attributes.push(KeyValue::new(attribute::ERROR_TYPE, error_type));
        attributes.extend(code.map(|code| KeyValue::new(attribute::DB_RESPONSE_STATUS_CODE, code)));
        histogram.record(seconds, &attributes);
    }
}

/// The same text, of which copies cost nothing.
fn shared(text: &StringValue) -> StringValue {
    let copy = text.clone();
    if copy.as_str().as_ptr() == text.as_str().as_ptr() {
        copy
    } else {
        Arc::<str>::from(copy.as_str()).into()
    }
}

pub(super) fn is_recording(cx: &Context) -> bool {
    cx.has_active_span() && cx.span().is_recording()
}
