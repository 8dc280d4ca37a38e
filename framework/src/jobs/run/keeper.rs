//! The actor that keeps house for a process's jobs: prolongs leases, takes jobs from the dead, forgets the old ones,
//! and rings the dispatchers when there is something for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext as _, WrapFuture as _};
use opentelemetry::trace::FutureExt as _;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::floor::{Bell, Floor};
use super::forsaken::take_back_forsaken;
use super::others::Others;
use super::stream::{check_epoch, relay_all, sweep};
use crate::actor;
use crate::data::{Conn, DbError, Heard, Listener};
use crate::jobs::State;
use crate::jobs::error::JobsError;
use crate::jobs::store;

/// Orphans are taken at most this long after their lease ran out, unless the database was away.
const RESCUE: Duration = Duration::from_secs(2);
const PRUNE: Duration = Duration::from_secs(30);
const GAUGES: Duration = Duration::from_secs(10);
/// Rescued, or forgotten, in one statement at most.
const BATCH: usize = 1000;
/// Beyond this the depth of a queue is not counted.
const DEPTH: usize = 100_000;
/// Where enqueued jobs are announced.
pub(crate) const CHANNEL: &str = "spanbox_jobs";

pub(super) struct Keeper {
    pub(super) floor: Arc<Floor>,
}

impl Actor for Keeper {
    type Context = actor::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let floor = Arc::clone(&self.floor);
        let quiet = floor.signals.quiet();
        ctx.spawn(keep(floor).with_context(quiet).into_actor(self));
    }
}

async fn keep(floor: Arc<Floor>) {
    // What is said from the first moment on is heard.
    let listener = floor.db.listen(CHANNEL);
    let mut heartbeat = every(floor.settings.lease / 3);
    let mut rescue = every(RESCUE.min(floor.settings.lease));
    let (mut prune, mut gauges) = (every(PRUNE), every(GAUGES));
    let listening = listen(&floor, listener);
    let housework = async {
        let mut others = Others::new(floor.settings.lease);
        loop {
            let chore = tokio::select! {
                biased;
                _ = heartbeat.tick() => Chore::Beat,
                _ = rescue.tick() => Chore::Rescue,
                _ = prune.tick() => Chore::Forget,
                _ = gauges.tick() => Chore::Measure,
            };
            others.awake(Instant::now());
            let done = match chore {
                Chore::Beat => beat(&floor).await,
                Chore::Rescue => take_from_the_dead(&floor, &mut others).await,
                Chore::Forget => forget(&floor).await,
                Chore::Measure => measure(&floor).await,
            };
            if let Err(error) = done {
                tracing::debug!(%error, "{}", chore.undone());
                if matches!(chore, Chore::Beat | Chore::Rescue) {
                    others.were_cut_off();
                }
                heartbeat.reset_after(Duration::from_millis(500).min(floor.settings.lease / 3));
            }
        }
    };
    let publishing = async {
        if let Some(stream) = &floor.stream {
            relay_all(&floor, stream).await;
        }
    };
    tokio::join!(listening, publishing, housework);
}

#[derive(Clone, Copy)]
enum Chore {
    Beat,
    Rescue,
    Forget,
    Measure,
}

impl Chore {
    fn undone(self) -> &'static str {
        match self {
            Self::Beat => "leases are not prolonged",
            Self::Rescue => "jobs of dead workers are not taken",
            Self::Forget => "old jobs are not forgotten",
            Self::Measure => "queues are not measured",
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Rings the dispatchers of queues that something was put into.
async fn listen(floor: &Floor, mut listener: Listener) {
    while let Some(heard) = listener.next().await {
        match heard {
            Heard::Said(queue) => {
                if let Some(bell) = floor.bells.get(&*queue) {
                    bell.ring();
                }
            }
            Heard::Attentive => floor.bells.values().for_each(Bell::ring),
        }
    }
}

/// Prolongs the leases of all jobs in hand, and says in the streams that they are kept.
async fn beat(floor: &Floor) -> Result<(), JobsError> {
    let leased = floor.leased();
    let (delivered, entries) = floor.delivered();
    // One server that is away does not keep the other from being told.
    let told = match &floor.stream {
        Some(stream) => stream.beat(floor.settings.lease, &entries).await,
        None => Ok(()),
    };
    if leased.is_empty() && delivered.is_empty() {
        return Ok(told?);
    }
    let (asked, lease) = ([leased.as_slice(), &delivered].concat(), floor.settings.lease);
    let beats: Result<_, DbError> = if leased.is_empty() {
        floor.db.read(async move |conn: &mut Conn| store::still_held(conn, &delivered).await).await
    } else {
        let beat = async move |conn: &mut Conn| {
            let mut beats = store::heartbeat(conn, &leased, lease).await?;
            beats.extend(store::still_held(conn, &delivered).await?);
            Ok(beats)
        };
        floor.db.write(beat).await
    };
    let lost = floor.hear(&asked, &beats?);
    if lost > 0 {
        tracing::warn!(
            jobs = lost,
            "leases were lost to other workers: this process hung, or lost the database"
        );
    }
    Ok(told?)
}

async fn take_from_the_dead(floor: &Floor, others: &mut Others) -> Result<(), JobsError> {
    // One's own leases first: they may look dead as well.
    beat(floor).await?;
    others.awake(Instant::now());
    if others.are_cut_off() {
        floor.db.ping().await?;
    }
    if let Some(stream) = &floor.stream {
        check_epoch(floor, stream).await?;
    }
    if !others.may_be_judged(Instant::now()) {
        return Ok(());
    }
    match &floor.stream {
        Some(stream) => sweep(floor, stream).await?,
        None => take_back_forsaken(floor).await?,
    }
    loop {
        let crashes = floor.settings.max_crashes;
        let rescued: Result<_, DbError> =
            floor.db.write(async move |conn: &mut Conn| store::rescue(conn, BATCH, crashes).await).await;
        let rescued = rescued?;
        for job in &rescued {
            let dead = job.state == State::Dead;
            floor.signals.rescued(&job.queue, dead);
            if dead {
                tracing::error!(
                    job = job.id,
                    queue = job.queue,
                    crashes = job.crashes,
                    "a job that its workers died over is a dead letter"
                );
            }
            if let Some(bell) = floor.bells.get(&*job.queue) {
                bell.suspects.store(true, Ordering::Release);
                bell.ring();
            }
        }
        if !rescued.is_empty() {
            tracing::warn!(jobs = rescued.len(), "jobs were taken from workers whose leases ran out");
        }
        if rescued.len() < BATCH {
            return Ok(());
        }
    }
}

async fn forget(floor: &Floor) -> Result<(), JobsError> {
    let settings = &floor.settings;
    let ages = [
        (State::Completed, settings.keep_completed),
        (State::Cancelled, settings.keep_cancelled),
        (State::Dead, settings.keep_dead),
    ];
    for (state, age) in ages {
        loop {
            let gone: Result<_, DbError> = floor
                .db
                .write(async move |conn: &mut Conn| store::prune(conn, state, age, BATCH).await)
                .await;
            if gone? < BATCH {
                break;
            }
            // Others have a turn with the database in between, and so have the leases.
            beat(floor).await?;
        }
    }
    Ok(())
}

async fn measure(floor: &Floor) -> Result<(), JobsError> {
    for queue in floor.bells.keys() {
        let name = queue.to_string();
        let backlog: Result<_, DbError> =
            floor.db.read(async move |conn: &mut Conn| store::backlog(conn, &name, DEPTH).await).await;
        let mut backlog = backlog?;
        if let Some(stream) = &floor.stream {
            backlog.due += i64::try_from(stream.waiting(queue).await?).unwrap_or(i64::MAX);
        }
        floor.signals.waiting(queue, backlog);
    }
    Ok(())
}
