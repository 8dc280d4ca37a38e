//! Jobs that a worker died over, run by another.

use std::collections::HashSet;

use super::stage::{Does, Process, act, settings};
use super::*;
use crate::jobs::JobsSettings;

on_all!(
    an_orphan_is_run_by_another,
    orphans_that_take_long_do_not_wait_for_each_other,
    a_job_on_its_last_crash_runs_alone,
    a_job_on_its_last_crash_waits_for_no_more_than_a_lease,
);

async fn a_job_on_its_last_crash_runs_alone(fixture: Fixture) {
    let suspect = fixture.act(act(Does::Wait).priority(9)).await;
    fixture.sql("UPDATE spanbox_jobs SET crashes = 2").await;
    for _ in 0..3 {
        fixture.act(act(Does::Wait)).await;
    }
    let mut process = Process::run(&fixture).await;
    // The others may be first, or it; never together.
    let mut running = HashSet::from([process.begins().await.0]);
    if !running.contains(&suspect) {
        running.extend([process.begins().await.0, process.begins().await.0]);
        assert!(!running.contains(&suspect));
        process.stage.gate.add_permits(3);
        assert_eq!(process.begins().await.0, suspect);
    }
    assert_eq!(process.runner.in_hand(), 1);
    process.stage.gate.add_permits(4);
    fixture.all_become(State::Completed, 4).await;
    process.end().await;
}

async fn an_orphan_is_run_by_another(fixture: Fixture) {
    let id = fixture.act(act(Does::Pass)).await;
    let dead = fixture
        .write(async |conn: &mut Conn| {
            Ok(store::lease(conn, "notes", 1, "dead", Duration::from_millis(1)).await?)
        })
        .await;
    assert_eq!(dead.len(), 1);
    let process = Process::run(&fixture).await;
    let record = fixture.becomes(id, State::Completed).await;
    assert_eq!((record.attempt, record.crashes), (2, 1));
    process.end().await;
}

async fn orphans_that_take_long_do_not_wait_for_each_other(fixture: Fixture) {
    for _ in 0..4 {
        fixture.act(act(Does::Wait)).await;
    }
    fixture.sql("UPDATE spanbox_jobs SET crashes = 1").await;
    let mut process = Process::run(&fixture).await;
    let mut running = HashSet::new();
    for _ in 0..4 {
        running.insert(process.begins().await);
    }
    assert_eq!((running.len(), process.runner.in_hand()), (4, 4), "one ended before the last began");
    process.stage.gate.add_permits(4);
    fixture.all_become(State::Completed, 4).await;
    process.end().await;
}

async fn a_job_on_its_last_crash_waits_for_no_more_than_a_lease(fixture: Fixture) {
    let settings = JobsSettings {
        lease: Duration::from_millis(300),
        poll_interval: Duration::from_millis(100),
        ..settings()
    };
    let mut process = Process::start(&fixture, settings, &Telemetry::disabled()).await;
    let long = fixture.act(act(Does::Wait)).await;
    assert_eq!(process.begins().await, (long, 1));
    // Another worker dies over it, the second one.
    let suspect = fixture.act(act(Does::Wait).delay(Duration::from_secs(3600))).await;
    let died = "UPDATE spanbox_jobs SET state = 'running', attempt = 2, token = 2, crashes = 1, worker = 'dead', \
                run_at = 1, started_at = 1, lease_until = 1 WHERE id = ";
    fixture.sql(format!("{died}{suspect}")).await;
    assert_eq!(process.begins().await, (suspect, 3));
    assert_eq!(process.runner.in_hand(), 2, "it waited for the other one to end");
    // Meanwhile nothing else is begun.
    let third = fixture.act(act(Does::Pass)).await;
    process.stage.gate.add_permits(2);
    assert_eq!(process.begins().await, (third, 1));
    fixture.all_become(State::Completed, 3).await;
    process.end().await;
}
