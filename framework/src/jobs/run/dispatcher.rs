//! The actor of a queue: leases its jobs, hands them to its workers, and writes down what became of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt as _, Addr, AsyncContext as _, WrapFuture as _};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, future};
use opentelemetry::trace::{FutureExt as _, SpanContext, TraceContextExt as _};
use tokio::sync::watch;

use super::floor::{Bell, Floor, Stop};
use super::pace::Pace;
use super::signals::QueueSignals;
use super::source::{Suspect, Turn, Turned};
use super::worker::{Done, End, JobWorker, Outbox, Report, RunJob};
use crate::actor;
use crate::data::DbError;
use crate::jobs::State;
use crate::jobs::context::Terms;
use crate::jobs::policy::Policy;
use crate::jobs::store::{Held, Leased, Rate, Then, Unfinished};

/// Leased, or settled, at once at most.
pub(super) const MOST: usize = 256;
/// A job that no worker began within this is given back, for others to take.
const STALE: Duration = Duration::from_secs(1);
/// How often a job that a worker died over is looked for.
const SUSPECTS: Duration = Duration::from_secs(2);
/// How long to wait when the database fails, at first and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a dispatcher has to do with.
pub(super) struct Dispatcher {
    pub(super) floor: Arc<Floor>,
    pub(super) queue: Arc<str>,
    pub(super) signals: Arc<QueueSignals>,
    pub(super) workers: Vec<Addr<JobWorker>>,
    pub(super) outbox: Arc<Outbox>,
    /// True once it has ended.
    pub(super) ended: watch::Sender<bool>,
}

impl Actor for Dispatcher {
    type Context = actor::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let desk = Desk::new(self);
        let ended = self.ended.clone();
        ctx.spawn(desk.dispatch().into_actor(self).map(move |(), _, _| {
            ended.send_replace(true);
        }));
    }
}

/// A job that was leased and waits for a worker.
struct Waiting {
    job: RunJob,
    since: Instant,
}

type Turning = LocalBoxFuture<'static, Result<Turned, DbError>>;

/// What is settled by a turn that is under way, to be settled again should it fail.
#[derive(Default)]
struct Settling {
    done: Vec<Done>,
    want: usize,
    suspect: Suspect,
}

struct Desk {
    floor: Arc<Floor>,
    queue: Arc<str>,
    signals: Arc<QueueSignals>,
    workers: Vec<Addr<JobWorker>>,
    outbox: Arc<Outbox>,
    rate: Option<Rate>,
    idle: Vec<usize>,
    ready: VecDeque<Waiting>,
    unsettled: Vec<Done>,
    settling: Settling,
    /// Jobs may be due.
    due: bool,
    poll_at: Instant,
    suspects_at: Instant,
    /// Whether a job is in hand that a worker died over.
    suspect: bool,
    /// After a failure, not before this.
    pause_until: Option<Instant>,
    pause: Duration,
    pace: Pace,
}

impl Desk {
    fn new(of: &Dispatcher) -> Self {
        let now = Instant::now();
        Self {
            floor: Arc::clone(&of.floor),
            queue: Arc::clone(&of.queue),
            signals: Arc::clone(&of.signals),
            workers: of.workers.clone(),
            outbox: Arc::clone(&of.outbox),
            rate: of.floor.settings.rate_of(&of.queue),
            idle: (0..of.workers.len()).rev().collect(),
            ready: VecDeque::new(),
            unsettled: Vec::new(),
            settling: Settling::default(),
            due: true,
            poll_at: now,
            suspects_at: now,
            suspect: false,
            pause_until: None,
            pause: SHORTEST_PAUSE,
            pace: Pace::new(now),
        }
    }

    async fn dispatch(mut self) {
        let floor = Arc::clone(&self.floor);
        let (queue, outbox) = (Arc::clone(&self.queue), Arc::clone(&self.outbox));
        let Some(bell) = floor.bells.get(&*queue) else { return };
        let mut stop = floor.stop.subscribe();
        floor.leave_alone(&queue);
        let mut turning: Option<Turning> = None;
        loop {
            self.gather();
            if *stop.borrow_and_update() == Stop::No {
                self.hand_over();
            } else {
                self.give_back_waiting();
                let at_rest = self.idle.len() == self.workers.len() && self.unsettled.is_empty();
                if at_rest && turning.is_none() {
                    return;
                }
            }
            if bell.due.swap(false, Ordering::AcqRel) {
                self.due = true;
            }
            if bell.suspects.swap(false, Ordering::AcqRel) {
                self.suspects_at = Instant::now();
            }
            if turning.is_none() {
                turning = self.next_turn(*stop.borrow());
            }
            let wake_at = self.wake_at(turning.is_some());
            tokio::select! {
                biased;
                turned = async { match &mut turning { Some(turn) => turn.await, None => future::pending().await } } => {
                    turning = None;
                    self.turned(turned, bell);
                }
                () = outbox.filled.notified() => {}
                () = bell.rung.notified() => {}
                _ = stop.changed() => {}
                () = tokio::time::sleep_until(wake_at.into()) => self.timer(),
            }
        }
    }

    /// Takes what the workers have done.
    fn gather(&mut self) {
        let done = self.outbox.take();
        if done.is_empty() {
            return;
        }
        self.pace.count(done.len(), Instant::now());
        for done in done {
            self.idle.push(done.place);
            self.unsettled.push(done);
        }
        // A run that completed its job by itself leaves nothing to write.
        let Self { unsettled, floor, .. } = self;
        let mut suspect_gone = false;
        for done in unsettled.extract_if(.., |done| matches!(done.end, End::Settled | End::Lost)) {
            floor.leave(done.held);
            suspect_gone |= done.suspect;
            if matches!(done.end, End::Lost) {
                floor.signals.lost(&self.signals, 1);
            }
        }
        if suspect_gone {
            self.suspect_ended();
        }
    }

    fn suspect_ended(&mut self) {
        self.suspect = false;
        self.suspects_at = Instant::now();
        self.floor.leave_alone(&self.queue);
    }

    fn hand_over(&mut self) {
        while !self.ready.is_empty() {
            let Some(place) = self.idle.pop() else { return };
            let Some(Waiting { mut job, .. }) = self.ready.pop_front() else { return };
            job.report.place = place;
            let _run = job.cx.clone().attach();
            self.workers[place].do_send(job);
        }
    }

    /// Gives back what waits for a worker.
    fn give_back_waiting(&mut self) {
        for Waiting { job, .. } in self.ready.drain(..) {
            let RunJob { cx, mut report, .. } = job;
            report.sent = true;
            cx.span().end();
            let end = End::Unfinished { then: Then::GiveBack, error: None };
            let (held, suspect) = (report.held, report.suspect);
            self.unsettled.push(Done { place: 0, held, end, span: None, suspect });
        }
    }

    fn timer(&mut self) {
        let now = Instant::now();
        if self.poll_at <= now {
            self.due = true;
            self.poll_at = now + self.floor.settings.poll_interval;
        }
        if self.ready.front().is_some_and(|waiting| waiting.since + STALE <= now) {
            self.give_back_waiting();
            self.pace.forget();
        }
    }

    fn wake_at(&self, turning: bool) -> Instant {
        let stale = self.ready.front().map(|waiting| waiting.since + STALE);
        let next = match self.pause_until {
            _ if turning => None,
            Some(until) => Some(until),
            None if self.suspect => Some(self.poll_at),
            None => Some(self.poll_at.min(self.suspects_at)),
        };
        let at = [stale, next].into_iter().flatten().min();
        at.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// The next unit of work, if there is anything to do.
    fn next_turn(&mut self, stop: Stop) -> Option<Turning> {
        let now = Instant::now();
        if self.pause_until.is_some_and(|until| until > now) {
            return None;
        }
        let (mut want, mut suspect) = (0, Suspect::No);
        let look = !self.suspect && self.suspects_at <= now;
        if look {
            self.suspects_at = now + SUSPECTS;
        }
        match self.floor.alone() {
            _ if stop != Stop::No => {}
            None => {
                let room = self.idle.len() + self.pace.ahead();
                want = if self.due { room.saturating_sub(self.ready.len()).min(MOST) } else { 0 };
                if look {
                    suspect = Suspect::Beside;
                }
            }
            Some(queue) if queue == self.queue && self.floor.in_hand() == 0 => suspect = Suspect::Alone,
            Some(_) => {}
        }
        if self.unsettled.is_empty() && want == 0 && suspect == Suspect::No {
            return None;
        }
        let settle = self.unsettled.len().min(MOST);
        let done: Vec<Done> = self.unsettled.drain(..settle).collect();
        let turn = Turn {
            completed: done
                .iter()
                .filter(|done| matches!(done.end, End::Completed))
                .map(|done| done.held)
                .collect(),
            unfinished: done.iter().filter_map(unfinished).collect(),
            want,
            suspect,
        };
        let spans: Vec<SpanContext> = done.iter().filter_map(|done| done.span.clone()).collect();
        let cx = self.floor.signals.settle(&self.signals, &spans, done.len());
        self.settling = Settling { done, want, suspect };
        // What is said from now on is about jobs that this turn may not see.
        self.due = self.due && want == 0;
        let (floor, queue, rate) = (Arc::clone(&self.floor), self.queue.to_string(), self.rate);
        let turn = async move {
            let turned = turn.take(&floor, queue, rate).await;
            opentelemetry::Context::map_current(|cx| cx.span().end());
            turned
        };
        Some(turn.with_context(cx).boxed_local())
    }

    fn turned(&mut self, turned: Result<Turned, DbError>, bell: &Bell) {
        let settling = std::mem::take(&mut self.settling);
        let turned = match turned {
            Ok(turned) => turned,
            Err(error) => return self.failed(&error, settling),
        };
        if self.pause_until.take().is_some() {
            tracing::info!(queue = %self.queue, "the jobs' database is back");
            self.pause = SHORTEST_PAUSE;
        }
        self.settled(settling.done, &turned);
        let leased = turned.leased.len();
        if settling.want > 0 {
            let now = Instant::now();
            if leased >= settling.want {
                self.due = true;
            }
            let interval = self.floor.settings.poll_interval;
            self.poll_at = now + turned.next_in.map_or(interval, |next| next.min(interval));
        }
        if turned.grave {
            self.floor.ask_alone(&self.queue);
            bell.rung.notify_one();
        }
        if settling.suspect == Suspect::Alone && leased == 0 {
            self.floor.leave_alone(&self.queue);
        }
        for job in turned.leased {
            self.take_in(job);
        }
    }

    fn failed(&mut self, error: &DbError, settling: Settling) {
        if self.pause_until.is_none() {
            tracing::warn!(queue = %self.queue, %error, "jobs have to wait for the database");
        }
        self.pause_until = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.due = true;
        let later = std::mem::replace(&mut self.unsettled, settling.done);
        self.unsettled.extend(later);
    }

    /// What was settled is no longer in hand; what was not held any more was lost.
    fn settled(&mut self, done: Vec<Done>, turned: &Turned) {
        if done.is_empty() {
            return;
        }
        let states: HashMap<i64, State> = turned.settled.iter().map(|job| (job.id, job.state)).collect();
        let completed: std::collections::HashSet<i64> = turned.completed.iter().copied().collect();
        let (floor, signals) = (&self.floor, &self.signals);
        let (mut lost, mut suspect_gone) = (0, false);
        for Done { held, end, suspect, .. } in done {
            floor.leave(held);
            suspect_gone |= suspect;
            let state = match end {
                End::Completed => completed.contains(&held.id).then_some(State::Completed),
                _ => states.get(&held.id).copied(),
            };
            match (state, end) {
                (None, _) => lost += 1,
                (Some(State::Dead), _) => floor.signals.dead(signals),
                (Some(State::Parked), _) => floor.signals.parked(signals),
                (Some(State::Available), End::Unfinished { then: Then::RetryIn(_), .. }) => {
                    floor.signals.retried(signals);
                    self.due = true;
                }
                _ => {}
            }
        }
        if lost > 0 {
            floor.signals.lost(signals, lost);
            tracing::warn!(queue = %self.queue, jobs = lost, "leases ran out before their jobs were settled");
        }
        if suspect_gone {
            self.suspect_ended();
        }
    }

    /// A job that was leased: its lease is kept from now on.
    fn take_in(&mut self, leased: Leased) {
        let held: Held = leased.held();
        let entered = self.floor.enter(held);
        let unknown = Policy::default();
        let policy = self.floor.kinds.get(&leased.kind).map_or(&unknown, |kind| &kind.policy);
        let cx = self.floor.signals.pick_up(&self.signals, &leased, policy);
        let suspect = leased.crashes > 0;
        self.suspect |= suspect;
        let terms = Terms {
            lease: self.floor.settings.lease,
            limit: Some(policy.run_limit()),
            cancelled: entered.cancelled,
            settled: entered.settled,
        };
        let report = Report { outbox: Arc::clone(&self.outbox), place: 0, held, suspect, sent: false };
        let job = RunJob { leased: Box::new(leased), terms, cx, report };
        self.ready.push_back(Waiting { job, since: Instant::now() });
    }
}

fn unfinished(done: &Done) -> Option<Unfinished> {
    let End::Unfinished { then, error } = &done.end else { return None };
    let trace_id = done.span.as_ref().map(|span| span.trace_id().to_string());
    Some(Unfinished { held: done.held, then: *then, error: error.clone(), trace_id })
}
