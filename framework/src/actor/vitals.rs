use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use super::outcome::Outcome;
use super::stamp::Stamp;

/// The state of an actor in an [`ActorSnapshot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActorCondition {
    /// Takes messages.
    Running,
    /// Has panicked and waits to be started again; messages wait in the mailbox.
    Restarting,
    /// Is gone.
    Stopped,
}

/// One actor at one moment, as plain data.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ActorSnapshot {
    /// The name it was started under.
    pub name: String,
    /// Which member of its pool it is, counted from 0 as in [`Pool::addrs`](super::Pool::addrs).
    pub member: Option<usize>,
    /// The actor's type, without path and generics.
    pub kind: &'static str,
    /// Whether it takes messages.
    pub condition: ActorCondition,
    /// Messages in the mailbox: exactly 0 when idle, otherwise the last depth that was measured at an enqueue.
    pub depth: u64,
    /// How many messages its mailbox takes before it says no; `None` is without limit.
    pub capacity: Option<usize>,
    /// How old, in seconds, the oldest message may be that is in the mailbox or in work: as old as the one that was taken
    /// last. `None` without any, and where neither a meter nor a sampled trace measures.
    pub oldest: Option<f64>,
    /// When it was started, in seconds of Unix time. All totals count from there, restarts included: a rate or a
    /// mean over less is the difference of two snapshots.
    pub since: f64,
    /// Messages handled.
    pub handled: u64,
    /// Messages that were not handled to the end, whatever the reason.
    pub failed: u64,
    /// Asynchronous handlers that have begun and not answered.
    pub in_flight: usize,
    /// Messages whose wait in the mailbox was measured: that takes a meter or a sampled trace.
    pub waits: u64,
    /// The sum of these waits in seconds.
    pub wait_total: f64,
    /// The longest of them in seconds; 0 without any.
    pub wait_max: f64,
    /// Messages whose time from the start of the handler to the answer was measured.
    pub processings: u64,
    /// The sum of these times in seconds.
    pub processing_total: f64,
    /// Restarts after a panic.
    pub restarts: u64,
    /// The text of the last panic.
    pub last_panic: Option<String>,
    /// The message type whose handler runs now, if it is measured.
    pub handling: Option<&'static str>,
    /// For how many seconds that handler has been running.
    pub handling_for: Option<f64>,
}

const STOP: u8 = 1;
const TERMINATE: u8 = 2;

/// What an actor's own thread writes and others read: its counters, and the requests made of it.
pub(super) struct Vitals {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: &'static str,
    member: Option<usize>,
    capacity: Option<usize>,
    since: Stamp,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    depth: AtomicU64,
    /// When the message that was taken last had come in, in Unix nanoseconds; 0 while the mailbox is empty.
    came_in: AtomicU64,
    wait: Spread,
    work: Spread,
    restarts: AtomicU64,
    restarting: AtomicBool,
    stopped: AtomicBool,
    in_flight: AtomicUsize,
    errands: AtomicUsize,
    /// Unix nanoseconds; 0 while no handler runs.
    busy_since: AtomicU64,
    busy_with: Mutex<&'static str>,
    last_panic: Mutex<Option<String>>,
    request: AtomicU8,
    round: AtomicU64,
    idle_in: AtomicU64,
    busy_in: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

/// Count, sum and maximum of durations.
#[derive(Default)]
struct Spread {
    count: AtomicU64,
    nanos: AtomicU64,
    max: AtomicU64,
}

impl Spread {
    fn add(&self, duration: Duration) {
        let nanos = nanos(duration);
        self.count.fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
        if nanos > self.max.load(Relaxed) {
            self.max.fetch_max(nanos, Relaxed);
        }
    }

    fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    fn total(&self) -> f64 {
        self.nanos.load(Relaxed) as f64 / 1e9
    }

    fn max(&self) -> f64 {
        self.max.load(Relaxed) as f64 / 1e9
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Vitals {
    /// One with a mailbox that takes any number of messages.
    pub(super) fn new(name: Cow<'static, str>, kind: &'static str, member: Option<usize>) -> Self {
        Self {
            name,
            kind,
            member,
            capacity: None,
            since: Stamp::now(),
            outcomes: Default::default(),
            depth: AtomicU64::new(0),
            came_in: AtomicU64::new(0),
            wait: Spread::default(),
            work: Spread::default(),
            restarts: AtomicU64::new(0),
            restarting: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            errands: AtomicUsize::new(0),
            busy_since: AtomicU64::new(0),
            busy_with: Mutex::new(""),
            last_panic: Mutex::new(None),
            request: AtomicU8::new(0),
            round: AtomicU64::new(0),
            idle_in: AtomicU64::new(0),
            busy_in: AtomicU64::new(0),
            waker: Mutex::new(None),
        }
    }

    /// With a mailbox that takes so many messages; 0 is without limit.
    pub(super) fn with_capacity(self, messages: usize) -> Self {
        Self { capacity: Some(messages).filter(|messages| *messages > 0), ..self }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.add(outcome, 1);
    }

    pub(super) fn add(&self, outcome: Outcome, messages: u64) {
        self.outcomes[outcome as usize].fetch_add(messages, Relaxed);
    }

    pub(super) fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Relaxed)
    }

    /// Grows with everything that happens to a message; when it stands still, nothing has.
    pub(super) fn progress(&self) -> u64 {
        self.outcomes.iter().map(|count| count.load(SeqCst)).sum()
    }

    pub(super) fn waited(&self, wait: Duration) {
        self.wait.add(wait);
    }

    pub(super) fn worked(&self, work: Duration) {
        self.work.add(work);
    }

    pub(super) fn set_depth(&self, depth: u64) {
        self.depth.store(depth, Relaxed);
    }

    /// A message was taken that had come in then. What is left in the mailbox came in later.
    pub(super) fn took(&self, at: Stamp) {
        self.came_in.store(at.nanos(), Relaxed);
    }

    /// Nothing is left in the mailbox, and nothing of it in work.
    pub(super) fn took_all(&self) {
        if self.came_in.load(Relaxed) != 0 {
            self.came_in.store(0, Relaxed);
        }
    }

    /// How old the oldest message may be that is in the mailbox or in work: as old as the one that was taken last.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let at = self.came_in.load(Relaxed);
        (at > 0 && !self.is_stopped()).then(|| Stamp::now().since(Stamp::from_nanos(at)))
    }

    pub(super) fn depth(&self) -> u64 {
        self.depth.load(Relaxed)
    }

    /// A handler begins; `known` is what the caller wrote here last, so that the lock is taken only for a change.
    pub(super) fn busy(&self, message: &'static str, since: Stamp, known: &mut &'static str) {
        if !std::ptr::eq(*known, message) {
            *self.busy_with.lock() = message;
            *known = message;
        }
        self.busy_since.store(since.nanos(), Relaxed);
    }

    pub(super) fn free(&self) {
        self.busy_since.store(0, Relaxed);
    }

    pub(super) fn answer_begun(&self) {
        self.in_flight.fetch_add(1, SeqCst);
    }

    pub(super) fn answer_ended(&self) {
        if self.in_flight.fetch_sub(1, SeqCst) == 1 && self.is_stop_requested() {
            // It may have run beside the actor, which waits for it to stop.
            self.wake();
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    pub(super) fn errand_begun(&self) {
        self.errands.fetch_add(1, SeqCst);
    }

    pub(super) fn errand_ended(&self) {
        self.errands.fetch_sub(1, SeqCst);
    }

    /// Futures that messages brought and that are not their answers.
    pub(super) fn errands(&self) -> usize {
        self.errands.load(SeqCst)
    }

    /// Whether work of a message goes on that is not in the mailbox any more.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight() > 0 || self.errands() > 0
    }

    pub(super) fn panicked(&self, text: &str) {
        *self.last_panic.lock() = Some(text.to_owned());
    }

    pub(super) fn restarting(&self) {
        self.restarts.fetch_add(1, Relaxed);
        self.restarting.store(true, SeqCst);
    }

    pub(super) fn restarted(&self) {
        self.restarting.store(false, SeqCst);
    }

    pub(super) fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// Marks the actor as gone.
    pub(super) fn stopped(&self) {
        self.stopped.store(true, SeqCst);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    pub(super) fn set_waker(&self, waker: Waker) {
        *self.waker.lock() = Some(waker);
    }

    pub(super) fn wake(&self) {
        // Woken outside the lock: a waker may run anything.
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn request_stop(&self) {
        self.request.fetch_max(STOP, SeqCst);
        self.wake();
    }

    pub(super) fn request_termination(&self) {
        self.request.store(TERMINATE, SeqCst);
        self.wake();
    }

    pub(super) fn is_stop_requested(&self) -> bool {
        self.request.load(Relaxed) == STOP
    }

    pub(super) fn is_termination_requested(&self) -> bool {
        self.request.load(Relaxed) == TERMINATE
    }

    /// Asks the actor to report, under this number, whether it is idle.
    pub(super) fn open_round(&self, round: u64) {
        self.round.store(round, SeqCst);
        self.wake();
    }

    pub(super) fn round(&self) -> u64 {
        self.round.load(SeqCst)
    }

    pub(super) fn report(&self, round: u64, idle: bool) {
        if idle { &self.idle_in } else { &self.busy_in }.store(round, SeqCst);
    }

    /// What the actor reported in this round, if it has.
    pub(super) fn reported(&self, round: u64) -> Option<bool> {
        if self.is_stopped() || self.idle_in.load(SeqCst) == round {
            Some(true)
        } else {
            (self.busy_in.load(SeqCst) == round).then_some(false)
        }
    }

    pub(super) fn snapshot(&self) -> ActorSnapshot {
        let handled = self.outcome(Outcome::Handled);
        let since = self.busy_since.load(Relaxed);
        let busy = (since > 0).then(|| Stamp::now().since(Stamp::from_nanos(since)));
        ActorSnapshot {
            name: self.name.clone().into_owned(),
            member: self.member,
            kind: self.kind,
            condition: if self.is_stopped() {
                ActorCondition::Stopped
            } else if self.restarting.load(SeqCst) {
                ActorCondition::Restarting
            } else {
                ActorCondition::Running
            },
            depth: self.depth(),
            capacity: self.capacity,
            oldest: self.oldest().map(|age| age.as_secs_f64()),
            since: self.since.nanos() as f64 / 1e9,
            handled,
            failed: self.progress().saturating_sub(handled),
            in_flight: self.in_flight(),
            waits: self.wait.count(),
            wait_total: self.wait.total(),
            wait_max: self.wait.max(),
            processings: self.work.count(),
            processing_total: self.work.total(),
            restarts: self.restarts(),
            last_panic: self.last_panic.lock().clone(),
            handling: busy.map(|_| *self.busy_with.lock()),
            handling_for: busy.map(|length| length.as_secs_f64()),
        }
    }
}

/// The name, with its place if it is a pool's member: `order-processor-1`.
impl std::fmt::Display for Vitals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.member {
            Some(member) => write!(f, "{}-{member}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
