//! Jobs that are run as a service runs them: by a dispatcher and its workers, each run in its trace.

use std::time::{Duration, Instant};

use spanbox::actor::Actors;
use spanbox::data::{Db, Redis};
use spanbox::jobs::{Job, JobsSettings, Kinds, Runner};
use spanbox::telemetry::Telemetry;
use tokio::time::{sleep, timeout};

use super::MeasureError;
use super::bare::{cpu_of, per_second};
use super::kind::{self, Noop, Progress};
use super::place::{Places, Store, completed, open, settle};
use crate::figures::Figures;
use crate::machine;
use crate::nowhere;
use crate::sink::Sink;

/// The name of what a service does among the figures.
pub(super) const RUN: &str = "run: all traced and measured";

/// Nothing takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);
/// How often it is looked whether all have ended.
const LOOK: Duration = Duration::from_millis(5);

/// With every trace recorded and sent to a collector in this process, and all metrics.
pub(super) async fn traced(places: &Places, store: Store, into: &mut Figures) -> Result<(), MeasureError> {
    let telemetry = Sink::start()?.telemetry()?;
    run(places, store, RUN, &telemetry, into).await
}

/// Without telemetry, though the jobs were enqueued in traces.
pub(super) async fn untraced(places: &Places, store: Store, into: &mut Figures) -> Result<(), MeasureError> {
    run(places, store, "run: without telemetry", &Telemetry::disabled(), into).await
}

async fn run(
    places: &Places,
    store: Store,
    what: &'static str,
    telemetry: &Telemetry,
    into: &mut Figures,
) -> Result<(), MeasureError> {
    let (place, jobs) = (places.fresh(store).await?, store.jobs());
    {
        let (telemetry, _) = nowhere::telemetry()?;
        kind::enqueue(&place.db(&telemetry).await?, &telemetry, jobs).await?;
    }
    let db = place.db(telemetry).await?;
    settle(&db).await?;
    let progress = Progress::of(jobs);
    let (start, cpu) = (Instant::now(), machine::cpu_time());
    let process = Process::start::<Noop>(&db, place.redis(telemetry)?, telemetry, progress.clone()).await?;
    let ended = timeout(LIMIT, async {
        progress.all().await;
        // What counts them takes from what it waits for.
        while open(&db).await? > 0 {
            sleep(LOOK).await;
        }
        Ok::<_, MeasureError>(())
    })
    .await;
    let (took, cpu) = (start.elapsed(), machine::cpu_time() - cpu);
    let done = completed(&db).await?;
    if ended.is_err() || done != jobs || progress.count() != jobs {
        return Err(MeasureError::Incomplete { what, jobs, done });
    }
    ended.unwrap_or(Ok(()))?;
    process.stop().await;
    into.add(store.name(), what, "jobs/s", per_second(jobs, took));
    into.add(store.name(), format!("{what}, CPU of this process"), "µs/job", cpu_of(store, cpu));
    if telemetry.providers().traces.is_some() {
        let spans = telemetry.shutdown(LIMIT).spans;
        for (which, spans) in [("sent", spans.sent), ("lost", spans.lost)] {
            #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
            into.add(store.name(), format!("{what}, spans {which}"), "1/job", spans as f64 / jobs as f64);
        }
    }
    Ok(())
}

/// What runs jobs of a kind, as a process of its own would.
pub(super) struct Process {
    runner: Runner,
    actors: Actors,
}

impl Process {
    pub(super) async fn start<J: Job>(
        db: &Db,
        redis: Option<Redis>,
        telemetry: &Telemetry,
        state: J::State,
    ) -> Result<Self, MeasureError> {
        let mut kinds = Kinds::default();
        kinds.add::<J>(state)?;
        let actors = Actors::new(telemetry.clone());
        let (db, settings) = (db.clone(), JobsSettings::default());
        let runner = match redis {
            None => Runner::start(db, &actors, telemetry, settings, kinds, None)?,
            Some(redis) => Runner::start_on(redis, db, &actors, telemetry, settings, kinds, None).await?,
        };
        Ok(Self { runner, actors })
    }

    pub(super) async fn stop(mut self) {
        let deadline = Instant::now() + LIMIT;
        self.runner.drain(deadline).await;
        self.actors.drain(deadline).await;
        self.runner.close();
    }
}
