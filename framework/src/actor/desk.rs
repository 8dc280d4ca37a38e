use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{Span as _, SpanBuilder, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::SdkTracer;

use super::causality::Causality;
use super::metrics::{Durations, Histograms};
use super::origin::Origin;
use super::outcome::Outcome;
use super::stamp::Stamp;
use super::vitals::Vitals;
use crate::telemetry::Telemetry;

pub(super) const WAIT_SPAN: &str = "actor.mailbox.wait";
pub(super) const NAME: &str = "actor.name";
pub(super) const MESSAGE: &str = "actor.message.type";
pub(super) const OUTCOME: &str = "actor.message.outcome";

/// What one actor records with; shared with whatever of it outlives a handler's call.
pub(super) struct Desk {
    pub(super) telemetry: Telemetry,
    pub(super) tracer: Option<SdkTracer>,
    pub(super) durations: Option<Durations>,
    pub(super) causality: Causality,
    pub(super) vitals: Arc<Vitals>,
    /// What a trace that begins in this actor starts from.
    pub(super) root: Context,
    /// The actor's name, cheap to clone.
    pub(super) name: Value,
}

impl Desk {
    pub(super) fn new(
        telemetry: Telemetry,
        histograms: Option<&Histograms>,
        causality: Causality,
        vitals: Arc<Vitals>,
    ) -> Self {
        let name = match &vitals.name {
            Cow::Borrowed(name) => Value::from(*name),
            Cow::Owned(name) => Value::from(Arc::<str>::from(name.as_str())),
        };
        let tracer = telemetry.tracer().cloned();
        let root = telemetry.root();
        let durations = histograms.map(Histograms::durations);
        Self { telemetry, tracer, durations, causality, vitals, root, name }
    }

    /// An actor that was not started by [`Actors`](super::Actors).
    pub(super) fn stray(kind: &'static str) -> Self {
        let telemetry = Telemetry::current().unwrap_or_else(Telemetry::disabled);
        let histograms = telemetry.meter().map(Histograms::new);
        let vitals = Arc::new(Vitals::new(Cow::Borrowed(kind), kind, None));
        Self::new(telemetry, histograms.as_ref(), Causality::default(), vitals)
    }

    pub(super) fn name(&self) -> KeyValue {
        KeyValue::new(NAME, self.name.clone())
    }

    /// Whether `telemetry` is this actor's own.
    pub(super) fn owns(&self, telemetry: &Telemetry) -> bool {
        std::ptr::eq(self.telemetry.providers(), telemetry.providers())
    }

    pub(super) fn record_wait(&self, wait: Duration) {
        self.vitals.waited(wait);
        if let Some(durations) = &self.durations {
            durations.wait.record(wait.as_secs_f64(), |()| true, || (), || vec![self.name()]);
        }
    }

    pub(super) fn record_work(&self, message: &'static str, work: Duration) {
        self.vitals.worked(work);
        if let Some(durations) = &self.durations {
            let attributes = || vec![self.name(), KeyValue::new(MESSAGE, message)];
            durations.work.record(work.as_secs_f64(), |it| *it == message, || message, attributes);
        }
    }

    /// The wait in the mailbox as a span of its own below `parent`.
    ///
    /// A span and not an event: an event's time would lie before the start of the handler's span that it belongs
    /// to, which viewers show as clock skew or not at all, while a span is a bar in the waterfall. It has one
    /// attribute, and both its times are given, so that it costs about a third of the handler's own.
    pub(super) fn wait_span(&self, tracer: &SdkTracer, parent: &Context, from: Stamp, to: Stamp) {
        let builder = SpanBuilder {
            name: Cow::Borrowed(WAIT_SPAN),
            start_time: Some(from.time()),
            attributes: Some(vec![self.name()]),
            ..SpanBuilder::default()
        };
        tracer.build_with_context(builder, parent).end_with_timestamp(to.max(from).time());
    }

    /// Counts a message that is not handled, and says so in the sender's trace.
    pub(super) fn refuse(&self, origin: &Origin, span: &str, message: &'static str, outcome: Outcome) {
        self.vitals.count(outcome);
        if let Some(fate) = origin.fate() {
            fate.set(outcome);
        }
        if !origin.recordable {
            return;
        }
        if let Some(tracer) = &self.tracer {
            let now = Stamp::now();
            if let Some(at) = origin.at {
                self.wait_span(tracer, &origin.cx, at, now);
            }
            refusal_span(tracer, &origin.cx, span, &self.name, message, outcome, now);
        }
    }

    /// A span of its own for a panic whose handler's span has ended.
    pub(super) fn panic_span(&self, parent: &Context, text: &str) {
        if let Some(tracer) = &self.tracer {
            let builder = SpanBuilder {
                name: Cow::Owned(format!("{} panic", self.vitals.kind)),
                attributes: Some(vec![self.name()]),
                ..SpanBuilder::default()
            };
            let cx = parent.with_span(tracer.build_with_context(builder, parent));
            record_panic(&cx, text);
            cx.span().end();
        }
    }
}

/// The short span, below the sender's, of a message that was not handled.
pub(super) fn refusal_span(
    tracer: &SdkTracer,
    parent: &Context,
    span: &str,
    actor: &Value,
    message: &'static str,
    outcome: Outcome,
    now: Stamp,
) {
    let builder = SpanBuilder {
        name: Cow::Owned(span.to_owned()),
        start_time: Some(now.time()),
        attributes: Some(vec![
            KeyValue::new(NAME, actor.clone()),
            KeyValue::new(MESSAGE, message),
            KeyValue::new(OUTCOME, outcome.as_str()),
            KeyValue::new("error.type", outcome.as_str()),
        ]),
        ..SpanBuilder::default()
    };
    let mut span = tracer.build_with_context(builder, parent);
    if let Some(complaint) = outcome.complaint() {
        span.set_status(Status::error(complaint));
    }
    span.end_with_timestamp(now.time());
}

/// Writes a panic to the span of `cx`: an exception event, `error.type` and the status.
pub(super) fn record_panic(cx: &Context, text: &str) {
    let span = cx.span();
    let exception =
        vec![KeyValue::new("exception.type", "panic"), KeyValue::new("exception.message", text.to_owned())];
    span.add_event("exception", exception);
    span.set_attribute(KeyValue::new("error.type", "panic"));
    span.set_status(Status::error(text.to_owned()));
}
