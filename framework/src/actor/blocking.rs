use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use actix::dev::channel::AddressReceiver;
use actix::dev::{Envelope, EnvelopeProxy as _, OneshotSender, Stream as _, ToEnvelope};
use actix::{Actor, ActorContext, ActorState, Addr, Handler, Message, System, WeakAddr};
use parking_lot::{Condvar, Mutex};

use super::answer::Answer;
use super::desk::Desk;
use super::letter::{Grave, Host, Letter};
use super::metrics::Ledger;
use super::origin::Via;
use super::recorder::{Dequeued, Recorder};
use super::restart::{Intensity, RestartPolicy};
use crate::telemetry::panic_message;

/// The execution context of an actor whose handlers may block: `type Context = BlockingContext<Self>`.
///
/// The counterpart of [`actix::SyncContext`], for [`Actors::blocking_pool`](super::Actors::blocking_pool): several
/// instances on threads of their own take from one mailbox. As there, handlers answer synchronously, and
/// [`stop`](ActorContext::stop) replaces the instance by a fresh one.
pub struct BlockingContext<A: Actor<Context = Self>> {
    recorder: Recorder,
    address: WeakAddr<A>,
    state: ActorState,
    replace: bool,
    crash: Option<String>,
    answer: Option<Answer>,
}

impl<A: Actor<Context = Self>> BlockingContext<A> {
    /// The address of the pool; `None` when it is about to stop.
    #[must_use]
    pub fn address(&self) -> Option<Addr<A>> {
        self.address.upgrade()
    }
}

impl<A: Actor<Context = Self>> std::fmt::Debug for BlockingContext<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockingContext").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<A: Actor<Context = Self>> ActorContext for BlockingContext<A> {
    fn stop(&mut self) {
        self.replace = true;
        self.state = ActorState::Stopping;
    }

    fn terminate(&mut self) {
        self.stop();
    }

    fn state(&self) -> ActorState {
        self.state
    }
}

impl<A: Actor<Context = Self>> Host for BlockingContext<A> {
    fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Nothing is spawned here.
    fn work_for_message(&mut self, _: bool) -> bool {
        false
    }

    fn crash(&mut self, text: &str) {
        self.recorder.desk.vitals.panicked(text);
        self.crash = Some(text.to_owned());
    }

    fn expect_answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    fn unclaimed_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    /// There is no runtime on these threads: a response type of somebody's own that answers later is cancelled.
    fn run(&mut self, work: impl Future<Output = ()> + 'static) {
        drop(work);
    }
}

impl<A, M> ToEnvelope<A, M> for BlockingContext<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, reply: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::with_proxy(Box::new(Letter::<A, M>::new(message, reply, Via::Tell)))
    }
}

/// What the workers of a pool share.
struct Shared<A: Actor<Context = BlockingContext<A>>> {
    desk: Arc<Desk>,
    ledger: Arc<Ledger>,
    dequeued: Arc<Mutex<Dequeued>>,
    factory: Box<dyn Fn() -> A + Send + Sync>,
    policy: RestartPolicy,
    address: WeakAddr<A>,
    state: Mutex<State<A>>,
    changed: Condvar,
}

struct State<A: Actor> {
    queue: VecDeque<Envelope<A>>,
    busy: usize,
    workers: usize,
    closed: bool,
    forwarder: Option<Waker>,
}

impl<A: Actor<Context = BlockingContext<A>>> Shared<A> {
    /// The next message and the worker's turn at it; `None` when there will be none.
    fn take(&self) -> Option<(Envelope<A>, Turn<'_, A>)> {
        let mut state = self.state.lock();
        loop {
            if let Some(envelope) = state.queue.pop_front() {
                state.busy += 1;
                wake(&state);
                return Some((envelope, Turn(self)));
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Ends the workers, after what is queued or without.
    fn close(&self, at_once: bool) {
        let left = {
            let mut state = self.state.lock();
            state.closed = true;
            if at_once { std::mem::take(&mut state.queue) } else { VecDeque::new() }
        };
        self.changed.notify_all();
        let _grave = self.desk.root.with_value(Grave(Arc::clone(&self.desk))).attach();
        drop(left);
    }

    /// Waits before a restart; true if the pool was closed meanwhile.
    fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.state.lock();
        while !state.closed && !self.changed.wait_until(&mut state, until).timed_out() {}
        state.closed
    }
}

/// A worker at a message, also if it panics.
struct Turn<'a, A: Actor<Context = BlockingContext<A>>>(&'a Shared<A>);

impl<A: Actor<Context = BlockingContext<A>>> Drop for Turn<'_, A> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.busy -= 1;
        if state.busy == 0 && state.queue.is_empty() {
            self.0.desk.vitals.set_depth(0);
            self.0.desk.vitals.took_all();
            wake(&state);
        }
    }
}

fn wake<A: Actor>(state: &State<A>) {
    if let Some(waker) = &state.forwarder {
        waker.wake_by_ref();
    }
}

impl<A: Actor<Context = BlockingContext<A>>> Drop for Shared<A> {
    fn drop(&mut self) {
        self.close(true);
        self.desk.vitals.stopped();
        self.ledger.leave(&self.desk.vitals);
    }
}

/// Starts a thread of the operating system.
pub(super) fn thread(name: String, life: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
    std::thread::Builder::new().name(name).spawn(life).map(drop)
}

/// Starts the threads of a pool, by `thread`, and the task that hands them their messages.
pub(super) fn start<A: Actor<Context = BlockingContext<A>>>(
    threads: usize,
    (address, receiver): (WeakAddr<A>, AddressReceiver<A>),
    (desk, ledger): (Arc<Desk>, Arc<Ledger>),
    policy: RestartPolicy,
    factory: Box<dyn Fn() -> A + Send + Sync>,
    thread: impl Fn(String, Box<dyn FnOnce() + Send>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let name = desk.vitals.name.clone();
    let state = State { queue: VecDeque::new(), busy: 0, workers: threads, closed: false, forwarder: None };
    let shared = Arc::new(Shared {
        desk,
        ledger,
        dequeued: Arc::default(),
        factory,
        policy,
        address,
        state: Mutex::new(state),
        changed: Condvar::new(),
    });
    for number in 0..threads {
        let pool = Arc::clone(&shared);
        let system = System::try_current();
        let life = move || {
            let _telemetry = pool.desk.telemetry.enter_thread();
            if let Some(system) = system {
                System::set_current(system);
            }
            work(&pool);
            let mut state = pool.state.lock();
            state.workers -= 1;
            wake(&state);
        };
        // Those that have started would wait for messages for ever.
        thread(format!("{name}-{number}"), Box::new(life)).inspect_err(|_| shared.close(true))?;
    }
    let forwarder = Forwarder { receiver: Some(receiver), pool: shared, waker: None, round: 0 };
    #[allow(clippy::disallowed_methods, reason = "an actor outlives the trace that it was started in")]
    actix_rt::spawn(forwarder);
    Ok(())
}

/// The life of one thread: instances, one after the other.
fn work<A: Actor<Context = BlockingContext<A>>>(pool: &Arc<Shared<A>>) {
    let mut intensity = Intensity::new(pool.policy);
    let mut ctx = BlockingContext {
        recorder: Recorder::sharing(Arc::clone(&pool.desk), Arc::clone(&pool.dequeued)),
        address: pool.address.clone(),
        state: ActorState::Started,
        replace: false,
        crash: None,
        answer: None,
    };
    loop {
        let over = catch_unwind(AssertUnwindSafe(|| live(pool, &mut ctx)));
        let panic = match over {
            Ok(false) => return,
            Ok(true) => ctx.crash.take(),
            Err(panic) => {
                ctx.crash(panic_message(&*panic));
                ctx.crash.take()
            }
        };
        let Some(text) = panic else { continue };
        let name = &pool.desk.vitals;
        let Some(pause) = intensity.next_pause(Instant::now()) else {
            tracing::error!(actor = %name, panic = %text, "a blocking actor panicked too often; its thread ends");
            return;
        };
        tracing::warn!(actor = %name, panic = %text, ?pause, "a blocking actor panicked and is restarted");
        pool.desk.vitals.restarting();
        if pool.pause(pause) {
            return;
        }
        pool.desk.vitals.restarted();
    }
}

/// One instance, until it is to be replaced (true) or nothing is left to do (false).
fn live<A: Actor<Context = BlockingContext<A>>>(pool: &Shared<A>, ctx: &mut BlockingContext<A>) -> bool {
    let root = pool.desk.root.clone();
    let hook = |run: &mut dyn FnMut()| {
        let _cx = root.clone().attach();
        run();
    };
    ctx.state = ActorState::Started;
    ctx.replace = false;
    let mut actor = {
        let _cx = root.clone().attach();
        (pool.factory)()
    };
    hook(&mut || actor.started(ctx));
    ctx.state = ActorState::Running;
    let again = loop {
        let Some((mut envelope, turn)) = pool.take() else { break false };
        ctx.recorder.forget_time();
        envelope.handle(&mut actor, ctx);
        ctx.recorder.publish();
        drop(envelope);
        drop(turn);
        if ctx.crash.is_some() {
            return true;
        }
        if ctx.replace {
            break true;
        }
    };
    hook(&mut || {
        ctx.state = ActorState::Stopping;
        actor.stopping(ctx);
        ctx.state = ActorState::Stopped;
        actor.stopped(ctx);
    });
    again
}

/// Moves messages from the mailbox to the workers, a few ahead of them, so that the mailbox's capacity holds.
struct Forwarder<A: Actor<Context = BlockingContext<A>>> {
    receiver: Option<AddressReceiver<A>>,
    pool: Arc<Shared<A>>,
    waker: Option<Waker>,
    round: u64,
}

impl<A: Actor<Context = BlockingContext<A>>> Forwarder<A> {
    fn bury(&mut self, at_once: bool) {
        let _grave = self.pool.desk.root.with_value(Grave(Arc::clone(&self.pool.desk))).attach();
        self.receiver = None;
        self.pool.close(at_once);
    }
}

impl<A: Actor<Context = BlockingContext<A>>> Future for Forwarder<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        let vitals = &this.pool.desk.vitals;
        if !this.waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            this.waker = Some(task.waker().clone());
            vitals.set_waker(task.waker().clone());
            this.pool.state.lock().forwarder = Some(task.waker().clone());
        }
        let round = vitals.round();
        let Some(receiver) = &mut this.receiver else { return Poll::Ready(()) };
        let mut empty = false;
        let idle = loop {
            let mut state = this.pool.state.lock();
            if state.workers == 0 || state.queue.len() >= state.workers {
                break false;
            }
            match Pin::new(&mut *receiver).poll_next(task) {
                Poll::Ready(Some(envelope)) => {
                    state.queue.push_back(envelope);
                    this.pool.changed.notify_one();
                }
                Poll::Ready(None) | Poll::Pending => {
                    empty = true;
                    break state.queue.is_empty() && state.busy == 0;
                }
            }
        };
        if round != this.round {
            this.round = round;
            vitals.report(round, idle);
        }
        let deserted = this.pool.state.lock().workers == 0;
        let terminated = vitals.is_termination_requested() || deserted;
        if terminated || (empty && (vitals.is_stop_requested() || !receiver.connected())) {
            this.bury(terminated);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<A: Actor<Context = BlockingContext<A>>> Unpin for Forwarder<A> {}

impl<A: Actor<Context = BlockingContext<A>>> Drop for Forwarder<A> {
    fn drop(&mut self) {
        self.bury(true);
    }
}
