//! The database away under load: workers wait for it, and go on as soon as it is back.

use std::time::{Duration, Instant};

use spanbox::data::{Conn, DbError};
use spanbox::jobs::{State, store};

use crate::ground::{Ground, Transport, Workers, eventually, run};
use crate::size::size;
use crate::streams::flush;
use crate::work::QUEUE;

#[test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
fn workers_outlive_the_database_and_go_on_when_it_is_back() {
    run(Transport::Postgres, outage);
}

async fn outage(mut ground: Ground) {
    let away = Duration::from_secs(size("OUTAGE_SECONDS", 5, 60).try_into().unwrap());
    let jobs = size("OUTAGE_JOBS", 2_000, 20_000);
    ground.enqueue_effects(0, jobs, 10).await;
    // Leases run out while the database is away.
    let workers = Workers::default();
    let mut processes = [ground.worker(&workers).await, ground.worker(&workers).await];
    ground.completes(jobs / 5).await;
    let mut server = ground.postgres.take().unwrap();
    server.stop().unwrap();
    tokio::time::sleep(away).await;
    let back = Instant::now();
    server.start_again().unwrap();
    let started = back.elapsed();
    ground.postgres = Some(server);

    next_run(&ground).await;
    let first = back.elapsed() - started;
    eventually("all are completed", async || {
        ground.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state <> 'completed'").await == 0
    })
    .await;
    let again = ground.runs_again("effect").await;
    let crashes = ground.number("SELECT CAST(SUM(crashes) AS BIGINT) AS number FROM spanbox_jobs").await;
    ground.tell(format_args!(
        "PostgreSQL away for {away:?} under load: first job {first:?} after it was back, {again} of {jobs} run again, \
         {crashes} taken for orphans"
    ));
    for process in &mut processes {
        assert!(process.has_ended().is_none(), "a worker did not outlive it");
    }
    assert_eq!(usize::try_from(ground.count(State::Completed).await).unwrap(), jobs);
    ground.effects_are_exactly_once(jobs).await;
    assert!(
        first <= Duration::from_secs(5),
        "the first job was picked up {first:?} after the server was back"
    );
    for process in processes {
        process.stop().await;
    }
}

#[test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
fn workers_outlive_a_redis_that_is_stopped_wiped_and_killed() {
    run(Transport::Redis, stopped_wiped_and_killed);
}

async fn stopped_wiped_and_killed(mut ground: Ground) {
    let away = Duration::from_secs(size("OUTAGE_SECONDS", 5, 60).try_into().unwrap());
    let jobs = size("OUTAGE_JOBS", 2_000, 20_000);
    ground.enqueue_effects(0, jobs, 10).await;
    let workers = Workers::default();
    let mut processes = [ground.worker(&workers).await, ground.worker(&workers).await];
    ground.completes(jobs / 5).await;
    let mut server = ground.redis.take().unwrap();
    server.stop().unwrap();
    tokio::time::sleep(away).await;
    server.start_again().unwrap();
    let stopped = next_run(&ground).await;
    ground.completes(jobs * 2 / 5).await;
    flush(&server).await;
    let wiped = next_run(&ground).await;
    ground.completes(jobs * 3 / 5).await;
    server.kill().unwrap();
    server.start_again().unwrap();
    let killed = next_run(&ground).await;
    ground.redis = Some(server);
    ground.completes(jobs).await;
    let again = ground.runs_again("effect").await;
    ground.tell(format_args!(
        "Redis away for {away:?} under load: first job {stopped:?} after it was back; wiped: {wiped:?}; killed: \
         {killed:?}; {again} of {jobs} run again"
    ));
    for process in &mut processes {
        assert!(process.has_ended().is_none(), "a worker did not outlive it");
    }
    ground.effects_are_exactly_once(jobs).await;
    assert!(stopped.max(wiped).max(killed) <= Duration::from_secs(5), "{stopped:?}, {wiped:?}, {killed:?}");
    for process in processes {
        process.stop().await;
    }
}

/// How long it takes until a job is begun that was not before.
async fn next_run(ground: &Ground) -> Duration {
    let began = Instant::now();
    let runs = "SELECT COUNT(*) AS number FROM executions";
    let before = ground.number(runs).await;
    eventually("a job is picked up", async || ground.number(runs).await > before).await;
    began.elapsed()
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
fn what_others_have_is_not_taken_from_them_because_the_database_was_away() {
    run(Transport::Postgres, others_leases);
}

async fn others_leases(mut ground: Ground) {
    let lease = Duration::from_secs(4);
    // Another worker has a job, and its lease runs out while the database is away.
    ground.enqueue_effects(0, 1, 0).await;
    let had = async move |conn: &mut Conn| store::lease(conn, QUEUE, 1, "another", 10 * lease).await;
    let had: Result<_, DbError> = ground.db.write(had).await;
    let held = had.unwrap()[0].held();
    let prolong = async |ground: &Ground, lease: Duration| {
        let work = async move |conn: &mut Conn| store::heartbeat(conn, &[held], lease).await;
        let beats: Result<_, DbError> = ground.db.write(work).await;
        beats.unwrap().len()
    };
    let process = ground.worker(&Workers { lease, ..Workers::default() }).await;
    assert_eq!(prolong(&ground, Duration::from_secs(1)).await, 1);
    let mut server = ground.postgres.take().unwrap();
    server.stop().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.start_again().unwrap();
    ground.postgres = Some(server);
    // Orphans are looked for every two seconds, and whoever is alive is back within a lease.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(prolong(&ground, lease).await, 1, "it was taken for an orphan");
    process.stop().await;
}
