//! The running side: for each queue a dispatcher and its workers, for all of them a keeper and a scheduler.

mod caution;
mod dispatcher;
mod exchange;
mod floor;
mod forsaken;
mod keeper;
mod others;
mod pace;
mod pause;
#[cfg(any(fuzzing, test))]
pub(super) mod properties;
mod scheduler;
mod signals;
mod source;
#[cfg(feature = "redis")]
mod stream;
#[cfg(not(feature = "redis"))]
#[path = "no_stream.rs"]
mod stream;
mod ticks;
mod turns;
mod waiting;
mod worker;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Arbiter;
use opentelemetry::trace::FutureExt as _;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::error::JobsError;
use super::kinds::Kinds;
use super::name;
use super::settings::JobsSettings;
use crate::actor::Actors;
use crate::data::{Db, Redis};
use crate::telemetry::Telemetry;
use dispatcher::Dispatcher;
use exchange::Exchange;
use floor::{Floor, Stop, name_worker};
use keeper::Keeper;
use scheduler::Scheduler;
use signals::Signals;
use stream::Stream;
use worker::JobWorker;

pub(crate) use keeper::CHANNEL;
#[cfg(feature = "testing")]
pub(crate) use ticks::TICK;

/// How long the runs that are ended at the end of the grace have to be given back.
const LAST_TURN: Duration = Duration::from_millis(1500);

/// Runs the jobs of some queues in this process.
///
/// A dispatcher actor per queue leases jobs in batches and hands them, each in a mailbox of its own trace, to worker
/// actors that run one at a time each and take the next by themselves; what became of them is written down in batches by the
/// same units of work.
#[must_use = "the jobs are not given back unless it is drained"]
pub struct Runner {
    floor: Arc<Floor>,
    ended: Vec<watch::Receiver<bool>>,
    arbiters: Vec<Arbiter>,
}

/// What became of the jobs that ran when the stop began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunnerReport {
    /// They ended.
    pub finished: usize,
    /// They were given back, without spending an attempt, or could not even be given back: then their lease runs out.
    pub given_back: usize,
}

impl Runner {
    /// Starts to run the jobs of the queues that the kinds go to and that the settings name, or of `queues` alone.
    ///
    /// # Errors
    ///
    /// [`JobsError::Name`] for a queue that is none.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`.
    pub fn start(
        db: Db,
        actors: &Actors,
        telemetry: &Telemetry,
        settings: JobsSettings,
        kinds: Kinds,
        queues: Option<Vec<String>>,
    ) -> Result<Self, JobsError> {
        let queues = choose(&kinds, &settings, queues)?;
        let signals = Signals::new(telemetry);
        let floor = Floor::new(db, None, settings, kinds, signals, name_worker(), &queues);
        Ok(Self::run(floor, actors, queues))
    }

    /// The same, with the jobs handed out by Redis Streams: the database keeps them, and each process publishes what is
    /// due and reads what is its share. It takes the feature `redis`.
    ///
    /// # Errors
    ///
    /// Those of [`Runner::start`]; [`JobsError::Redis`] when it can not be reached, and [`JobsError::OldRedis`] when it
    /// can not be relied on.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`.
    pub async fn start_on(
        redis: Redis,
        db: Db,
        actors: &Actors,
        telemetry: &Telemetry,
        settings: JobsSettings,
        kinds: Kinds,
        queues: Option<Vec<String>>,
    ) -> Result<Self, JobsError> {
        let queues = choose(&kinds, &settings, queues)?;
        let signals = Signals::new(telemetry);
        let worker = name_worker();
        let stream = Stream::open(redis, &db, worker.clone(), &queues).with_context(signals.quiet()).await?;
        let floor = Floor::new(db, Some(stream), settings, kinds, signals, worker, &queues);
        Ok(Self::run(floor, actors, queues))
    }

    fn run(floor: Floor, actors: &Actors, queues: Vec<Arc<str>>) -> Self {
        let floor = Arc::new(floor);
        // Runs may block their threads; those that keep the leases must not be among them.
        let desk = actors.arbiter();
        let threads: Vec<Arbiter> = (0..floor.settings.threads()).map(|_| actors.arbiter()).collect();
        let mut ended = Vec::new();
        for queue in queues {
            let (floor, signals) = (Arc::clone(&floor), Arc::new(floor.signals.of_queue(&queue)));
            let workers = floor.settings.concurrency_of(&queue);
            let exchange = Arc::new(Exchange::new(workers));
            let (of, with, by) = (Arc::clone(&floor), Arc::clone(&signals), Arc::clone(&exchange));
            let pool = actors
                .pool(format!("jobs.{queue}"), workers, move |_ctx| JobWorker {
                    floor: Arc::clone(&of),
                    signals: Arc::clone(&with),
                    exchange: Arc::clone(&by),
                })
                .on_arbiters(threads.iter().map(Arbiter::handle))
                .start();
            let (end, has_ended) = watch::channel(false);
            ended.push(has_ended);
            let _dispatcher = actors
                .actor(format!("jobs.{queue}.dispatcher"), move |_ctx| Dispatcher {
                    floor: Arc::clone(&floor),
                    queue: Arc::clone(&queue),
                    signals: Arc::clone(&signals),
                    workers: pool.addrs().to_vec(),
                    exchange: Arc::clone(&exchange),
                    ended: end.clone(),
                })
                .on(desk.handle())
                .start();
        }
        let of = Arc::clone(&floor);
        let _keeper = actors
            .actor("jobs.keeper", move |_ctx| Keeper { floor: Arc::clone(&of) })
            .on(desk.handle())
            .start();
        if !floor.kinds.schedules().is_empty() {
            let (of, signals) = (Arc::clone(&floor), Arc::new(floor.signals.ticks()));
            let _scheduler = actors
                .actor("jobs.scheduler", move |_ctx| Scheduler {
                    floor: Arc::clone(&of),
                    signals: Arc::clone(&signals),
                })
                .on(desk.handle())
                .start();
        }
        let arbiters = threads.into_iter().chain([desk]).collect();
        Self { floor, ended, arbiters }
    }

    /// The queues whose jobs are run.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        self.floor.bells.keys().map(|queue| &**queue)
    }

    /// For how long the oldest job that is due has been, in any of its queues, when that was last measured.
    pub(crate) fn oldest_due(&self) -> impl Fn() -> Option<Duration> + Send + Sync + use<> {
        let floor = Arc::downgrade(&self.floor);
        move || floor.upgrade()?.signals.oldest_due()
    }

    /// How many jobs this process has a lease on.
    #[must_use]
    pub fn in_hand(&self) -> usize {
        self.floor.in_hand()
    }

    /// Takes no more jobs; what runs goes on.
    pub fn stop_leasing(&self) {
        self.floor.stop.send_if_modified(|stop| {
            let first = *stop == Stop::No;
            if first {
                *stop = Stop::Leasing;
            }
            first
        });
    }

    /// Takes no more jobs, waits for those that run, and gives back what still runs at the deadline, without spending an
    /// attempt. Its actors are to be stopped after it.
    pub async fn drain(&mut self, deadline: Instant) -> RunnerReport {
        self.stop_leasing();
        let running = self.floor.in_hand();
        let mut given_back = 0;
        if timeout_at(deadline.into(), ended(&mut self.ended)).await.is_err() {
            given_back = self.floor.in_hand();
            self.floor.stop.send_replace(Stop::Running);
            let last = Instant::now() + LAST_TURN;
            if timeout_at(last.into(), ended(&mut self.ended)).await.is_err() {
                tracing::warn!(
                    jobs = self.floor.in_hand(),
                    "jobs could not be given back: others get them when their leases have run out"
                );
            }
        }
        if let Some(stream) = &self.floor.stream
            && let Err(error) = stream.leave().await
        {
            tracing::debug!(%error, "other processes hear later that this one has ended");
        }
        RunnerReport { finished: running.saturating_sub(given_back), given_back }
    }

    /// Ends its threads, once its actors have stopped.
    pub fn close(self) {
        for arbiter in self.arbiters {
            arbiter.stop();
        }
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("worker", &self.floor.worker).finish_non_exhaustive()
    }
}

/// The queues that the kinds go to and that the settings name, or `queues` alone.
fn choose(
    kinds: &Kinds,
    settings: &JobsSettings,
    queues: Option<Vec<String>>,
) -> Result<Vec<Arc<str>>, JobsError> {
    let queues: BTreeSet<String> = match queues {
        Some(queues) => queues.into_iter().collect(),
        None => kinds.queues().map(str::to_owned).chain(settings.queues.keys().cloned()).collect(),
    };
    for queue in &queues {
        name::queue(queue)?;
    }
    Ok(queues.into_iter().map(Arc::from).collect())
}

async fn ended(all: &mut [watch::Receiver<bool>]) {
    for ended in all {
        // An error says that the dispatcher is gone, which is an end too.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}
