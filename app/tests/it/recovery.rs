//! What becomes of orders whose process dies, of those that two services see, and of those from before there were jobs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join;
use orders::create_app;
use spanbox::testing::{PgServer, Process, TestApp, TestDatabase};

use crate::orders::{becomes, place};
use crate::stored::{Orders, Records};

fn program(directory: &Path, database: &TestDatabase, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command
        .current_dir(directory)
        .env_clear()
        .env("PORT", "0")
        .env("APP_MANAGEMENT__PORT", "0")
        .env("DATABASE_URL", database.url())
        .env("APP_JOBS__LEASE", "2s")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    command
}

/// What was answered with 201 is stored, whatever happens next. What was not finished is done by the next process and
/// another one together, and nothing is done twice: not even a charge whose answer never came.
#[actix::test]
async fn a_kill_loses_no_order_and_the_next_processes_complete_each_once() {
    const ORDERS: usize = 40;
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    // Half the latency passes between the charge and its answer: that is when it is killed.
    let slow = [("APP_PAYMENTS__LATENCY", "6s")];
    let process = Process::start(&mut program(directory.path(), &database, &slow));
    for _ in 0..ORDERS {
        let answer = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"1.00"}"#);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let records = Records::open(&database).await;
    let charged = |orders: &Orders| orders.values().any(|order| order.charges == 1);
    records.become_so("an order is charged", charged).await;
    process.kill();
    let killed = records.orders().await;
    assert_eq!(killed.len(), ORDERS, "an order that was answered is not stored");
    let in_hand = |status: &str| killed.values().filter(|order| order.status == status).count();
    assert!(in_hand("pending") > 0 && in_hand("processing") > 0, "{killed:?}");
    assert!(killed.values().any(|order| order.status == "processing" && order.charges == 1), "{killed:?}");

    let next = Process::start(&mut program(directory.path(), &database, &[]));
    let other = Process::start_worker(program(directory.path(), &database, &[]).arg("worker"));
    let orders = records.are_completed_once(ORDERS).await;
    for (id, order) in orders {
        let expected = killed[&id].attempts + 1;
        assert!(order.attempts == expected, "{order:?}, at the kill {:?}", killed[&id]);
    }
    records.close().await;
    for process in [next, other] {
        let (status, log) = process.terminate(Duration::from_secs(60));
        assert!(status.success(), "{log}");
    }
}

/// A server of its own, unless these tests run against one already.
async fn postgres() -> (Option<PgServer>, TestDatabase) {
    if std::env::var("DATABASE_URL").is_ok_and(|url| url.starts_with("postgres")) {
        return (None, TestDatabase::fresh().await);
    }
    let server = PgServer::start().unwrap();
    let database = TestDatabase::create(server.url()).await.unwrap();
    (Some(server), database)
}

async fn start_on(database: &TestDatabase, jobs: &str) -> TestApp {
    TestApp::start_on(database.clone(), create_app, [("APP_JOBS__IN_SERVE", jobs)]).await
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn two_services_on_one_postgresql_both_serve_and_every_order_ends_once() {
    const LEFT: usize = 50;
    let (server, database) = postgres().await;
    // Both bring the empty database up to date.
    let (first, second) = join(start_on(&database, "false"), start_on(&database, "false")).await;
    for n in 0..LEFT {
        place(if n % 2 == 0 { &first } else { &second }, "Widget", "1500.00").await;
    }
    // What waits is run by both of those that start.
    let (third, fourth) = join(start_on(&database, "true"), start_on(&database, "true")).await;
    let (here, there) = join(place(&third, "Widget", "1500.00"), place(&fourth, "Gadget", "1500.00")).await;
    assert_ne!(here, there);
    becomes(&third, there, "completed").await;
    becomes(&fourth, here, "completed").await;
    let records = Records::open(&database).await;
    let orders = records.are_completed_once(LEFT + 2).await;
    assert!(orders.values().all(|order| order.attempts == 1), "{orders:?}");
    records.close().await;
    let (mut validated, mut places) = (0, Vec::new());
    for app in [first, second, third, fourth] {
        let (_, spans) = app.stop().await;
        places.push(spans.named("validate_high_value_order").count());
        validated += spans.named("validate_high_value_order").count();
    }
    assert_eq!(validated, LEFT + 2, "{places:?}");
    assert_eq!(places[..2], [0, 0], "those run no jobs");
    drop((database, server));
}

#[actix::test]
async fn orders_from_before_there_were_jobs_are_processed_after_the_migration() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    let migrate = |words: &[&str]| {
        let output = program(directory.path(), &database, &[]).arg("migrate").args(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    migrate(&["up"]);
    let all = migrate(&["status"]);
    let since = all.lines().skip_while(|line| !line.contains("process_orders_as_jobs")).count().to_string();
    let back = migrate(&["down", &since]);
    assert!(back.contains("process_orders_as_jobs") && !back.contains("create_orders"), "{back}");
    let records = Records::open(&database).await;
    for status in ["pending", "processing", "completed"] {
        let sql = format!(
            "INSERT INTO orders (product_name, amount_minor, currency, status, created_at, updated_at) \
             VALUES ('Widget', 100, 'USD', '{status}', '2026-11-23 00:00:00', '2026-11-23 00:00:00')"
        );
        records.sql(sql).await;
    }
    let app = TestApp::start_on(database, create_app, [] as [(&str, &str); 0]).await;
    let done = records
        .become_so("all are completed", |orders| orders.values().all(|order| order.status == "completed"))
        .await;
    assert!(done[&1].is_completed_once() && done[&2].is_completed_once(), "{done:?}");
    assert_eq!((done[&3].version, done[&3].charges, done[&3].job.as_str()), (1, 0, "none"));
    records.close().await;
    app.stop().await;
}
