//! What becomes of orders whose process dies, and of those that two services see.

use std::process::{Command, Stdio};
use std::time::Duration;

use diesel::sql_query;
use diesel_async::RunQueryDsl as _;
use futures_util::future::{join, join_all};
use orders::create_app;
use serde_json::Value;
use spanbox::data::{Conn, DbError};
use spanbox::query;
use spanbox::testing::{PgServer, Process, TestApp, TestDatabase};

use crate::orders::{becomes, place};
use crate::stored::{count, statuses};

fn start(directory: &std::path::Path, database: &TestDatabase) -> Process {
    Process::start(
        Command::new(env!("CARGO_BIN_EXE_orders"))
            .current_dir(directory)
            .env_clear()
            .env("PORT", "0")
            .env("DATABASE_URL", database.url())
            .env("APP_ORDERS__PROCESSORS", "1")
            .stdin(Stdio::null()),
    )
}

/// Several clients at once, so that the one processor does not keep up.
fn place_from_many(process: &Process, orders: usize) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..orders / 8 {
                    let answer = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"1.00"}"#);
                    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
                }
            });
        }
    });
}

/// What was answered with 201 is stored, whatever happens next, and what was not finished is done by the next process.
#[actix::test]
async fn a_kill_loses_no_order_and_the_next_process_completes_all_that_were_unfinished() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    let mut placed = 0;
    // How much is pending when it is killed is a matter of luck, that something is not for long. An order that was
    // processed before the kill would prove nothing.
    let killed = loop {
        let process = start(directory.path(), &database);
        place_from_many(&process, 80);
        placed += 80;
        process.kill();
        let statuses = statuses(&database).await;
        assert_eq!(statuses.len(), placed, "an order that was answered is not stored");
        if statuses.values().any(|status| status == "pending") {
            break statuses;
        }
    };

    let (status, log) = start(directory.path(), &database).terminate(Duration::from_secs(60));
    assert!(status.success(), "{log}");
    let ended = statuses(&database).await;
    assert_eq!(ended.len(), placed);
    assert!(ended.values().all(|status| status == "completed"), "at the kill: {killed:?}\nthen: {ended:?}");
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

async fn start_on(database: &TestDatabase) -> TestApp {
    TestApp::start_on(database.clone(), create_app, [] as [(&str, &str); 0]).await
}

#[actix::test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
async fn two_services_on_one_postgresql_both_serve_and_every_order_ends() {
    const LEFT: usize = 50;
    let (server, database) = postgres().await;
    // Both bring the empty database up to date.
    let (first, second) = join(start_on(&database), start_on(&database)).await;
    let (here, there) = join(place(&first, "Widget", "1500.00"), place(&second, "Gadget", "1500.00")).await;
    assert_ne!(here, there);
    becomes(&first, there, "completed").await;
    becomes(&second, here, "completed").await;

    // What an earlier process left undone is handed over in each of them that starts.
    let db = first.running().db().unwrap().clone();
    let left = db
        .write(async |conn: &mut Conn| {
            let sql = format!(
                "INSERT INTO orders (product_name, amount_minor, currency, status, created_at, updated_at) \
                 SELECT 'Widget', 150000, 'USD', 'pending', now(), now() FROM generate_series(1, {LEFT})"
            );
            query!(conn, c => sql_query(sql).execute(c).await)
        })
        .await;
    assert_eq!(left.map_err(|error: DbError| error.to_string()), Ok(LEFT));
    let (third, fourth) = join(start_on(&database), start_on(&database)).await;
    let pages =
        join_all([&first, &second, &third, &fourth].map(|app| app.get("/api/orders/?limit=200"))).await;
    for page in pages {
        assert_eq!(page.json::<Value>()["orders"].as_array().unwrap().len(), LEFT + 2);
    }

    // Two that start together may both look at what was left, since nobody knows yet whose an order is; each step is
    // taken once all the same.
    let mut validated = 0;
    for app in [first, second, third, fourth] {
        let (_, spans) = app.stop().await;
        validated += spans.named("validate_high_value_order").count();
    }
    assert!(validated >= LEFT + 2, "{validated}");
    assert_eq!(count(&statuses(&database).await), [("completed", LEFT + 2)].into());
    drop((database, server));
}
