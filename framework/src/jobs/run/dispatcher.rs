//! The actor of a queue: leases its jobs, hands them to its workers, and writes down what became of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt as _, Addr, AsyncContext as _, WrapFuture as _};
use futures_util::future;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{mpsc, watch};

use super::caution::Caution;
use super::exchange::Exchange;
use super::floor::{Floor, Stop};
use super::pace::Pace;
use super::signals::QueueSignals;
use super::source::{Suspects, Turned};
use super::stream::{Delivery, Entry, Feed, acknowledge};
use super::waiting::Waiting;
use super::worker::{Done, End, JobWorker};
use crate::actor;
use crate::data::DbError;
use crate::jobs::store::{Front, Leased, Rate};

/// Leased at once at most.
const MOST: usize = 256;
/// Settled at once at most: more than are leased at once, here or for a stream, or ends would have to wait for leases.
pub(super) const MOST_SETTLED: usize = 1024;
/// How much work is leased ahead of the workers; no more than a full turn while the next full turn is under way.
const AHEAD: Duration = Duration::from_millis(20);
/// A job that no worker began within this is given back, for others to take.
const STALE: Duration = Duration::from_secs(1);

/// What a dispatcher has to do with.
pub(super) struct Dispatcher {
    pub(super) floor: Arc<Floor>,
    pub(super) queue: Arc<str>,
    pub(super) signals: Arc<QueueSignals>,
    pub(super) workers: Vec<Addr<JobWorker>>,
    pub(super) exchange: Arc<Exchange>,
    /// True once it has ended.
    pub(super) ended: watch::Sender<bool>,
}

impl Actor for Dispatcher {
    type Context = actor::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (name, ended) = mpsc::unbounded_channel();
        let desk = Desk::new(self, name);
        let stop = self.floor.stop.subscribe();
        let (stream, queue) = (self.floor.stream.clone(), Arc::clone(&self.queue));
        let feed = stream
            .clone()
            .map(|stream| Feed::new(stream, Arc::clone(&queue), stop.clone(), self.floor.db.clone()));
        let acknowledged = async move {
            if let Some(stream) = stream {
                acknowledge(stream, queue, ended, stop).await;
            }
        };
        let ended = self.ended.clone();
        let work = future::join(desk.dispatch(feed), acknowledged);
        ctx.spawn(work.into_actor(self).map(move |_, _, _| {
            ended.send_replace(true);
        }));
    }
}

pub(super) type Turning = LocalBoxFuture<'static, Result<Turned, DbError>>;

/// What is settled by a turn that is under way, to be settled again should it fail.
#[derive(Default)]
pub(super) struct Settling {
    pub(super) done: Vec<Done>,
    pub(super) want: usize,
    pub(super) suspects: Suspects,
}

pub(super) struct Desk {
    pub(super) floor: Arc<Floor>,
    pub(super) queue: Arc<str>,
    pub(super) signals: Arc<QueueSignals>,
    workers: Vec<Addr<JobWorker>>,
    exchange: Arc<Exchange>,
    pub(super) rate: Option<Rate>,
    pub(super) front: Front,
    pub(super) unsettled: Vec<Done>,
    pub(super) settling: Settling,
    /// Jobs are handed out by a stream; only those that a worker died over are leased here.
    pub(super) is_fed: bool,
    /// What has ended of the stream.
    pub(super) ended: Ended,
    /// Jobs may be due.
    pub(super) due: bool,
    pub(super) poll_at: Instant,
    pub(super) caution: Caution,
    /// After a failure, not before this.
    pub(super) pause_until: Option<Instant>,
    pub(super) pause: Option<Duration>,
    pub(super) pace: Pace,
}

/// Where what has ended of a stream goes.
pub(super) struct Ended(mpsc::UnboundedSender<Arc<Delivery>>);

impl Ended {
    pub(super) fn extend(&self, deliveries: impl IntoIterator<Item = Arc<Delivery>>) {
        for delivery in deliveries {
            // Nobody listens any more where the process is about to end.
            let _ = self.0.send(delivery);
        }
    }
}

impl Desk {
    fn new(of: &Dispatcher, ended: mpsc::UnboundedSender<Arc<Delivery>>) -> Self {
        let now = Instant::now();
        Self {
            floor: Arc::clone(&of.floor),
            queue: Arc::clone(&of.queue),
            signals: Arc::clone(&of.signals),
            workers: of.workers.clone(),
            exchange: Arc::clone(&of.exchange),
            rate: of.floor.settings.rate_of(&of.queue),
            front: Front::new(&*of.queue),
            unsettled: Vec::new(),
            settling: Settling::default(),
            is_fed: of.floor.stream.is_some(),
            ended: Ended(ended),
            due: true,
            poll_at: now,
            caution: Caution::new(of.workers.len(), now),
            pause_until: None,
            pause: None,
            pace: Pace::new(AHEAD, 2 * MOST, now),
        }
    }

    async fn dispatch(mut self, mut feed: Option<Feed>) {
        let floor = Arc::clone(&self.floor);
        let (queue, exchange) = (Arc::clone(&self.queue), Arc::clone(&self.exchange));
        let Some(bell) = floor.bells.get(&*queue) else { return };
        let mut stop = floor.stop.subscribe();
        floor.leave_alone(&queue);
        let mut turning: Option<Turning> = None;
        loop {
            self.gather();
            if *stop.borrow_and_update() == Stop::No {
                self.hand_over();
                if let Some(feed) = &mut feed {
                    feed.want(self.room());
                }
            } else {
                self.give_back_waiting();
                let at_rest = self.exchange.is_at_rest() && self.unsettled.is_empty();
                if at_rest && turning.is_none() && !feed.as_ref().is_some_and(Feed::reads) {
                    return;
                }
            }
            if bell.due.swap(false, Ordering::AcqRel) {
                self.due = true;
            }
            if bell.suspects.swap(false, Ordering::AcqRel) {
                self.caution.look(Instant::now());
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
                entries = async { match &mut feed { Some(feed) => feed.next().await, None => future::pending().await } } => {
                    for entry in entries {
                        let current = feed.as_ref().is_some_and(|feed| feed.is_current(&entry));
                        self.take_entry(entry, current);
                    }
                }
                // What has ended waits for the turn before it; what the workers take they take by themselves.
                () = exchange.filled.notified(), if turning.is_none() => {}
                () = exchange.wanted.notified(), if feed.is_some() => {}
                () = bell.rung.notified() => {}
                _ = stop.changed() => {}
                () = tokio::time::sleep_until(wake_at.into()) => self.timer(),
            }
        }
    }

    /// Takes what the workers have done.
    fn gather(&mut self) {
        let done = self.exchange.take_done();
        if done.is_empty() {
            return;
        }
        self.pace.count(done.len(), Instant::now());
        self.unsettled.extend(done);
        // A run that completed its job by itself leaves nothing to write.
        let Self { unsettled, floor, ended, .. } = self;
        let mut suspects = 0;
        for done in unsettled.extract_if(.., |done| matches!(done.end, End::Settled | End::Lost)) {
            ended.extend(floor.leave(done.held));
            suspects += usize::from(done.suspect);
            if matches!(done.end, End::Lost) {
                floor.signals.lost(&self.signals, 1);
            }
        }
        self.caution.ended(suspects, Instant::now());
    }

    /// How many jobs may be taken in.
    pub(super) fn room(&self) -> usize {
        match self.floor.alone() {
            Some(_) => 0,
            None => self.exchange.room(self.pace.ahead()).min(MOST),
        }
    }

    /// Jobs that the stream delivered. Those that were published before Redis had lost something are due again elsewhere.
    fn take_entry(&mut self, entry: Entry, current: bool) {
        let (delivery, jobs) = entry.taken(&self.queue, current);
        // What is delivered again was taken in whole, and ends with the last that is still in hand.
        if self.floor.has_any_of(jobs.iter().map(Leased::held)) {
            return;
        }
        if jobs.is_empty() {
            self.ended.extend([Arc::clone(&delivery)]);
        }
        for job in jobs {
            self.take_in(job, Some(Arc::clone(&delivery)));
        }
    }

    /// Wakes workers for what waits; those that have a job come by themselves.
    fn hand_over(&self) {
        while let Some((place, waiting)) = self.exchange.pair() {
            let job = waiting.begin(&self.floor, &self.signals, &self.exchange, place);
            job.send_to(&self.workers[place]);
        }
    }

    /// Gives back what waits for a worker.
    fn give_back_waiting(&mut self) {
        self.unsettled.extend(self.exchange.take_ready().into_iter().map(Waiting::give_back));
    }

    fn timer(&mut self) {
        let now = Instant::now();
        if self.poll_at <= now {
            self.due = true;
            self.poll_at = now + self.floor.settings.poll_interval;
        }
        if self.exchange.oldest_until(STALE).is_some_and(|stale| stale <= now) {
            self.give_back_waiting();
            self.pace.forget();
        }
    }

    fn wake_at(&self, turning: bool) -> Instant {
        let stale = self.exchange.oldest_until(STALE);
        let next = match self.pause_until {
            _ if turning => None,
            Some(until) => Some(until),
            None => Some(self.poll_at.min(self.caution.look_at())),
        };
        let at = [stale, next].into_iter().flatten().min();
        at.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// A job that was leased: its lease is kept from now on.
    pub(super) fn take_in(&mut self, leased: Leased, delivery: Option<Arc<Delivery>>) {
        self.exchange.add(Waiting::new(leased, delivery, &self.floor));
    }
}
