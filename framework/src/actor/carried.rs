use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::Actor;
use actix::fut::ActorFuture;
use opentelemetry::trace::TraceContextExt as _;
use pin_project_lite::pin_project;

use super::answer::Answer;
use super::context::Context;
use super::desk::{Desk, record_panic};
use super::hop::Hop;
use super::letter::Host as _;
use crate::telemetry::panic_message;

pin_project! {
    /// A future of an actor that runs in the context it was spawned in, and as long as its actor lives.
    pub(super) struct Carried<F> {
        #[pin]
        inner: F,
        cx: opentelemetry::Context,
        hop: Hop,
        instance: u32,
        answer: Option<Answer>,
        errand: Option<Errand>,
        for_message: bool,
        hold: Option<Rc<()>>,
    }
}

impl<F> Carried<F> {
    /// In the context that is current now.
    pub(super) fn new(inner: F, instance: u32, work: Work) -> Self {
        let (cx, hop) = (opentelemetry::Context::current(), Hop::current());
        Self::carry(inner, instance, work, cx, hop)
    }

    /// In a context given.
    pub(super) fn apart(inner: F, instance: u32, cx: opentelemetry::Context) -> Self {
        Self::carry(inner, instance, Work::default(), cx, Hop::default())
    }

    fn carry(inner: F, instance: u32, work: Work, cx: opentelemetry::Context, hop: Hop) -> Self {
        let Work { answer, errand, for_message, hold } = work;
        Self { inner, cx, hop, instance, answer, errand, for_message, hold }
    }
}

/// What a future of an actor is for.
#[derive(Default)]
pub(super) struct Work {
    /// The answer that it gives, if it is one.
    pub(super) answer: Option<Answer>,
    pub(super) errand: Option<Errand>,
    /// Whether a message brought it, and not a timer, a stream or the actor's start.
    pub(super) for_message: bool,
    /// Held while the mailbox is left alone until this ends.
    pub(super) hold: Option<Rc<()>>,
}

/// Work that a message brought and that is not its answer: a drain awaits it.
pub(super) struct Errand(Arc<Desk>);

impl Errand {
    pub(super) fn new(desk: &Arc<Desk>) -> Self {
        desk.vitals.errand_begun();
        Self(Arc::clone(desk))
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.vitals.errand_ended();
    }
}

impl<A, F> ActorFuture<A> for Carried<F>
where
    A: Actor<Context = Context<A>>,
    F: ActorFuture<A, Output = ()>,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = self.project();
        if *this.instance != ctx.instance {
            // It belongs to an actor that has panicked. Ready is what makes actix drop it.
            return Poll::Ready(());
        }
        let _cx = this.cx.clone().attach();
        let _hop = this.hop.enter();
        ctx.recorder().forget_time();
        let inner = this.inner;
        let before = ctx.work_for_message(*this.for_message);
        let polled = catch_unwind(AssertUnwindSafe(|| inner.poll(actor, ctx, task)));
        ctx.work_for_message(before);
        if !matches!(polled, Ok(Poll::Pending)) {
            *this.errand = None;
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                if let Some(answer) = this.answer.take() {
                    answer.finish();
                }
                Poll::Ready(())
            }
            Err(panic) => {
                let text = panic_message(&*panic);
                match this.answer.take() {
                    Some(answer) => answer.panicked(text),
                    None if this.cx.span().is_recording() => record_panic(this.cx, text),
                    // The span that it was spawned in has ended: the panic gets one of its own below it.
                    None => ctx.recorder().desk.panic_span(this.cx, text),
                }
                ctx.crash(text);
                Poll::Ready(())
            }
        }
    }
}
