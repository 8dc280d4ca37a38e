//! Jobs that are run: by dispatchers and workers as a service has them.

use std::collections::HashSet;

use super::stage::{Does, Nap, Process, SOON, act, settings};
use super::*;
use crate::jobs::{Cancelled, JobsSettings, QueueSettings, RateSettings};

on_all!(
    what_is_enqueued_is_run_at_once,
    a_failure_is_tried_again_and_is_dead_in_the_end,
    an_error_is_stored_without_what_is_personal_in_it,
    what_gives_up_panics_or_takes_too_long_is_told_apart,
    what_nobody_can_make_anything_of_is_put_aside,
    a_run_that_completes_its_job_itself_does_so_once,
    a_run_hears_that_it_is_to_be_cancelled,
    a_run_whose_lease_is_lost_hears_of_it_and_changes_nothing,
    a_stop_lets_what_runs_finish_and_leaves_the_rest,
    a_stop_gives_back_what_does_not_finish,
    a_run_of_five_leases_is_run_once,
    two_processes_run_each_job_once,
    a_slow_job_does_not_hold_up_the_others,
    a_job_is_run_when_it_is_due,
    a_queue_keeps_its_rate,
);

async fn what_is_enqueued_is_run_at_once(fixture: Fixture) {
    let before = fixture.act(act(Does::Pass)).await;
    let mut process = Process::run(&fixture).await;
    assert_eq!(process.begins().await, (before, 1));
    let after = fixture.act(act(Does::Pass)).await;
    assert_eq!(process.begins().await, (after, 1));
    for id in [before, after] {
        let record = fixture.becomes(id, State::Completed).await;
        assert_eq!((record.attempt, record.error), (1, None));
    }
    process.end().await;
}

async fn a_failure_is_tried_again_and_is_dead_in_the_end(fixture: Fixture) {
    let mut process = Process::run(&fixture).await;
    let id = fixture.act(act(Does::Fail)).await;
    for attempt in 1..=3 {
        assert_eq!(process.begins().await, (id, attempt));
    }
    let record = fixture.becomes(id, State::Dead).await;
    assert_eq!(record.error.as_deref(), Some("it rains"));
    process.end().await;
}

async fn an_error_is_stored_without_what_is_personal_in_it(fixture: Fixture) {
    let process = Process::run(&fixture).await;
    let error = "ann@example.com cannot pay with 4111 1111 1111 1111, token=canary";
    let id = fixture.act(act(Does::FailWith(error.to_owned()))).await;
    let record = fixture.becomes(id, State::Dead).await;
    assert_eq!(record.error.as_deref(), Some("*** cannot pay with ***, token=***"));
    process.end().await;
}

async fn what_gives_up_panics_or_takes_too_long_is_told_apart(fixture: Fixture) {
    let process = Process::run(&fixture).await;
    let ends = [
        (Does::GiveUp, 1, "no such thing"),
        (Does::Panic, 3, "it panicked: it burns"),
        (Does::TooLong, 3, "it took longer than its timeout of 2.5s"),
    ];
    let mut ids = Vec::new();
    for (does, _, _) in &ends {
        ids.push(fixture.act(act(does.clone())).await);
    }
    for (id, (_, attempts, error)) in ids.into_iter().zip(ends) {
        let record = fixture.becomes(id, State::Dead).await;
        assert_eq!((record.attempt, record.error.as_deref()), (attempts, Some(error)));
    }
    process.end().await;
}

async fn what_nobody_can_make_anything_of_is_put_aside(fixture: Fixture) {
    let process = Process::run(&fixture).await;
    let unknown = fixture.enqueue(note("x")).await.id;
    let unreadable = fixture.act(act(Does::Pass).delay(Duration::from_secs(3600))).await;
    fixture
        .sql(format!(
            "UPDATE spanbox_jobs SET payload = '{{\"does\":7}}', run_at = 1 WHERE id = {unreadable}"
        ))
        .await;
    let _ = fixture.enqueue(note("another, which rings")).await;
    let record = fixture.becomes(unknown, State::Parked).await;
    assert!(record.error.unwrap().contains("knows no kind \"note\""));
    let record = fixture.becomes(unreadable, State::Parked).await;
    assert!(record.error.unwrap().starts_with("its payload does not parse: "));
    assert_eq!(record.attempt, 0);
    process.end().await;
}

async fn a_run_that_completes_its_job_itself_does_so_once(fixture: Fixture) {
    let process = Process::run(&fixture).await;
    let id = fixture.act(act(Does::Complete)).await;
    assert_eq!(fixture.becomes(id, State::Completed).await.attempt, 1);
    process.end().await;
}

async fn a_run_hears_that_it_is_to_be_cancelled(fixture: Fixture) {
    let settings = JobsSettings { lease: Duration::from_millis(300), ..settings() };
    let mut process = Process::start(&fixture, settings, &Telemetry::disabled()).await;
    let id = fixture.act(act(Does::UntilCancelled)).await;
    process.begins().await;
    let state = fixture.write(async move |conn: &mut Conn| Ok(store::cancel(conn, id).await?)).await;
    assert_eq!(state, Some(State::Running));
    assert_eq!(process.cancelled.recv().await, Some(Cancelled::Requested));
    fixture.becomes(id, State::Cancelled).await;
    process.end().await;
}

async fn a_run_whose_lease_is_lost_hears_of_it_and_changes_nothing(fixture: Fixture) {
    let settings = JobsSettings { lease: Duration::from_millis(300), ..settings() };
    let mut process = Process::start(&fixture, settings, &Telemetry::disabled()).await;
    let id = fixture.act(act(Does::UntilCancelled)).await;
    process.begins().await;
    // Another worker has it, whose lease is long.
    let sql =
        "UPDATE spanbox_jobs SET token = token + 1, lease_until = lease_until + 3600000000, worker = 'other'";
    fixture.sql(sql).await;
    assert_eq!(process.cancelled.recv().await, Some(Cancelled::LeaseLost));
    process.end().await;
    let record = fixture.get(id).await;
    assert_eq!((record.state().unwrap(), record.worker.as_deref()), (State::Running, Some("other")));
}

async fn a_stop_lets_what_runs_finish_and_leaves_the_rest(fixture: Fixture) {
    let mut process = Process::run(&fixture).await;
    for _ in 0..9 {
        fixture.act(act(Does::Wait)).await;
    }
    for _ in 0..4 {
        process.begins().await;
    }
    process.runner.stop_leasing();
    process.stage.gate.add_permits(4);
    let report = process.stop(SOON).await;
    assert_eq!(report.given_back, 0);
    assert_eq!(
        fixture.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state = 'completed'").await,
        4
    );
    if fixture.redis.is_none() {
        let rest = "SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state = 'available' AND attempt = 0";
        assert_eq!(fixture.number(rest).await, 5);
    }
    // Also those that stand in a stream are there for others.
    let other = Process::run(&fixture).await;
    other.stage.gate.add_permits(5);
    fixture.all_become(State::Completed, 9).await;
    assert_eq!(fixture.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE attempt = 1").await, 9);
    other.end().await;
}

async fn a_stop_gives_back_what_does_not_finish(fixture: Fixture) {
    let mut process = Process::run(&fixture).await;
    let id = fixture.act(act(Does::Hang)).await;
    process.begins().await;
    let report = process.stop(Duration::ZERO).await;
    assert_eq!((report.finished, report.given_back), (0, 1));
    let record = fixture.get(id).await;
    assert_eq!((record.state().unwrap(), record.attempt, record.crashes), (State::Available, 0, 0));
}

async fn a_run_of_five_leases_is_run_once(fixture: Fixture) {
    let settings = JobsSettings { lease: Duration::from_millis(1500), ..settings() };
    let mut process = Process::start(&fixture, settings.clone(), &Telemetry::disabled()).await;
    let mut other = Process::start(&fixture, settings, &Telemetry::disabled()).await;
    let id = fixture.act(Enqueue::new(Nap(7500))).await;
    let record = fixture.becomes(id, State::Completed).await;
    assert_eq!((record.attempt, record.crashes, record.token), (1, 0, 1));
    let runs = [process.began.try_recv().is_ok(), other.began.try_recv().is_ok()];
    assert_eq!(runs.into_iter().filter(|ran| *ran).count(), 1);
    process.end().await;
    other.end().await;
}

async fn two_processes_run_each_job_once(fixture: Fixture) {
    let mut processes = [Process::run(&fixture).await, Process::run(&fixture).await];
    let jobs: Vec<_> = (0..1000).map(|_| act(Does::Pass)).collect();
    fixture.write(async move |conn: &mut Conn| super::super::enqueue_many(conn, jobs).await).await;
    fixture.all_become(State::Completed, 1000).await;
    let mut runs = HashSet::new();
    for process in &mut processes {
        while let Ok((id, attempt)) = process.began.try_recv() {
            assert!(runs.insert(id) && attempt == 1);
        }
    }
    assert_eq!(runs.len(), 1000);
    for process in processes {
        process.end().await;
    }
}

async fn a_slow_job_does_not_hold_up_the_others(fixture: Fixture) {
    let process = Process::run(&fixture).await;
    let jobs: Vec<_> = (0..200).map(|n| act(if n % 70 == 0 { Does::Wait } else { Does::Pass })).collect();
    fixture.write(async move |conn: &mut Conn| super::super::enqueue_many(conn, jobs).await).await;
    fixture.all_become(State::Completed, 197).await;
    process.stage.gate.add_permits(3);
    fixture.all_become(State::Completed, 200).await;
    process.end().await;
}

async fn a_job_is_run_when_it_is_due(fixture: Fixture) {
    let mut process = Process::run(&fixture).await;
    let asked = fixture.clock().await;
    let id = fixture.act(act(Does::Pass).delay(Duration::from_millis(300))).await;
    process.begins().await;
    let waited = fixture.becomes(id, State::Completed).await.finished_at.unwrap() - asked;
    assert!(waited >= 300_000, "{waited} µs");
    process.end().await;
}

async fn a_queue_keeps_its_rate(fixture: Fixture) {
    let rate = Some(RateSettings { jobs: 5, per: Duration::from_secs(3600) });
    let queue = QueueSettings { rate, ..QueueSettings::default() };
    let settings = JobsSettings { queues: [("notes".to_owned(), queue)].into(), ..settings() };
    for _ in 0..20 {
        fixture.act(act(Does::Pass)).await;
    }
    let process = Process::start(&fixture, settings, &Telemetry::disabled()).await;
    fixture.all_become(State::Completed, 5).await;
    process.end().await;
    assert_eq!(fixture.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE attempt > 0").await, 5);
}
