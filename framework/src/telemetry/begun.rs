use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, ContextGuard, KeyValue};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use pin_project_lite::pin_project;

/// A span that has begun. It ends where this is dropped: also when the work panics or is given up, and when somebody
/// still holds its context.
#[derive(Debug)]
pub(crate) struct Begun {
    cx: Context,
    /// Whether it began while a panic was under way, which then is not its own.
    unwinding: bool,
}

impl Begun {
    pub(super) fn new(cx: Context) -> Self {
        Self { cx, unwinding: std::thread::panicking() }
    }

    pub(crate) const fn context(&self) -> &Context {
        &self.cx
    }

    /// Makes the span the current one of this thread.
    pub(super) fn enter(&self) -> ContextGuard {
        self.cx.clone().attach()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let span = self.cx.span();
        if !self.unwinding && std::thread::panicking() {
            // Its text is known only to who catches it.
            span.set_attribute(KeyValue::new(ERROR_TYPE, "panic"));
            span.set_status(Status::error("panicked"));
        }
        span.end();
    }
}

pin_project! {
    /// A future in whose polls a span is the current one.
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Inside<F> {
        #[pin]
        work: F,
        cx: Option<Context>,
    }
}

impl<F> Inside<F> {
    pub(super) fn new(work: F, begun: Option<&Begun>) -> Self {
        Self { work, cx: begun.map(|begun| begun.cx.clone()) }
    }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _current = this.cx.as_ref().map(|cx| cx.clone().attach());
        this.work.poll(task)
    }
}
