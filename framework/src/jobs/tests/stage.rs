//! A process that runs jobs which do as they are told.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::*;
use crate::actor::Actors;
use crate::jobs::{Backoff, Cancelled, JobsSettings, Kinds, Runner, RunnerReport};

/// Nothing here takes longer.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// What a run does.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) enum Does {
    Pass,
    Fail,
    FailWith(String),
    GiveUp,
    Panic,
    TooLong,
    Hang,
    Complete,
    /// Waits for a permit.
    Wait,
    UntilCancelled,
    Sleep(u64),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Act {
    pub(super) does: Does,
}

/// What the runs share with the test.
#[derive(Clone)]
pub(super) struct Stage {
    began: mpsc::UnboundedSender<(i64, u32)>,
    cancelled: mpsc::UnboundedSender<Cancelled>,
    pub(super) gate: Arc<Semaphore>,
}

impl Job for Act {
    const NAME: &'static str = "act";
    const QUEUE: &'static str = "notes";
    type State = Stage;

    fn policy() -> Policy {
        Policy::default()
            .max_attempts(3)
            .backoff(Backoff::constant(Duration::from_millis(5)))
            .timeout(Duration::from_millis(2500))
    }

    async fn run(self, stage: Stage, ctx: JobContext) -> Result<(), JobError> {
        stage.began.send((ctx.id(), ctx.attempt())).ok();
        match self.does {
            Does::Pass => Ok(()),
            Does::Fail => Err(JobError::retry("it rains")),
            Does::FailWith(error) => Err(JobError::give_up(error)),
            Does::GiveUp => Err(JobError::give_up("no such thing")),
            Does::Panic => panic!("it burns"),
            Does::TooLong | Does::Hang => std::future::pending().await,
            Does::Complete => {
                let db = ctx.db().clone();
                db.write(async move |conn: &mut Conn| ctx.complete_in(conn).await).await
            }
            Does::Wait => {
                stage.gate.acquire().await?.forget();
                Ok(())
            }
            Does::UntilCancelled => {
                let reason = ctx.cancelled().await;
                stage.cancelled.send(reason).ok();
                Err(JobError::retry("cancelled"))
            }
            Does::Sleep(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(())
            }
        }
    }
}

/// A run that takes its time, in milliseconds, and longer than those of [`Act`] may.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Nap(pub(super) u64);

impl Job for Nap {
    const NAME: &'static str = "nap";
    const QUEUE: &'static str = "notes";
    type State = Stage;

    async fn run(self, stage: Stage, ctx: JobContext) -> Result<(), JobError> {
        stage.began.send((ctx.id(), ctx.attempt())).ok();
        tokio::time::sleep(Duration::from_millis(self.0)).await;
        Ok(())
    }
}

pub(super) fn act(does: Does) -> Enqueue<Act> {
    Enqueue::new(Act { does })
}

/// A process that runs jobs.
pub(super) struct Process {
    pub(super) runner: Runner,
    pub(super) actors: Actors,
    pub(super) stage: Stage,
    pub(super) began: mpsc::UnboundedReceiver<(i64, u32)>,
    pub(super) cancelled: mpsc::UnboundedReceiver<Cancelled>,
}

pub(super) fn settings() -> JobsSettings {
    JobsSettings { concurrency: 4, threads: 1, lease: Duration::from_secs(60), ..JobsSettings::default() }
}

impl Process {
    pub(super) async fn start(fixture: &Fixture, settings: JobsSettings, telemetry: &Telemetry) -> Self {
        let (began, runs) = mpsc::unbounded_channel();
        let (cancelled, reasons) = mpsc::unbounded_channel();
        let stage = Stage { began, cancelled, gate: Arc::new(Semaphore::new(0)) };
        let mut kinds = Kinds::default();
        kinds.add::<Act>(stage.clone()).unwrap();
        kinds.add::<Nap>(stage.clone()).unwrap();
        let actors = Actors::new(telemetry.clone());
        let db = fixture.db.clone();
        let runner = match fixture.redis.clone() {
            None => Runner::start(db, &actors, telemetry, settings, kinds, None).unwrap(),
            Some(redis) => {
                Runner::start_on(redis, db, &actors, telemetry, settings, kinds, None).await.unwrap()
            }
        };
        Self { runner, actors, stage, began: runs, cancelled: reasons }
    }

    pub(super) async fn run(fixture: &Fixture) -> Self {
        Self::start(fixture, settings(), &Telemetry::disabled()).await
    }

    /// The next run that begins: the job and the attempt.
    pub(super) async fn begins(&mut self) -> (i64, u32) {
        timeout(SOON, self.began.recv()).await.expect("no run began").unwrap()
    }

    pub(super) async fn stop(mut self, grace: Duration) -> RunnerReport {
        let report = self.runner.drain(Instant::now() + grace).await;
        self.actors.drain(Instant::now() + Duration::from_secs(2)).await;
        self.runner.close();
        report
    }

    pub(super) async fn end(self) {
        let report = self.stop(SOON).await;
        assert_eq!(report.given_back, 0);
    }
}

impl Fixture {
    pub(super) async fn act<J: Job>(&self, job: Enqueue<J>) -> i64 {
        self.write(async move |conn: &mut Conn| job.enqueue(conn).await).await.id
    }

    /// Waits until the job is in a state.
    pub(super) async fn becomes(&self, id: i64, state: State) -> Record {
        let reached = async {
            loop {
                let record = self.get(id).await;
                if record.state().unwrap() == state {
                    return record;
                }
            }
        };
        timeout(SOON, reached).await.unwrap_or_else(|_| panic!("job {id} does not become {state}"))
    }

    pub(super) async fn all_become(&self, state: State, count: i64) {
        let sql = format!("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state = '{state}'");
        let reached = async { while self.number(&sql).await != count {} };
        timeout(SOON, reached).await.unwrap_or_else(|_| panic!("not all jobs become {state}"));
    }
}
