//! A worker that hangs and comes back: what it had is another's by then, and nothing that it writes counts.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use spanbox::jobs::State;

use crate::ground::{Ground, Workers, eventually, on_each};
use crate::process::Process;

on_each!(
    a_worker_that_hung_changes_nothing_and_one_that_is_slow_keeps_its_job,
    workers_that_slept_together_take_nothing_from_each_other,
);

const LEASE: Duration = Duration::from_secs(1);
/// The number of the job that lasts for five leases.
const SLOW: usize = 0;
/// The number of the one whose worker hangs.
const HUNG: usize = 1;

async fn a_worker_that_hung_changes_nothing_and_one_that_is_slow_keeps_its_job(ground: Ground) {
    // One job each, so that it is known who has which.
    let workers = Workers { lease: LEASE, concurrency: 1, ..Workers::default() };
    let slow = ground.worker(&workers).await;
    ground.enqueue_effects(SLOW, 1, 5000).await;
    began(&ground, SLOW, 1).await;
    let (one, two) = (ground.worker(&workers).await, ground.worker(&workers).await);
    ground.enqueue_effects(HUNG, 1, 800).await;
    began(&ground, HUNG, 1).await;
    let has_it = !ground.had_by(&one).await.is_empty();
    let (mut hangs, other) = if has_it { (one, two) } else { (two, one) };

    let stopped = stop_outside_of_a_unit(&ground, &hangs).await;
    began(&ground, HUNG, 2).await;
    eventually("another has done it", async || done(&ground, HUNG).await).await;
    tokio::time::sleep_until((stopped + 3 * LEASE).into()).await;
    let row = || {
        let columns = "state || token || attempt || worker || crashes || finished_at || COALESCE(error, '')";
        format!("SELECT {columns} AS line FROM spanbox_jobs WHERE id = (SELECT MAX(id) FROM spanbox_jobs)")
    };
    let before = ground.lines(&row()).await;
    hangs.signal(Signal::CONT);
    hangs.says(&format!("lost {HUNG}")).await;
    // What it still had to say about the job is written, or not, by the time it stops.
    hangs.stop().await;
    assert_eq!(ground.lines(&row()).await, before, "the late one changed the job");

    eventually("the slow one is done", async || done(&ground, SLOW).await).await;
    ground.effects_are_exactly_once(2).await;
    let runs = "SELECT n AS a, COUNT(*) AS b FROM executions GROUP BY n ORDER BY n";
    let runs = ground.pairs(runs).await;
    ground.tell(format_args!("SIGSTOP for {:?}: runs by job {runs:?}", stopped.elapsed()));
    assert_eq!(runs, [(0, 1), (1, 2)], "the job of five leases ran once, the hung one's twice");
    assert_eq!(ground.count(State::Completed).await, 2);
    slow.stop().await;
    other.stop().await;
}

/// As on a machine that was suspended: all leases have run out, and nobody is dead.
async fn workers_that_slept_together_take_nothing_from_each_other(ground: Ground) {
    let workers = Workers { lease: LEASE, concurrency: 1, ..Workers::default() };
    let processes = [ground.worker(&workers).await, ground.worker(&workers).await];
    ground.enqueue_effects(0, 2, 3000).await;
    began(&ground, 0, 1).await;
    began(&ground, 1, 1).await;
    for process in &processes {
        stop_outside_of_a_unit(&ground, process).await;
    }
    tokio::time::sleep(2 * LEASE).await;
    // One is awake before the other.
    processes[0].signal(Signal::CONT);
    tokio::time::sleep(LEASE / 2).await;
    processes[1].signal(Signal::CONT);
    ground.completes(2).await;
    let crashes = ground.number("SELECT CAST(SUM(crashes) AS BIGINT) AS number FROM spanbox_jobs").await;
    assert_eq!((ground.runs_again("effect").await, crashes), (0, 0), "one was taken for dead");
    ground.effects_are_exactly_once(2).await;
    for process in processes {
        process.stop().await;
    }
}

async fn began(ground: &Ground, n: usize, times: i64) {
    let sql = format!("SELECT COUNT(*) AS number FROM executions WHERE n = {n}");
    eventually(&format!("run {times} of job {n} begins"), async || ground.number(&sql).await >= times).await;
}

async fn done(ground: &Ground, n: usize) -> bool {
    ground.number(&format!("SELECT runs AS number FROM effects WHERE n = {n}")).await == 1
}

/// Stops a process where it holds no lock of the database: with one, everybody would wait for it, which no lease
/// changes. The heartbeats take a hundredth of the time, so it is rarely done twice.
async fn stop_outside_of_a_unit(ground: &Ground, process: &Process) -> Instant {
    loop {
        process.signal(Signal::STOP);
        let stopped = Instant::now();
        let free = ground.sql("UPDATE spanbox_jobs SET priority = priority");
        if tokio::time::timeout(Duration::from_millis(500), free).await.is_ok() {
            return stopped;
        }
        process.signal(Signal::CONT);
    }
}
