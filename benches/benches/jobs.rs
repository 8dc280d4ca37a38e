//! What jobs cost their database on SQLite: an enqueue (one in a unit of work, and a thousand), and a batch of 64 that is
//! leased and completed in one unit of work.
//!
//! `cargo bench -p benches --bench jobs`; the whole, with runs and PostgreSQL, is measured by
//! `cargo run --release -p benches -- jobs`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_rt::System;
use criterion::{Criterion, Throughput};
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db, DbError};
use spanbox::jobs::store::{self, Held, Leased};
use spanbox::jobs::{self, Job, JobContext, JobError, JobsError, MIGRATIONS};
use spanbox::telemetry::Telemetry;
use spanbox::testing::TestDatabase;

const MANY: usize = 1000;
const BATCH: usize = 64;
const LEASE: Duration = Duration::from_secs(600);

#[derive(Serialize, Deserialize)]
struct Noop {
    order_id: usize,
}

impl Job for Noop {
    const NAME: &'static str = "noop";
    const QUEUE: &'static str = "noops";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

async fn enqueue(db: &Db, jobs: usize) -> Result<(), JobsError> {
    db.write(async move |conn: &mut Conn| {
        jobs::enqueue_many(conn, (0..jobs).map(|order_id| Noop { order_id })).await.map(drop)
    })
    .await
}

/// Completes the one batch and leases the next.
async fn turn(db: &Db, held: Vec<Held>) -> Result<Vec<Held>, DbError> {
    db.write(async move |conn: &mut Conn| {
        store::complete(conn, &held).await?;
        let leased = store::lease(conn, "noops", BATCH, "bench", LEASE).await?;
        Ok(leased.iter().map(Leased::held).collect())
    })
    .await
}

/// The time of so many batches, of jobs that are there before the clock starts.
async fn turns(db: &Db, times: u64) -> Result<Duration, JobsError> {
    let mut held = Vec::new();
    let mut total = Duration::ZERO;
    for _ in 0..times {
        // The first of these only leases, and the last only completes: one batch in all.
        if held.is_empty() {
            held = turn(db, held).await?;
        }
        enqueue(db, BATCH).await?;
        let start = Instant::now();
        held = black_box(turn(db, held).await?);
        total += start.elapsed();
    }
    turn(db, held).await?;
    Ok(total)
}

async fn fresh(database: &TestDatabase) -> Result<Db, DbError> {
    let db = Db::connect(&database.settings(), &Telemetry::disabled()).await?;
    db.migrate(&MIGRATIONS).await?;
    Ok(db)
}

fn main() {
    let (system, database) = (System::new(), TestDatabase::sqlite());
    let db = match system.block_on(fresh(&database)) {
        Ok(db) => db,
        Err(error) => return eprintln!("no database to measure: {error}"),
    };
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("enqueue");
    for jobs in [1, MANY] {
        group.throughput(Throughput::Elements(jobs as u64));
        group.bench_function(format!("{jobs} in a unit of work"), |bencher| {
            bencher.iter(|| system.block_on(enqueue(&db, jobs)).expect("the database takes jobs"));
        });
    }
    group.finish();
    let database = TestDatabase::sqlite();
    let db = system.block_on(fresh(&database)).expect("a second database");
    let mut group = criterion.benchmark_group("lease and complete");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(format!("a batch of {BATCH}"), |bencher| {
        bencher
            .iter_custom(|times| system.block_on(turns(&db, times)).expect("the database turns jobs over"));
    });
    group.finish();
    criterion.final_summary();
}
