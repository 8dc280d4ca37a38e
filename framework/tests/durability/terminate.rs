//! SIGTERM under load: what runs is finished or given back, and no attempt is spent.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::ground::{Ground, Workers, eventually, on_each};
use crate::size::size;

on_each!(a_stop_under_load_spends_no_attempt, a_second_signal_ends_a_worker_at_once);

/// What a worker has to stop.
const GRACE: Duration = Duration::from_millis(500);
/// A run of so many milliseconds is not done within the grace.
const LONG: u64 = 3_600_000;

async fn a_stop_under_load_spends_no_attempt(ground: Ground) {
    let (stops, jobs) = (size("STOPS", 5, 50), size("STOP_JOBS", 200, 300));
    let workers = Workers { grace: GRACE, ..Workers::default() };
    // Two that can not be finished, among the others.
    ground.enqueue_effects(0, 1, LONG).await;
    ground.enqueue_effects(1, jobs * stops, 5).await;
    ground.enqueue_effects(jobs * stops + 1, 1, LONG).await;
    let (mut took, mut given_back) = (Vec::new(), 0);
    for stop in 0..stops {
        let mut process = ground.worker(&workers).await;
        ground.completes(jobs * stop + jobs / 2).await;
        let asked = Instant::now();
        process.signal(Signal::TERM);
        let report: Value = serde_json::from_str(&process.says("stopped").await).unwrap();
        let status = process.ends().await;
        took.push(asked.elapsed());
        assert!(status.success(), "{status}");
        given_back += report["jobs_given_back"].as_u64().unwrap();
        assert!(took[stop] <= GRACE + Duration::from_secs(2), "it took {:?} to stop", took[stop]);
        assert_eq!(ground.had_by(&process).await, [0; 0], "its leases are given back");
        let spent = "SELECT COUNT(*) AS number FROM spanbox_jobs \
                     WHERE attempt <> CASE state WHEN 'available' THEN 0 ELSE 1 END OR crashes > 0";
        assert_eq!(ground.number(spent).await, 0, "attempts were spent");
    }
    let process = ground.worker(&workers).await;
    ground.completes(jobs * stops).await;
    process.stop().await;
    let undone = ground.pairs("SELECT n AS a, runs AS b FROM effects WHERE runs <> 1").await;
    ground.tell(format_args!(
        "SIGTERM ×{stops} under load: ended within {:?} of a grace of {GRACE:?}, {given_back} given back",
        took.iter().max().unwrap(),
    ));
    assert_eq!(undone.len(), 2, "the two long ones alone are left: {undone:?}");
    assert!(given_back > 0, "there was something to give back");
}

async fn a_second_signal_ends_a_worker_at_once(ground: Ground) {
    let workers = Workers::default();
    ground.enqueue_effects(0, 1, LONG).await;
    let mut process = ground.worker(&workers).await;
    eventually("it runs", async || ground.number("SELECT COUNT(*) AS number FROM executions").await == 1)
        .await;
    process.signal(Signal::TERM);
    eventually("it heard the first", async || ground.logged().contains("stopping")).await;
    // Those that come together with the first are one with it.
    let asked = Instant::now();
    eventually("it leaves", async || {
        process.signal(Signal::TERM);
        process.has_ended().is_some()
    })
    .await;
    let status = process.ends().await;
    assert_eq!(status.code(), Some(130), "{status}");
    let took = asked.elapsed();
    assert!(took <= Duration::from_secs(2), "it took {took:?}");
    // The job is not lost: its lease runs out, and another has it.
    let other = ground.worker(&workers).await;
    eventually("another has it", async || {
        ground.number("SELECT COUNT(*) AS number FROM executions").await == 2
    })
    .await;
    ground.tell(format_args!("a second SIGTERM: ended after {took:?}"));
    drop(other);
}
