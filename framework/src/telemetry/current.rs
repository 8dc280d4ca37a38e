//! What can be said of the span that is current. Nothing is built or done when it is not recording.

use std::borrow::Cow;
use std::error::Error;

use opentelemetry::trace::{SpanContext, SpanRef, Status, TraceContextExt, TraceId};
use opentelemetry::{Context, Key, KeyValue, Value};
use opentelemetry_semantic_conventions::attribute::{EXCEPTION_MESSAGE, EXCEPTION_TYPE};

use super::line::error_chain;

/// Records an error on the current span: an `exception` event with the error's type and its message with all its
/// causes, and the status `error` with the message.
///
/// Does nothing when no span is recording.
///
/// The type is known of a concrete error only: behind a `&dyn Error` it is left out.
pub fn record_error<E: Error + ?Sized>(error: &E) {
    with_recording(|span| record_error_on(&span, error));
}

/// Sets an attribute of the current span. Does nothing when no span is recording.
pub fn set_attribute(key: impl Into<Key>, value: impl Into<Value>) {
    with_recording(|span| span.set_attribute(KeyValue::new(key, value)));
}

/// Sets attributes of the current span. Does nothing when no span is recording: then what an iterator would make is not
/// made.
pub fn set_attributes(attributes: impl IntoIterator<Item = KeyValue>) {
    with_recording(|span| span.set_attributes(attributes));
}

/// Adds an event with a name and attributes to the current span, at this time. Does nothing when no span is recording:
/// then what an iterator would make is not made.
///
/// ```
/// use opentelemetry::KeyValue;
/// use spanbox::telemetry;
///
/// telemetry::span("process_payment").in_scope(|_| {
///     telemetry::add_event("gateway.retried", [KeyValue::new("attempt", 2)]);
///     telemetry::add_event("gateway.reached", []);
/// });
/// ```
pub fn add_event(name: impl Into<Cow<'static, str>>, attributes: impl IntoIterator<Item = KeyValue>) {
    with_recording(|span| span.add_event(name, attributes.into_iter().collect()));
}

/// Links the current span to another one that has to do with it without being above it. What is not valid is left out;
/// does nothing when no span is recording.
///
/// A link that is known from the start is better given to [`ScopedSpan::link`](super::ScopedSpan::link), where samplers
/// see it.
pub fn add_link(to: SpanContext) {
    if to.is_valid() {
        with_recording(|span| span.add_link(to, Vec::new()));
    }
}

/// The id of the current trace, recorded or not: what a user quotes to support, and the trace and the log are found by.
/// It displays as 32 hexadecimal digits. `None` outside of any trace.
///
/// ```
/// use spanbox::telemetry;
///
/// let apology = match telemetry::trace_id() {
///     Some(id) => format!("The payment failed. Please quote {id}."),
///     None => "The payment failed.".to_owned(),
/// };
/// # assert_eq!(apology, "The payment failed.");
/// ```
#[must_use]
pub fn trace_id() -> Option<TraceId> {
    let id = Context::map_current(|cx| cx.span().span_context().trace_id());
    (id != TraceId::INVALID).then_some(id)
}

fn with_recording(act: impl FnOnce(SpanRef<'_>)) {
    Context::map_current(|cx| {
        let span = cx.span();
        if span.is_recording() {
            act(span);
        }
    });
}

pub(super) fn record_error_on<E: Error + ?Sized>(span: &SpanRef<'_>, error: &E) {
    let mut attributes = vec![KeyValue::new(EXCEPTION_MESSAGE, error_chain(error))];
    let name = std::any::type_name::<E>();
    // `dyn Error` is no type anybody could look for.
    if !name.starts_with("dyn ") {
        attributes.push(KeyValue::new(EXCEPTION_TYPE, name));
    }
    span.add_event("exception", attributes);
    span.set_status(Status::error(error.to_string()));
}
