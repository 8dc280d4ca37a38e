use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use actix::Actor;
use actix::fut::ActorFuture;
use opentelemetry::trace::TraceContextExt as _;
use pin_project_lite::pin_project;

use super::answer::Answer;
use super::context::Context;
use super::desk::{panic_text, record_panic};
use super::hop::Hop;
use super::letter::Host as _;

pin_project! {
    /// A future of an actor that runs in the context it was spawned in, and as long as its actor lives.
    pub(super) struct Carried<F> {
        #[pin]
        inner: F,
        cx: opentelemetry::Context,
        hop: Hop,
        instance: u32,
        answer: Option<Answer>,
    }
}

impl<F> Carried<F> {
    /// In the context that is current now; with the answer that this future gives, if it is one.
    pub(super) fn new(inner: F, instance: u32, answer: Option<Answer>) -> Self {
        Self { inner, cx: opentelemetry::Context::current(), hop: Hop::current(), instance, answer }
    }

    /// In a context given.
    pub(super) fn apart(inner: F, instance: u32, cx: opentelemetry::Context) -> Self {
        Self { inner, cx, hop: Hop::default(), instance, answer: None }
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
        match catch_unwind(AssertUnwindSafe(|| inner.poll(actor, ctx, task))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                if let Some(answer) = this.answer.take() {
                    answer.finish();
                }
                Poll::Ready(())
            }
            Err(panic) => {
                let text = panic_text(&*panic);
                match this.answer.take() {
                    Some(answer) => answer.panicked(&text),
                    None if this.cx.span().is_recording() => record_panic(this.cx, &text),
                    // The span that it was spawned in has ended: the panic gets one of its own below it.
                    None => ctx.recorder().desk.panic_span(this.cx, &text),
                }
                ctx.crash(text);
                Poll::Ready(())
            }
        }
    }
}
