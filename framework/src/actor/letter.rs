use std::any::{Any, TypeId};
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use actix::dev::{EnvelopeProxy, MessageResponse as _, OneshotSender};
use actix::{
    Actor, ActorResponse, AtomicResponse, Handler, Message, MessageResult, ResponseActFuture, ResponseFuture,
};
use opentelemetry::{Context, Value};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::answer::{Answer, Answering};
use super::desk::{Desk, record_panic, refusal_span};
use super::label::short_name;
use super::origin::{Fate, Origin, Via};
use super::outcome::Outcome;
use super::recorder::{Begun, Recorder};
use super::stamp::Stamp;
use crate::telemetry::{Telemetry, panic_message};

/// What a traced actor's context does for the messages that pass through it.
pub(super) trait Host {
    fn recorder(&mut self) -> &mut Recorder;

    /// Says whether what is spawned from now on is the work of a message, and what was said before.
    fn work_for_message(&mut self, yes: bool) -> bool;

    /// The actor has panicked: no further message may reach it as it is.
    fn crash(&mut self, text: &str);

    /// The next future that is spawned is the answer to the message in work.
    fn expect_answer(&mut self, answer: Answer);

    /// The expected answer, if no future was spawned for it.
    fn unclaimed_answer(&mut self) -> Option<Answer>;

    /// Runs a future on the actor's thread.
    fn run(&mut self, work: impl Future<Output = ()> + 'static);
}

/// Whose dead letters are recorded, while a stopped actor's mailbox is dropped.
pub(super) struct Grave(pub(super) Arc<Desk>);

/// A message on its way, with the place it comes from. Dropped unhandled, it is a dead letter.
pub(super) struct Letter<A, M: Message> {
    message: Option<M>,
    reply: Option<OneshotSender<M::Result>>,
    origin: Origin,
    to: PhantomData<fn(A)>,
}

impl<A, M> Letter<A, M>
where
    A: Actor + Handler<M>,
    M: Message + 'static,
{
    #[inline]
    pub(super) fn new(message: M, reply: Option<OneshotSender<M::Result>>, via: Via) -> Self {
        let via = if reply.is_some() { Via::Ask } else { via };
        let (origin, slot) = Origin::capture(via);
        let slot =
            || slot.and_then(|slot| slot.downcast::<OneshotSender<M::Result>>().ok()).map(|slot| *slot);
        Self { message: Some(message), reply: reply.or_else(slot), origin, to: PhantomData }
    }

    /// A message whose sender's context is `cx`, which may be long gone.
    pub(super) fn later(message: M, cx: &Context) -> Self {
        let _cx = cx.clone().attach();
        Self::new(message, None, Via::Later)
    }
}

impl<A, M> EnvelopeProxy<A> for Letter<A, M>
where
    A: Actor + Handler<M>,
    A::Context: Host,
    M: Message + 'static,
{
    fn handle(&mut self, actor: &mut A, ctx: &mut A::Context) {
        let Some(message) = self.message.take() else { return };
        let reply = self.reply.take();
        if let Some(outcome) = refused(&self.origin, reply.as_ref()) {
            let recorder = ctx.recorder();
            let label = recorder.labels.of::<A, M>();
            recorder.desk.refuse(&self.origin, &label.span, label.message, outcome);
            recorder.forget_time();
            return;
        }
        let recorder = ctx.recorder();
        let begun = if recorder.off { Begun::default() } else { recorder.begin::<A, M>(&mut self.origin) };
        // Without a span there is nothing to end, and the handler gets the only copy.
        let cx = if begun.start.is_some() { begun.cx.clone() } else { std::mem::take(&mut self.origin.cx) };
        let _cx = cx.attach();
        let _hop = begun.hop.enter();
        let before = ctx.work_for_message(self.origin.via != Via::Later);
        match catch_unwind(AssertUnwindSafe(|| <A as Handler<M>>::handle(actor, message, ctx))) {
            Ok(result) => respond::<A, M>(result, ctx, reply, begun, self.origin.fate()),
            Err(panic) => {
                let text = panic_message(&*panic);
                record_panic(&Context::current(), text);
                ctx.recorder().finish(&begun, Outcome::Panic);
                if let Some(fate) = self.origin.fate() {
                    fate.set(Outcome::Panic);
                }
                ctx.crash(text);
            }
        }
        ctx.work_for_message(before);
    }
}

/// Why a message must not be handled, if so.
fn refused<T>(origin: &Origin, reply: Option<&OneshotSender<T>>) -> Option<Outcome> {
    let reply = reply?;
    if origin.deadline().is_some_and(|deadline| Instant::now() >= deadline) {
        Some(Outcome::Expired)
    } else {
        reply.is_closed().then_some(Outcome::Abandoned)
    }
}

/// Sends what the handler returned to the asker, and ends the handler's span when it is sent.
fn respond<A, M>(
    result: <A as Handler<M>>::Result,
    ctx: &mut A::Context,
    reply: Option<OneshotSender<M::Result>>,
    mut begun: Begun,
    fate: Option<&Arc<Fate>>,
) where
    A: Actor + Handler<M>,
    A::Context: Host,
    M: Message + 'static,
{
    let kind = TypeId::of::<<A as Handler<M>>::Result>();
    if kind == TypeId::of::<M::Result>() || kind == TypeId::of::<MessageResult<M>>() {
        ctx.recorder().finish(&begun, Outcome::Handled);
        return result.handle(ctx, reply);
    }

    ctx.recorder().hand_over(&begun);
    let cx = Context::current();
    begun.cx = cx.clone();
    let answer = Answer::new(Arc::clone(&ctx.recorder().desk), &begun, fate.cloned());
    if kind == TypeId::of::<ResponseFuture<M::Result>>() {
        let mut result = Some(result);
        if let Some(slot) = (&mut result as &mut dyn Any).downcast_mut::<Option<ResponseFuture<M::Result>>>()
            && let Some(future) = slot.take()
        {
            *slot = Some(Box::pin(Answering::new(future, cx, answer)));
        }
        if let Some(result) = result {
            result.handle(ctx, reply);
        }
    } else if kind == TypeId::of::<ResponseActFuture<A, M::Result>>()
        || kind == TypeId::of::<AtomicResponse<A, M::Result>>()
        || kind == TypeId::of::<ActorResponse<A, M::Result>>()
    {
        ctx.expect_answer(answer);
        result.handle(ctx, reply);
        if let Some(answer) = ctx.unclaimed_answer() {
            answer.finish();
        }
    } else {
        // A response type that is not actix's own, or its `Response`, which hides its future: watch the channel.
        let (sent, mut received) = oneshot::channel();
        result.handle(ctx, Some(sent));
        match received.try_recv() {
            Ok(value) => {
                answer.finish();
                send(reply, value);
            }
            Err(TryRecvError::Closed) => answer.finish(),
            Err(TryRecvError::Empty) => ctx.run(async move {
                if let Ok(value) = received.await {
                    answer.finish();
                    send(reply, value);
                }
            }),
        }
    }
}

fn send<T>(reply: Option<OneshotSender<T>>, value: T) {
    if let Some(reply) = reply {
        // The asker may have gone meanwhile, and then nobody wants it.
        let _ = reply.send(value);
    }
}

impl<A, M: Message> Drop for Letter<A, M> {
    fn drop(&mut self) {
        // What was only set up for later is nobody's message yet.
        if self.message.is_none() || self.origin.via == Via::Later {
            return;
        }
        let origin = &self.origin;
        let actor = short_name::<A>();
        let message = short_name::<M>();
        let span = format!("{actor} {message}");
        if let Some(desk) = Context::map_current(|cx| cx.get::<Grave>().map(|grave| Arc::clone(&grave.0))) {
            desk.refuse(origin, &span, message, Outcome::DeadLetter);
            return;
        }
        // The mailbox was closed before this message was in it.
        if let Some(fate) = origin.fate() {
            fate.set(Outcome::DeadLetter);
        }
        let telemetry = origin.cx.get::<Telemetry>().cloned();
        if let Some(tracer) = telemetry.as_ref().and_then(Telemetry::tracer).filter(|_| origin.recordable) {
            let now = Stamp::now();
            let outcome = Outcome::DeadLetter;
            refusal_span(tracer, &origin.cx, &span, &Value::from(actor), message, outcome, now);
        }
    }
}
