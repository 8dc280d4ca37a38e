//! How a traced function tells its span of an `Err`, whatever the error is.
//!
//! The function's own type decides, by the compiler's search for a method: each trait here is for a type behind one
//! reference less than that of the trait before it, and the first that fits is taken. So an error is recorded as well as
//! its type allows, with no bound on what a function may return.

use std::error::Error;
use std::fmt::Display;
use std::ops::Deref;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanRef, Status, TraceContextExt};
use opentelemetry_semantic_conventions::attribute::EXCEPTION_MESSAGE;

use super::current::record_error_on;
use super::traced::Traced;

/// What a traced function returned, and the span to tell of it.
pub struct Outcome<'a, T> {
    span: &'a Traced,
    output: &'a T,
}

impl<'a, T> Outcome<'a, T> {
    /// What `output` has to tell `span`.
    pub const fn new(span: &'a Traced, output: &'a T) -> Self {
        Self { span, output }
    }
}

impl<T, E> Outcome<'_, Result<T, E>> {
    fn if_failed(&self, act: impl FnOnce(SpanRef<'_>, &E)) {
        if let (Err(error), Some(begun)) = (self.output, self.span.begun()) {
            let span = begun.context().span();
            if span.is_recording() {
                act(span, error);
            }
        }
    }
}

/// An error: its type, its message and its causes.
pub trait TellError {
    /// Records it.
    fn tell(&self);
}

impl<T, E: Error> TellError for &&&&Outcome<'_, Result<T, E>> {
    fn tell(&self) {
        self.if_failed(|span, error| record_error_on(&span, error));
    }
}

/// What holds an error, as `Box<dyn Error>` does: the same without its type.
pub trait TellHeld {
    /// Records it.
    fn tell(&self);
}

impl<T, E: Deref<Target: Error>> TellHeld for &&&Outcome<'_, Result<T, E>> {
    fn tell(&self) {
        self.if_failed(|span, error| record_error_on(&span, &**error));
    }
}

/// What displays: its text.
pub trait TellDisplayed {
    /// Records it.
    fn tell(&self);
}

impl<T, E: Display> TellDisplayed for &&Outcome<'_, Result<T, E>> {
    fn tell(&self) {
        self.if_failed(|span, error| {
            let message = error.to_string();
            span.add_event("exception", vec![KeyValue::new(EXCEPTION_MESSAGE, message.clone())]);
            span.set_status(Status::error(message));
        });
    }
}

/// Whatever else an `Err` holds: that it is one.
pub trait TellFailed {
    /// Records it.
    fn tell(&self);
}

impl<T, E> TellFailed for &Outcome<'_, Result<T, E>> {
    fn tell(&self) {
        self.if_failed(|span, _| span.set_status(Status::error("")));
    }
}

/// No `Result`: nothing.
pub trait TellNothing {
    /// Does nothing.
    fn tell(&self);
}

impl<T> TellNothing for Outcome<'_, T> {
    fn tell(&self) {}
}
