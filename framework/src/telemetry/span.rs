use std::borrow::Cow;
use std::error::Error;
use std::future::Future;

use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, Key, KeyValue, Value};
use opentelemetry_semantic_conventions::attribute::{EXCEPTION_MESSAGE, EXCEPTION_TYPE};

use super::Telemetry;
use super::line::error_chain;

/// A span of the service's own, child of the current one: see [`ScopedSpan::run`] and [`ScopedSpan::in_scope`].
///
/// Where nothing is recorded (no telemetry in the context, or a trace that is not sampled), nothing is built
/// either, and the work runs all the same.
///
/// ```
/// # use opentelemetry::Context;
/// # futures_util::future::FutureExt::now_or_never(async {
/// use spanbox::telemetry;
///
/// let total = telemetry::span("calculate_analytics").attribute("orders", 2).run(async { 3 + 4 }).await;
/// assert_eq!(total, 7);
/// # }).unwrap();
/// ```
pub fn span(name: impl Into<Cow<'static, str>>) -> ScopedSpan {
    let parent = Context::current();
    // The samplers that can be set all decide by the parent or by the trace's id: what is not sampled stays so.
    let settled = parent.has_active_span() && !parent.span().span_context().is_sampled();
    let telemetry =
        if settled { None } else { parent.get::<Telemetry>().filter(|it| it.tracer().is_some()).cloned() };
    ScopedSpan { name: name.into(), kind: SpanKind::Internal, attributes: Vec::new(), telemetry }
}

/// A span that is not started yet, see [`span`].
#[must_use = "a span is started by `run` or `in_scope`"]
#[derive(Debug)]
pub struct ScopedSpan {
    name: Cow<'static, str>,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    /// None when nothing is to be recorded.
    telemetry: Option<Telemetry>,
}

impl ScopedSpan {
    /// An attribute of the span. Default none.
    pub fn attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        if self.telemetry.is_some() {
            self.attributes.push(KeyValue::new(key, value));
        }
        self
    }

    /// The span's kind. Default internal.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// Runs the future inside the span, from its first poll until it is done or dropped.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        match self.start() {
            Some(cx) => {
                let ended = EndOnDrop(cx.clone());
                let output = work.with_context(cx).await;
                drop(ended);
                output
            }
            None => work.await,
        }
    }

    /// Calls the function inside the span, with the context that holds it.
    pub fn in_scope<T>(self, work: impl FnOnce(&Context) -> T) -> T {
        match self.start() {
            Some(cx) => {
                let _ended = EndOnDrop(cx.clone());
                let _current = cx.clone().attach();
                work(&cx)
            }
            None => work(&Context::current()),
        }
    }

    fn start(self) -> Option<Context> {
        let telemetry = self.telemetry?;
        let tracer = telemetry.tracer()?;
        let builder = tracer.span_builder(self.name).with_kind(self.kind).with_attributes(self.attributes);
        Some(Context::current_with_span(tracer.build(builder)))
    }
}

/// Ends the span also when the work panics or is dropped, and when somebody still holds its context.
struct EndOnDrop(Context);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.span().end();
    }
}

/// Records an error on the current span: an `exception` event with the error's type and its message with all its
/// causes, and the status `error` with the message.
///
/// Does nothing when no span is recording.
///
/// The type is known of a concrete error only: behind a `&dyn Error` it is left out.
pub fn record_error<E: Error + ?Sized>(error: &E) {
    Context::map_current(|cx| {
        let span = cx.span();
        if !span.is_recording() {
            return;
        }
        let mut attributes = vec![KeyValue::new(EXCEPTION_MESSAGE, error_chain(error))];
        let name = std::any::type_name::<E>();
        // `dyn Error` is no type anybody could look for.
        if !name.starts_with("dyn ") {
            attributes.push(KeyValue::new(EXCEPTION_TYPE, name));
        }
        span.add_event("exception", attributes);
        span.set_status(Status::error(error.to_string()));
    });
}

/// Sets an attribute of the current span. Does nothing when no span is recording.
pub fn set_attribute(key: impl Into<Key>, value: impl Into<Value>) {
    Context::map_current(|cx| {
        let span = cx.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new(key, value));
        }
    });
}
