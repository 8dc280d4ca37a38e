//! The jobs that are counted.

use std::time::Duration;

use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db, DbError, query};
use spanbox::jobs::{Backoff, Job, JobContext, JobError, Policy};
use spanbox::module::Module;

use crate::child::say;

diesel::table! { executions (job) { job -> BigInt, kind -> Text, n -> BigInt, attempt -> BigInt } }
diesel::table! { effects (n) { n -> BigInt, runs -> BigInt } }
diesel::table! { orders (n) { n -> BigInt } }

/// The queue of all of them.
pub(crate) const QUEUE: &str = "work";

/// What a worker process can run.
pub(crate) fn module() -> Module {
    Module::new("work")
        .job::<Effect, _>(|boot| boot.db())
        .job::<Plain, _>(|boot| boot.db())
        .job::<Abort, _>(|boot| boot.db())
        .job::<Nothing, _>(|_| Ok(()))
}

/// Whoever kills workers is to blame, and not the jobs: they are tried until they are done.
fn until_done() -> Policy {
    Policy::default().max_attempts(1_000_000).backoff(Backoff::constant(Duration::from_millis(100)))
}

/// Says that it runs, takes a while, and adds one to the runs of its number in the transaction that completes it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) n: i64,
    pub(crate) ms: u64,
}

impl Job for Effect {
    const NAME: &'static str = "effect";
    const QUEUE: &'static str = QUEUE;
    type State = Db;

    fn policy() -> Policy {
        until_done()
    }

    async fn run(self, db: Db, ctx: JobContext) -> Result<(), JobError> {
        let Self { n, ms } = self;
        record::<Self>(&db, n, &ctx).await?;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let done = db
            .write(async move |conn: &mut Conn| -> Result<(), JobError> {
                let effect = diesel::update(effects::table.find(n)).set(effects::runs.eq(effects::runs + 1));
                query!(&mut *conn, c => effect.execute(c).await)?;
                ctx.complete_in(conn).await
            })
            .await;
        if done.as_ref().is_err_and(JobError::is_lost_lease) {
            say(format!("lost {n}"));
        }
        done
    }
}

/// Says that it runs, and leaves it to its worker to complete it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plain {
    pub(crate) n: i64,
}

impl Job for Plain {
    const NAME: &'static str = "plain";
    const QUEUE: &'static str = QUEUE;
    type State = Db;

    fn policy() -> Policy {
        until_done()
    }

    async fn run(self, db: Db, ctx: JobContext) -> Result<(), JobError> {
        Ok(record::<Self>(&db, self.n, &ctx).await?)
    }
}

/// Says that it runs, and takes its process with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Abort;

impl Job for Abort {
    const NAME: &'static str = "abort";
    const QUEUE: &'static str = QUEUE;
    type State = Db;

    async fn run(self, db: Db, ctx: JobContext) -> Result<(), JobError> {
        record::<Self>(&db, 0, &ctx).await?;
        std::process::abort()
    }
}

/// Does nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Nothing;

impl Job for Nothing {
    const NAME: &'static str = "nothing";
    const QUEUE: &'static str = QUEUE;
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

/// Notes a run in a unit of work of its own: it counts whatever becomes of the run.
async fn record<J: Job>(db: &Db, n: i64, ctx: &JobContext) -> Result<(), DbError> {
    let (job, attempt) = (ctx.id(), i64::from(ctx.attempt()));
    db.write(async move |conn: &mut Conn| {
        let row = (
            executions::job.eq(job),
            executions::kind.eq(J::NAME),
            executions::n.eq(n),
            executions::attempt.eq(attempt),
        );
        query!(conn, c => diesel::insert_into(executions::table).values(row).execute(c).await).map(drop)
    })
    .await
}
