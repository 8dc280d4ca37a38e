//! Jobs that do nothing, run by apalis: `apalis-peer sqlite FILE JOBS` or `apalis-peer redis URL JOBS`.
//!
//! They are enqueued first. What is printed is the time from the start of the worker until the store has the last of
//! them as done. A job is at least once and its end is stored, as those of spanbox; nothing is traced.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_redis::RedisStorage;
use apalis_sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteStorage};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

type Failed = Box<dyn Error + Send + Sync>;

/// Fetched, and acknowledged, at once at most: of 10 (the default), 100, 500 and 1000 the fastest on both stores.
const BATCH: usize = 500;
const QUEUE: &str = "noops";
/// Enqueued at once.
const PUSHED: usize = 1000;
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Serialize, Deserialize)]
struct Noop {
    order_id: usize,
}

struct Progress {
    jobs: usize,
    ran: AtomicUsize,
    all: Notify,
}

impl Progress {
    fn ran(&self) {
        if self.ran.fetch_add(1, Ordering::Relaxed) + 1 == self.jobs {
            self.all.notify_one();
        }
    }
}

async fn noop(_: Noop, progress: Data<Arc<Progress>>) -> Result<(), BoxDynError> {
    progress.ran();
    Ok(())
}

#[derive(Serialize)]
struct Measured {
    jobs: usize,
    seconds: f64,
    version: &'static str,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, place, jobs] = &arguments[..] else {
        return Err("say which store, where it is and how many jobs: sqlite FILE JOBS, or redis URL JOBS".into());
    };
    let jobs = jobs.parse()?;
    let (took, version) = match store.as_str() {
        "sqlite" => (sqlite(place, jobs).await?, "apalis 1.0 (apalis-sqlite 1.0)"),
        "redis" => (redis(place, jobs).await?, "apalis 1.0 (apalis-redis 1.0)"),
        other => return Err(format!("there is no store {other}: sqlite or redis").into()),
    };
    println!("{}", serde_json::to_string(&Measured { jobs, seconds: took.as_secs_f64(), version })?);
    Ok(())
}

fn batches(jobs: usize) -> impl Iterator<Item = Vec<Noop>> {
    (0..jobs).step_by(PUSHED).map(move |first| {
        (first..jobs.min(first + PUSHED)).map(|order_id| Noop { order_id }).collect()
    })
}

async fn sqlite(file: &str, jobs: usize) -> Result<Duration, Failed> {
    // `SqliteStorage::setup` has `synchronous = OFF`, which survives no power cut; spanbox runs with NORMAL.
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "NORMAL")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", "64000")
        .pragma("journal_size_limit", "67108864");
    // One connection: with more, a read that goes on to write fails as busy.
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    SqliteStorage::migrations().run(&pool).await?;
    let config = apalis_sqlite::Config::default().queue(QUEUE).batch_size(BATCH);
    let mut storage = SqliteStorage::<Noop>::new(&pool).with_config(config);
    for batch in batches(jobs) {
        storage.push_bulk(batch).await?;
    }
    let progress = Arc::new(Progress { jobs, ran: AtomicUsize::new(0), all: Notify::new() });
    let worker = WorkerBuilder::new("peer").backend(storage).data(progress.clone()).build(noop);
    let start = Instant::now();
    let running = tokio::spawn(async move { worker.run().await.map_err(|error| error.to_string()) });
    let done = async {
        progress.all.notified().await;
        loop {
            let open: i64 = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM Jobs WHERE status <> 'Done')")
                .fetch_one(&pool)
                .await?;
            if open == 0 {
                return Ok::<_, Failed>(start.elapsed());
            }
        }
    };
    ended(running, done).await
}

async fn redis(url: &str, jobs: usize) -> Result<Duration, Failed> {
    let mut connection = apalis_redis::connect(url).await?;
    let config = apalis_redis::Config::default().queue(QUEUE).batch_size(BATCH);
    let done_set = config.done_jobs_set();
    let mut storage = RedisStorage::<Noop>::new(connection.clone()).with_config(config);
    for batch in batches(jobs) {
        storage.push_bulk(batch).await?;
    }
    let progress = Arc::new(Progress { jobs, ran: AtomicUsize::new(0), all: Notify::new() });
    let worker = WorkerBuilder::new("peer").backend(storage).data(progress.clone()).build(noop);
    let start = Instant::now();
    let running = tokio::spawn(async move { worker.run().await.map_err(|error| error.to_string()) });
    let done = async {
        progress.all.notified().await;
        loop {
            let done: usize = redis::cmd("SCARD").arg(&done_set).query_async(&mut connection).await?;
            if done == jobs {
                return Ok::<_, Failed>(start.elapsed());
            }
        }
    };
    ended(running, done).await
}

/// The time that it took, unless the worker ends before or it takes too long.
async fn ended(
    running: tokio::task::JoinHandle<Result<(), String>>,
    done: impl Future<Output = Result<Duration, Failed>>,
) -> Result<Duration, Failed> {
    tokio::select! {
        took = timeout(LIMIT, done) => took.map_err(|_| Failed::from("the jobs did not end in time"))?,
        worker = running => Err(format!("the worker ended: {worker:?}").into()),
    }
}
