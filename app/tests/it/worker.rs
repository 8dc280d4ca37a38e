//! Jobs that run in a process of their own, beside one that serves.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use spanbox::testing::{Process, TestDatabase};

use crate::stored::Records;

const ORDERS: usize = 24;

fn program(directory: &Path, database: &TestDatabase) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command
        .current_dir(directory)
        .env_clear()
        .env("PORT", "0")
        .env("APP_MANAGEMENT__PORT", "0")
        .env("DATABASE_URL", database.url())
        .env("APP_JOBS__POLL_INTERVAL", "50ms")
        .stdin(Stdio::null());
    command
}

fn serve(directory: &Path, database: &TestDatabase) -> Process {
    Process::start(program(directory, database).env("APP_JOBS__IN_SERVE", "false"))
}

fn worker(directory: &Path, database: &TestDatabase, environment: &[(&str, &str)]) -> Process {
    let mut command = program(directory, database);
    Process::start_worker(command.arg("worker").envs(environment.iter().copied()))
}

fn place(server: &Process) {
    for _ in 0..ORDERS {
        let answer = server.post("/api/orders/", r#"{"product_name":"Widget","amount":"1500.00"}"#);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

#[actix::test]
async fn a_worker_runs_what_a_server_that_runs_no_jobs_takes() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    let server = serve(directory.path(), &database);
    place(&server);
    let records = Records::open(&database).await;
    assert!(records.orders().await.values().all(|order| order.status == "pending" && order.attempts == 0));

    let worker = worker(directory.path(), &database, &[]);
    let orders = records.are_completed_once(ORDERS).await;
    assert!(orders.values().all(|order| order.attempts == 1), "{orders:?}");
    // What comes while it runs is heard of, or seen soon.
    place(&server);
    records.are_completed_once(2 * ORDERS).await;
    records.close().await;
    for process in [worker, server] {
        let (status, log) = process.terminate(Duration::from_secs(30));
        assert!(status.success(), "{log}");
    }
}

#[actix::test]
async fn a_worker_has_probes_and_metrics_on_its_management_listener() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    let worker = worker(directory.path(), &database, &[]);
    for (path, part) in [
        ("/health/live", "healthy"),
        ("/health/ready", r#""database""#),
        ("/metrics", "spanbox_runtime_threads"),
    ] {
        let answer = worker.get_management(path);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(part), "{path}: {answer}");
    }
    let (status, log) = worker.terminate(Duration::from_secs(30));
    assert!(status.success(), "{log}");
}

#[actix::test]
async fn a_worker_that_is_stopped_gives_back_what_it_has_and_spends_no_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    let server = serve(directory.path(), &database);
    place(&server);
    let records = Records::open(&database).await;
    let slow = [("APP_PAYMENTS__LATENCY", "1m"), ("APP_SERVER__SHUTDOWN_GRACE", "1s")];
    let stopped = worker(directory.path(), &database, &slow);
    records.become_so("jobs run", |orders| orders.values().any(|order| order.status == "processing")).await;

    let (status, log) = stopped.terminate(Duration::from_secs(1 + 2));
    assert!(status.success(), "{log}");
    let left = records.orders().await;
    assert_eq!(left.len(), ORDERS);
    for order in left.values() {
        assert_eq!((order.job.as_str(), order.attempts), ("available", 0), "{order:?}\n{log}");
    }

    let worker = worker(directory.path(), &database, &[]);
    let orders = records.are_completed_once(ORDERS).await;
    assert!(orders.values().all(|order| order.attempts == 1), "{orders:?}");
    records.close().await;
    for process in [worker, server] {
        let (status, log) = process.terminate(Duration::from_secs(30));
        assert!(status.success(), "{log}");
    }
}
