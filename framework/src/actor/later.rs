//! What an actor starts by itself: its timers, its streams and its messages to itself.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use actix::dev::{EnvelopeProxy as _, Stream};
use actix::fut::ActorFuture;
use actix::{Actor, AsyncContext as _, Handler, Message, StreamHandler};
use opentelemetry::trace::{Link, SpanBuilder, SpanContext, TraceContextExt as _, Tracer as _};
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::context::Context;
use super::desk::record_panic;
use super::letter::{Host as _, Letter};
use crate::telemetry::panic_message;

/// Starts a trace for each run of something that was set up earlier, with a link to who set it up.
pub(super) struct Tick {
    name: String,
    setter: SpanContext,
}

impl Tick {
    pub(super) fn new(name: String) -> Self {
        let setter = opentelemetry::Context::map_current(|cx| cx.span().span_context().clone());
        Self { name, setter }
    }

    pub(super) fn run<A>(&self, ctx: &mut Context<A>, f: impl FnOnce(&mut Context<A>))
    where
        A: Actor<Context = Context<A>>,
    {
        let desk = &ctx.recorder().desk;
        let Some(tracer) = &desk.tracer else { return f(ctx) };
        let mut builder = SpanBuilder { name: Cow::Owned(self.name.clone()), ..SpanBuilder::default() };
        if self.setter.is_valid() {
            builder.links = Some(vec![Link::with_context(self.setter.clone())]);
        }
        let cx = desk.root.with_span(tracer.build_with_context(builder, &desk.root));
        cx.span().set_attribute(desk.name());
        let current = cx.clone().attach();
        let ran = catch_unwind(AssertUnwindSafe(|| f(ctx)));
        drop(current);
        if let Err(panic) = &ran {
            record_panic(&cx, panic_message(&**panic));
        }
        cx.span().end();
        if let Err(panic) = ran {
            resume_unwind(panic);
        }
    }
}

/// A message of an actor to itself.
pub(super) struct Notified<A, M: Message>(Letter<A, M>);

impl<A, M: Message> Notified<A, M> {
    pub(super) fn new(letter: Letter<A, M>) -> Self {
        Self(letter)
    }
}

impl<A, M: Message> Unpin for Notified<A, M> {}

impl<A, M> ActorFuture<A> for Notified<A, M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + 'static,
{
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        _: &mut TaskContext<'_>,
    ) -> Poll<()> {
        self.0.handle(actor, ctx);
        Poll::Ready(())
    }
}

pin_project! {
    /// A message of an actor to itself, later.
    pub(super) struct Delayed<A, M: Message> {
        letter: Letter<A, M>,
        #[pin]
        timer: Sleep,
    }
}

impl<A, M: Message> Delayed<A, M> {
    pub(super) fn new(letter: Letter<A, M>, after: Duration) -> Self {
        Self { letter, timer: tokio::time::sleep(after) }
    }
}

impl<A, M> ActorFuture<A> for Delayed<A, M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + 'static,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let this = self.project();
        ready!(this.timer.poll(task));
        this.letter.handle(actor, ctx);
        Poll::Ready(())
    }
}

pin_project! {
    /// A stream whose items are handled by a [`StreamHandler`].
    pub(super) struct Items<S> {
        #[pin]
        stream: S,
        tick: Tick,
        started: bool,
    }
}

impl<S> Items<S> {
    /// Items in a row before other futures of the actor get their turn; as in actix.
    const IN_A_ROW: u8 = 16;

    pub(super) fn new(stream: S, tick: Tick) -> Self {
        Self { stream, tick, started: false }
    }
}

impl<A, S> ActorFuture<A> for Items<S>
where
    S: Stream,
    A: Actor<Context = Context<A>> + StreamHandler<S::Item>,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        if !std::mem::replace(this.started, true) {
            <A as StreamHandler<S::Item>>::started(actor, ctx);
        }
        let mut handled = 0;
        while let Some(item) = ready!(this.stream.as_mut().poll_next(task)) {
            this.tick.run(ctx, |ctx| <A as StreamHandler<S::Item>>::handle(actor, item, ctx));
            handled += 1;
            if ctx.waiting() {
                return Poll::Pending;
            }
            if handled == Self::IN_A_ROW {
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        <A as StreamHandler<S::Item>>::finished(actor, ctx);
        Poll::Ready(())
    }
}

pin_project! {
    /// A stream of messages.
    pub(super) struct Letters<S> {
        #[pin]
        stream: S,
        setter: opentelemetry::Context,
    }
}

impl<S> Letters<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, setter: opentelemetry::Context::current() }
    }
}

impl<A, S> ActorFuture<A> for Letters<S>
where
    S: Stream,
    S::Item: Message + 'static,
    A: Actor<Context = Context<A>> + Handler<S::Item>,
{
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        while let Some(message) = ready!(this.stream.as_mut().poll_next(task)) {
            Letter::<A, S::Item>::later(message, this.setter).handle(actor, ctx);
            if ctx.waiting() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}
