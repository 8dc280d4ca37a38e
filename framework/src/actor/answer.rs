use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use opentelemetry::Context;
use opentelemetry::trace::{Status, TraceContextExt as _};
use pin_project_lite::pin_project;

use super::desk::{Desk, record_panic};
use super::hop::Hop;
use super::origin::Fate;
use super::outcome::Outcome;
use super::recorder::{Begun, close};
use super::stamp::Stamp;
use crate::telemetry::panic_message;

/// The telemetry of a handler whose answer is still to come. Dropped unfinished, it says `cancelled`.
pub(super) struct Answer {
    cx: Context,
    pub(super) hop: Hop,
    desk: Arc<Desk>,
    message: &'static str,
    start: Option<Stamp>,
    fate: Option<Arc<Fate>>,
    open: bool,
}

impl Answer {
    pub(super) fn new(desk: Arc<Desk>, begun: &Begun, fate: Option<Arc<Fate>>) -> Self {
        desk.vitals.answer_begun();
        Self {
            cx: begun.cx.clone(),
            hop: begun.hop,
            desk,
            message: begun.message,
            start: begun.start,
            fate,
            open: true,
        }
    }

    pub(super) fn finish(mut self) {
        self.end(Outcome::Handled);
    }

    pub(super) fn panicked(mut self, text: &str) {
        record_panic(&self.cx, text);
        self.end(Outcome::Panic);
    }

    fn end(&mut self, outcome: Outcome) {
        self.open = false;
        self.desk.vitals.count(outcome);
        if outcome != Outcome::Handled
            && let Some(fate) = &self.fate
        {
            fate.set(outcome);
        }
        if let Some(start) = self.start {
            let end = Stamp::now();
            self.desk.record_work(self.message, end.since(start));
            close(&self.desk, &self.cx, outcome, end);
        }
        self.desk.vitals.answer_ended();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.open {
            // Without a description, which would replace that of a panic in another future of the same handler.
            self.cx.span().set_status(Status::error(""));
            self.end(Outcome::Cancelled);
        }
    }
}

pin_project! {
    /// A future that a handler answered with and that actix gives to the runtime directly.
    pub(super) struct Answering<F> {
        #[pin]
        inner: F,
        cx: Context,
        answer: Option<Answer>,
    }
}

impl<F> Answering<F> {
    pub(super) fn new(inner: F, cx: Context, answer: Answer) -> Self {
        Self { inner, cx, answer: Some(answer) }
    }
}

impl<F: Future> Future for Answering<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _cx = this.cx.clone().attach();
        let _hop = this.answer.as_ref().map(|answer| answer.hop.enter());
        let inner = this.inner;
        match catch_unwind(AssertUnwindSafe(|| inner.poll(task))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => {
                if let Some(answer) = this.answer.take() {
                    answer.finish();
                }
                Poll::Ready(value)
            }
            Err(panic) => {
                // There is no answer to return: the runtime ends the task, and the asker's channel closes. The
                // future could not touch the actor, so the actor need not be restarted.
                if let Some(answer) = this.answer.take() {
                    answer.panicked(panic_message(&*panic));
                }
                resume_unwind(panic)
            }
        }
    }
}
