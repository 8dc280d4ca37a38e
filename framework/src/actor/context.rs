use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::dev::channel::AddressReceiver;
use actix::dev::{
    AsyncContextParts, ContextFut, ContextParts, Envelope, Mailbox, OneshotSender, Stream, ToEnvelope,
};
use actix::fut::{ActorFuture, ActorStreamExt as _, wrap_future};
use actix::utils::{IntervalFunc, TimerFunc};
use actix::{
    Actor, ActorContext, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle, StreamHandler,
};

use super::answer::Answer;
use super::carried::{Carried, Errand, Work};
use super::desk::Desk;
use super::label::short_name;
use super::later::{Delayed, Items, Letters, Notified, Tick};
use super::letter::{Host, Letter};
use super::origin::Via;
use super::recorder::Recorder;
use super::runner::Runner;
use crate::telemetry::panic_message;

/// The execution context of a traced actor: `type Context = spanbox::actor::Context<Self>`.
///
/// It does what [`actix::Context`] does, for any actor, message and address of actix, and records every message on
/// the way; see the [module](super).
///
/// An actor is usually started by [`Actors`](super::Actors), which names, lists and restarts it. One that is
/// started here by [`Context::run`] records to the [`Telemetry`](crate::telemetry::Telemetry) that is current at
/// [`Context::new`] (nothing without one), under its type's name; a panic stops it for good.
pub struct Context<A: Actor<Context = Self>> {
    parts: ContextParts<A>,
    mailbox: Option<Mailbox<A>>,
    recorder: Recorder,
    factory: Option<Factory<A>>,
    crash: Crash,
    reborn: bool,
    /// Counts restarts: the futures of an older instance are not polled any more.
    pub(super) instance: u32,
    answer: Option<Answer>,
    /// Whether what is spawned now is the work of a message.
    for_message: bool,
    /// Shared with each future that the mailbox waits for: actix tells of none that it has taken over.
    holds: Rc<()>,
    /// From a panic until the mailbox of the actor built anew is read: without an address actix would end it first.
    held: Option<Addr<A>>,
}

/// Builds the actor at its start and after each panic.
pub(super) type Factory<A> = Rc<dyn Fn(&mut Context<A>) -> A>;

enum Crash {
    None,
    /// The text of a panic that the runner has not seen yet.
    Fresh(String),
    /// The pause before the restart.
    Pausing,
}

impl<A: Actor<Context = Self>> Context<A> {
    /// A context for an actor that is not started by [`Actors`](super::Actors).
    #[must_use]
    pub fn new() -> Self {
        Self::build(Mailbox::default(), Arc::new(Desk::stray(short_name::<A>())), None)
    }

    pub(super) fn seated(receiver: AddressReceiver<A>, desk: Arc<Desk>, factory: Factory<A>) -> Self {
        Self::build(Mailbox::new(receiver), desk, Some(factory))
    }

    fn build(mailbox: Mailbox<A>, desk: Arc<Desk>, factory: Option<Factory<A>>) -> Self {
        Self {
            parts: ContextParts::new(mailbox.sender_producer()),
            mailbox: Some(mailbox),
            recorder: Recorder::new(desk),
            factory,
            crash: Crash::None,
            reborn: false,
            instance: 0,
            answer: None,
            for_message: false,
            holds: Rc::default(),
            held: None,
        }
    }

    /// Starts the actor on this thread.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`.
    pub fn run(self, actor: A) -> Addr<A> {
        let addr = self.address();
        Runner::start(self, actor, None);
        addr
    }

    /// How many messages the mailbox holds before `send` and `try_send` say no. Default 16; 0 is without limit.
    pub fn set_mailbox_capacity(&mut self, capacity: usize) {
        self.parts.set_mailbox_capacity(capacity);
    }

    /// The handle of the future that runs now.
    #[must_use]
    pub fn handle(&self) -> SpawnHandle {
        self.parts.curr_handle()
    }

    /// Whether anybody holds an address of this actor.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.parts.connected()
    }

    pub(super) fn into_future(mut self, actor: A) -> Option<ContextFut<A, Self>> {
        let mailbox = self.mailbox.take()?;
        Some(ContextFut::new(self, actor, mailbox))
    }

    pub(super) fn factory(&self) -> Option<Factory<A>> {
        self.factory.clone()
    }

    /// The panic that happened since the last call. Until [`Context::begin_restart`] nothing reaches the actor.
    pub(super) fn take_crash(&mut self) -> Option<String> {
        match std::mem::replace(&mut self.crash, Crash::Pausing) {
            Crash::Fresh(text) => Some(text),
            other => {
                self.crash = other;
                None
            }
        }
    }

    /// Whether the actor was built anew since the last call. The mailbox must be read next.
    pub(super) fn take_reborn(&mut self) -> bool {
        let reborn = std::mem::take(&mut self.reborn);
        if reborn {
            self.held = None;
        }
        reborn
    }

    /// The pause is over: the next poll builds a new actor from the factory and starts it.
    pub(super) fn begin_restart(&mut self) {
        self.parts.spawn(Rebirth);
    }

    /// Whether the mailbox was looked at and found empty in the poll that has just ended.
    pub(super) fn has_emptied_mailbox(&self) -> bool {
        !self.waiting() && Rc::strong_count(&self.holds) == 1
    }

    fn carry<F>(&mut self, future: F, hold: Option<Rc<()>>) -> Carried<F> {
        let answer = self.answer.take();
        let for_message = self.for_message;
        let errand = (for_message && answer.is_none()).then(|| Errand::new(&self.recorder.desk));
        Carried::new(future, self.instance, Work { answer, errand, for_message, hold })
    }
}

impl<A: Actor<Context = Self>> Default for Context<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Actor<Context = Self>> std::fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("actor", &self.recorder.desk.vitals.name)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl<A: Actor<Context = Self>> Host for Context<A> {
    fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    fn work_for_message(&mut self, yes: bool) -> bool {
        std::mem::replace(&mut self.for_message, yes)
    }

    fn crash(&mut self, text: &str) {
        self.recorder.desk.vitals.panicked(text);
        self.instance = self.instance.wrapping_add(1);
        self.crash = Crash::Fresh(text.to_owned());
        self.held = Some(self.address());
    }

    fn expect_answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    fn unclaimed_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    fn run(&mut self, work: impl Future<Output = ()> + 'static) {
        // It holds the answer to its message, which is awaited and counted as such.
        self.parts.spawn(Carried::new(wrap_future(work), self.instance, Work::default()));
    }
}

impl<A: Actor<Context = Self>> ActorContext for Context<A> {
    fn stop(&mut self) {
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.parts.terminate();
    }

    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for Context<A> {
    fn address(&self) -> Addr<A> {
        self.parts.address()
    }

    /// The future runs in the context that is current here, and a panic in it restarts the actor.
    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let carried = self.carry(future, None);
        self.parts.spawn(carried)
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let carried = self.carry(future, Some(Rc::clone(&self.holds)));
        self.parts.wait(carried);
    }

    // True after a panic as well: it is what stops actix from taking the next message for a broken actor.
    fn waiting(&self) -> bool {
        self.parts.waiting() || !matches!(self.crash, Crash::None)
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }

    /// Each item is handled in a trace of its own with a link to the context that is current here.
    fn add_stream<S>(&mut self, stream: S) -> SpawnHandle
    where
        S: Stream + 'static,
        A: StreamHandler<S::Item>,
    {
        if self.is_gone("add_stream") {
            return SpawnHandle::default();
        }
        let name = format!("{} {}", short_name::<A>(), short_name::<S::Item>());
        self.spawn_apart(|| Items::new(stream, Tick::new(name)))
    }

    /// Each message is handled in a trace of its own with a link to the context that is current here.
    fn add_message_stream<S>(&mut self, stream: S)
    where
        S: Stream + 'static,
        S::Item: Message,
        A: Handler<S::Item>,
    {
        if !self.is_gone("add_message_stream") {
            self.spawn_apart(|| Letters::new(stream));
        }
    }

    /// The message is a child of the span that is current here.
    fn notify<M>(&mut self, message: M)
    where
        A: Handler<M>,
        M: Message + 'static,
    {
        if !self.is_gone("notify") {
            let letter = Letter::<A, M>::new(message, None, Via::Notify);
            self.spawn_apart(|| Notified::new(letter));
        }
    }

    /// The message is handled in a trace of its own with a link to the context that is current here.
    fn notify_later<M>(&mut self, message: M, after: Duration) -> SpawnHandle
    where
        A: Handler<M>,
        M: Message + 'static,
    {
        if self.is_gone("notify_later") {
            return SpawnHandle::default();
        }
        let letter = Letter::<A, M>::new(message, None, Via::Later);
        self.spawn_apart(|| Delayed::new(letter, after))
    }

    /// The closure runs in a trace of its own with a link to the context that is current here.
    fn run_later<F>(&mut self, after: Duration, f: F) -> SpawnHandle
    where
        F: FnOnce(&mut A, &mut Self) + 'static,
    {
        let tick = Tick::new(format!("{} run_later", short_name::<A>()));
        let f = move |actor: &mut A, ctx: &mut Self| tick.run(ctx, |ctx| f(actor, ctx));
        self.spawn_apart(|| TimerFunc::new(after, f))
    }

    /// Each run of the closure is in a trace of its own with a link to the context that is current here.
    fn run_interval<F>(&mut self, interval: Duration, mut f: F) -> SpawnHandle
    where
        F: FnMut(&mut A, &mut Self) + 'static,
    {
        let tick = Tick::new(format!("{} run_interval", short_name::<A>()));
        let f = move |actor: &mut A, ctx: &mut Self| tick.run(ctx, |ctx| f(actor, ctx));
        self.spawn_apart(|| IntervalFunc::new(interval, f).finish())
    }

    /// Each run of the closure is in a trace of its own with a link to the context that is current here.
    fn run_interval_at<F>(&mut self, start: tokio::time::Instant, interval: Duration, mut f: F) -> SpawnHandle
    where
        F: FnMut(&mut A, &mut Self) + 'static,
    {
        let tick = Tick::new(format!("{} run_interval", short_name::<A>()));
        let f = move |actor: &mut A, ctx: &mut Self| tick.run(ctx, |ctx| f(actor, ctx));
        self.spawn_apart(|| IntervalFunc::new_at(start, interval, f).finish())
    }
}

impl<A: Actor<Context = Self>> Context<A> {
    fn is_gone(&self, call: &str) -> bool {
        let gone = self.state() == ActorState::Stopped;
        if gone {
            tracing::error!(actor = %self.recorder.desk.vitals, "{call} on an actor that has stopped");
        }
        gone
    }

    /// Spawns a future that makes its own traces: it runs in the actor's root context.
    fn spawn_apart<F>(&mut self, future: impl FnOnce() -> F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        let future = future();
        let root = self.recorder.desk.root.clone();
        let carried = Carried::apart(future, self.instance, root);
        self.parts.spawn(carried)
    }
}

impl<A: Actor<Context = Self>> AsyncContextParts<A> for Context<A> {
    fn parts(&mut self) -> &mut ContextParts<A> {
        &mut self.parts
    }
}

impl<A, M> ToEnvelope<A, M> for Context<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, reply: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::with_proxy(Box::new(Letter::<A, M>::new(message, reply, Via::Tell)))
    }
}

/// Replaces a panicked actor by a fresh one.
struct Rebirth;

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Rebirth {
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, _: &mut TaskContext<'_>) -> Poll<()> {
        let Some(factory) = ctx.factory() else { return Poll::Ready(()) };
        let _cx = ctx.recorder.desk.root.clone().attach();
        ctx.crash = Crash::None;
        let fresh = catch_unwind(AssertUnwindSafe(|| {
            *actor = factory(ctx);
            actor.started(ctx);
        }));
        match fresh {
            Ok(()) => ctx.reborn = true,
            Err(panic) => ctx.crash(panic_message(&*panic)),
        }
        Poll::Ready(())
    }
}
