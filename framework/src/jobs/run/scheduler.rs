//! The actor that enqueues the jobs of schedules. Every process has one, and none of them leads: whoever moves a schedule
//! to its next tick, in the transaction that stores the job, was the first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext as _, WrapFuture as _};
use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::trace::FutureExt as _;

use super::floor::{Floor, Stop};
use super::pause::next_pause;
use super::ticks::TickSignals;
use crate::actor;
use crate::data::{Conn, DbError};
use crate::jobs::JobsError;
use crate::jobs::schedule::{Due, Planned};
use crate::jobs::store::{self, LastTicks};
use crate::telemetry::panic_message;

/// How often schedules are looked at when none of them is due: the database's clock may have been set.
const LOOK: Duration = Duration::from_secs(30);
/// So many ticks of one schedule are caught up with before the others have their turn.
const ROUND: usize = 100;
/// How long a process leaves a schedule to the one that was faster. Where many ticks are due, one catches up with them as fast
/// as all: the others would only wait for the row that it moves, and find that they came too late.
const STAND_BACK: Duration = Duration::from_millis(100);
/// How long a schedule is left alone when its tick fails, at first and at most.
const SHORTEST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = LOOK;
/// A clock that was set back by less than this finds its ticks done. By more, it was wrong before, and waiting until it
/// gets there again would be to stand still.
const SET_BACK: TimeDelta = TimeDelta::days(1);

pub(super) struct Scheduler {
    pub(super) floor: Arc<Floor>,
    pub(super) signals: Arc<TickSignals>,
}

impl Actor for Scheduler {
    type Context = actor::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let quiet = self.floor.signals.quiet();
        let rota = Rota::new(Arc::clone(&self.floor), Arc::clone(&self.signals));
        ctx.spawn(rota.keep().with_context(quiet).into_actor(self));
    }
}

/// Why a tick has no job yet.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Enqueue(#[from] JobsError),
    #[error("making the job panicked: {0}")]
    Panicked(String),
}

/// A schedule whose last tick failed is left alone for a while.
struct Rest {
    until: Instant,
    length: Duration,
}

struct Rota {
    floor: Arc<Floor>,
    signals: Arc<TickSignals>,
    /// In the order of the schedules.
    rests: Vec<Option<Rest>>,
    /// Grows while the database fails.
    pause: Option<Duration>,
}

impl Rota {
    fn new(floor: Arc<Floor>, signals: Arc<TickSignals>) -> Self {
        let rests = floor.kinds.schedules().iter().map(|_| None).collect();
        Self { floor, signals, rests, pause: None }
    }

    /// Until nothing is leased any more. A tick that is under way then is in a unit of work, which ends by itself.
    async fn keep(mut self) {
        let floor = Arc::clone(&self.floor);
        let mut stop = floor.stop.subscribe();
        let passes = async {
            loop {
                let again_at = self.pass().await;
                tokio::time::sleep_until(again_at.into()).await;
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop != Stop::No) => {}
            () = passes => {}
        }
    }

    /// Enqueues what is due, and says when to look again.
    async fn pass(&mut self) -> Instant {
        let looked = match self.look().await {
            Ok(looked) => looked,
            Err(error) => return self.database_failed(&error),
        };
        if self.pause.take().is_some() {
            tracing::info!("the schedules' database is back");
        }
        // Later than the clock was read, so that no tick is looked for before it is due.
        let looked_at = Instant::now();
        let mut again_at = looked_at + LOOK;
        let floor = Arc::clone(&self.floor);
        for (place, schedule) in floor.kinds.schedules().iter().enumerate() {
            // Begun by this look, or somebody removed its row: the next one finds it.
            let Some(last) = looked.ticks.get(&schedule.name) else {
                again_at = looked_at;
                continue;
            };
            if let Some(rest) = self.rests[place].as_ref().filter(|rest| rest.until > looked_at) {
                again_at = again_at.min(rest.until);
                continue;
            }
            let next_at = match self.work_off(schedule, *last, looked.clock).await {
                Ok(wait) => {
                    self.rests[place] = None;
                    looked_at + wait
                }
                Err((tick, trouble)) => self.rest(place, schedule, tick, &trouble),
            };
            again_at = again_at.min(next_at);
        }
        again_at
    }

    /// Reads the last ticks, and begins the schedules that have none.
    async fn look(&self) -> Result<LastTicks, DbError> {
        let floor = Arc::clone(&self.floor);
        let read = async move |conn: &mut Conn| store::last_ticks(conn, &names(&floor)).await;
        let looked = self.floor.db.read(read).await?;
        if looked.ticks.len() == self.rests.len() {
            return Ok(looked);
        }
        let floor = Arc::clone(&self.floor);
        let begin = async move |conn: &mut Conn| {
            let names = names(&floor);
            store::begin_schedules(conn, &names).await?;
            store::last_ticks(conn, &names).await
        };
        self.floor.db.write(begin).await
    }

    /// Enqueues what is due of one schedule, and says how long after the look there is more.
    async fn work_off(
        &self,
        schedule: &Planned,
        mut last: DateTime<Utc>,
        clock: DateTime<Utc>,
    ) -> Result<Duration, (DateTime<Utc>, Trouble)> {
        if last - clock > SET_BACK {
            return self.begin_anew(schedule, last, clock).await.map_err(|error| (clock, error));
        }
        for _ in 0..ROUND {
            let (tick, skips) = match schedule.timetable.due(last, clock) {
                Due::Now { tick, skips } => (tick, skips),
                Due::In(wait) => return Ok(wait.min(LOOK)),
                Due::Never => return Ok(LOOK),
            };
            if !self.enqueue(schedule, last, tick).await.map_err(|trouble| (tick, trouble))? {
                return Ok(STAND_BACK);
            }
            if skips {
                tracing::warn!(
                    schedule = schedule.name,
                    since = %last,
                    %tick,
                    "ticks were missed: of those that are too old to catch up with, only the latest has a job"
                );
            }
            last = tick;
        }
        // It is the others' turn.
        Ok(Duration::ZERO)
    }

    /// Whether it was this process that enqueued the tick's job.
    async fn enqueue(
        &self,
        schedule: &Planned,
        last: DateTime<Utc>,
        tick: DateTime<Utc>,
    ) -> Result<bool, Trouble> {
        // Outside of the unit: no lock is held while the service's code runs.
        let store_job = catch_unwind(AssertUnwindSafe(|| (schedule.make)(tick)))
            .map_err(|panic| Trouble::Panicked(panic_message(&*panic).to_owned()))?;
        let (signals, name, kind) = (Arc::clone(&self.signals), schedule.name.clone(), schedule.kind);
        let work = async move |conn: &mut Conn| {
            if !store::advance_schedule(conn, &name, last, tick).await? {
                return Ok(false);
            }
            let cx = signals.begin(&name, kind, tick);
            let stored = store_job(conn).with_context(cx.clone()).await;
            signals.end(conn, cx, &name, stored.as_ref().err().map(JobsError::to_string));
            stored.map(|_| true)
        };
        self.floor.db.write(work).await.map_err(Trouble::Enqueue)
    }

    /// The database's clock was wrong, and was set back: the schedule goes on from what it shows now.
    async fn begin_anew(
        &self,
        schedule: &Planned,
        last: DateTime<Utc>,
        clock: DateTime<Utc>,
    ) -> Result<Duration, Trouble> {
        let name = schedule.name.clone();
        let advance =
            async move |conn: &mut Conn| Ok(store::advance_schedule(conn, &name, last, clock).await?);
        if self.floor.db.write(advance).await.map_err(Trouble::Enqueue)? {
            tracing::error!(
                schedule = schedule.name,
                last_tick = %last,
                %clock,
                "a schedule's last tick is more than a day ahead of the database's clock: it begins anew"
            );
        }
        Ok(Duration::ZERO)
    }

    /// Lets the schedule be, and says until when.
    fn rest(&mut self, place: usize, schedule: &Planned, tick: DateTime<Utc>, trouble: &Trouble) -> Instant {
        let length =
            self.rests[place].as_ref().map_or(SHORTEST_REST, |rest| (rest.length * 2).min(LONGEST_REST));
        tracing::error!(
            schedule = schedule.name,
            job = schedule.kind,
            %tick,
            error = %trouble,
            retry_in = ?length,
            "a tick's job is not enqueued"
        );
        let until = Instant::now() + length;
        self.rests[place] = Some(Rest { until, length });
        until
    }

    fn database_failed(&mut self, error: &DbError) -> Instant {
        if self.pause.is_none() {
            tracing::warn!(%error, "schedules have to wait for the database");
        }
        let pause = next_pause(self.pause);
        self.pause = Some(pause);
        Instant::now() + pause
    }
}

fn names(floor: &Floor) -> Vec<&str> {
    floor.kinds.schedules().iter().map(|schedule| &*schedule.name).collect()
}
