//! An order that is sent again with its key is placed once, whatever happens in between.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use actix_web::http::Method;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::data::{Conn, DbError};
use spanbox::ext::idempotency::PruneIdempotencyKeys;
use spanbox::jobs::{self, JobsError};
use spanbox::query;
use spanbox::testing::{Answer, Process, TestApp, TestDatabase, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::lines::idle;
use crate::stored::{Records, orders};

async fn send(app: &TestApp, key: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    app.send(Method::POST, "/api/orders/", &headers, body.to_string().into()).await
}

fn widget() -> Value {
    json!({ "product_name": "Widget", "amount": "9.99" })
}

/// What of an answer has to be the same.
fn whole(answer: &Answer) -> (u16, [Option<String>; 3], Vec<u8>) {
    let headers = ["content-type", "location", "etag"].map(|name| answer.header(name).map(str::to_owned));
    (answer.status.as_u16(), headers, answer.body.to_vec())
}

#[actix::test]
async fn the_same_request_again_is_the_same_answer_byte_for_byte() {
    let app = TestApp::start(create_app).await;
    let first = send(&app, "\"k1\"", &widget()).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(first.header("idempotency-replayed").is_none());
    let id = first.json::<Value>()["id"].as_i64().unwrap();
    crate::orders::becomes(&app, id, "completed").await;
    for key in ["\"k1\"", "k1"] {
        let again = send(&app, key, &widget()).await;
        assert_eq!(whole(&again), whole(&first));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    // Also after the order itself is gone, and by the next process.
    assert_eq!(app.delete(&format!("/api/orders/{id}")).await.status, 204);
    let app = app.restart(create_app).await;
    assert_eq!(whole(&send(&app, "k1", &widget()).await), whole(&first));
    assert_eq!(app.get("/api/orders/").await.json::<Value>()["orders"], json!([]));
    app.stop().await;
}

#[actix::test]
async fn another_body_is_refused_and_another_key_is_another_order() {
    let app = idle().await;
    let first = send(&app, "k1", &widget()).await.json::<Value>();
    let other = json!({ "product_name": "Widget", "amount": "9.98" });
    let refused = send(&app, "k1", &other).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.json::<Value>()["type"], "urn:problem-type:spanbox:idempotency-key-reused");
    assert_ne!(send(&app, "k2", &widget()).await.json::<Value>()["id"], first["id"]);
    assert_eq!(app.post("/api/orders/", &widget()).await.status, 201);
    assert_eq!(app.get("/api/orders/").await.json::<Value>()["orders"].as_array().unwrap().len(), 3);
    app.stop().await;
}

#[actix::test]
async fn a_key_that_is_none_is_refused() {
    let app = idle().await;
    for key in ["\"\"", "\"a", "a b", "a,b", &"x".repeat(256)] {
        let refused = send(&app, key, &widget()).await;
        assert_eq!(refused.status, 400, "{key}: {refused:?}");
    }
    // An order that is refused keeps no key.
    let wrong = json!({ "product_name": "Widget", "amount": "-1" });
    assert_eq!(send(&app, "k1", &wrong).await.status, 422);
    assert_eq!(send(&app, "k1", &widget()).await.status, 201);
    app.stop().await;
}

#[actix::test]
async fn while_the_first_is_in_flight_the_others_are_told_so() {
    let app = idle().await;
    let records = Records::open(app.database()).await;
    // Somebody else holds what the first one needs.
    let (let_go, held) = oneshot::channel::<()>();
    let (has, got) = oneshot::channel();
    let held = records.db().write(async move |conn: &mut Conn| -> Result<(), DbError> {
        if matches!(conn, Conn::Postgres(_)) {
            query!(conn, c => diesel_async::RunQueryDsl::execute(diesel::sql_query("LOCK TABLE orders"), c).await)?;
        }
        has.send(()).ok();
        held.await.ok();
        Ok(())
    });
    let sent = async {
        got.await.unwrap();
        let body = widget();
        let mut answers: FuturesUnordered<_> = (0..8).map(|_| send(&app, "k1", &body)).collect();
        for _ in 0..7 {
            let told = answers.next().await.unwrap();
            assert_eq!(told.status, 409, "{told:?}");
            assert_eq!(told.header("retry-after"), Some("1"));
            assert_eq!(told.json::<Value>()["type"], "urn:problem-type:spanbox:idempotency-key-in-use");
        }
        let_go.send(()).ok();
        let first = answers.next().await.unwrap();
        assert_eq!(first.status, 201, "{first:?}");
        assert_eq!(whole(&send(&app, "k1", &body).await), whole(&first));
    };
    let (held, ()) = futures_util::join!(held, sent);
    held.unwrap();
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn of_64_that_are_sent_at_once_one_places_the_order() {
    let app = idle().await;
    let body = widget();
    let answers = join_all((0..64).map(|_| send(&app, "k1", &body))).await;
    let placed: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 201 | 409)), "{answers:?}");
    let fresh = placed.iter().filter(|answer| answer.header("idempotency-replayed").is_none()).count();
    assert_eq!(fresh, 1);
    assert!(placed.iter().all(|answer| whole(answer) == whole(placed[0])));
    let database = app.database().clone();
    app.stop().await;
    assert_eq!(orders(&database).await.len(), 1);
}

#[actix::test]
async fn what_has_expired_is_forgotten_in_batches() {
    let app = TestApp::start(create_app).await;
    assert_eq!(send(&app, "k1", &widget()).await.status, 201);
    let records = Records::open(app.database()).await;
    let body = if app.database().url().starts_with("postgres") { "'\\x'::bytea" } else { "x''" };
    let many = format!(
        "INSERT INTO spanbox_idempotency (id, fingerprint, status, headers, body, expires_at) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) \
         SELECT SUBSTR('{zeros}', 1, 64 - LENGTH(CAST(n AS TEXT))) || n, '{zeros}', 201, '[]', {body}, n FROM n",
        zeros = "0".repeat(64)
    );
    assert_eq!(records.sql(many).await, 2500);
    let db = app.running().db().unwrap();
    let enqueued = db.write(async |conn: &mut Conn| -> Result<_, JobsError> {
        jobs::enqueue(conn, PruneIdempotencyKeys {}).await
    });
    let _ = enqueued.await.unwrap();
    app.eventually("what has expired was looked for", async || {
        let done = "UPDATE spanbox_jobs SET kind = kind WHERE kind = 'prune_idempotency_keys' AND state = 'completed'";
        (records.sql(done).await == 1).then_some(())
    })
    .await;
    let left = records.sql("UPDATE spanbox_idempotency SET status = status").await;
    assert_eq!(left, 1, "what has not expired");
    // One that has expired, and is still there, stands for nothing.
    records.sql("UPDATE spanbox_idempotency SET expires_at = 1").await;
    let other = json!({ "product_name": "Other", "amount": "1" });
    let fresh = send(&app, "k1", &other).await;
    assert_eq!((fresh.status.as_u16(), fresh.header("idempotency-replayed")), (201, None));
    records.close().await;
    app.stop().await;
}

fn serve(directory: &Path, database: &TestDatabase) -> Process {
    Process::start(
        Command::new(env!("CARGO_BIN_EXE_orders"))
            .current_dir(directory)
            .env_clear()
            .env("PORT", "0")
            .env("APP_MANAGEMENT__PORT", "0")
            .env("DATABASE_URL", database.url())
            .stdin(Stdio::null()),
    )
}

/// Sends a request and reads as much of an answer as comes before the other side is gone.
async fn until_it_is_gone(address: SocketAddr, request: &str) -> String {
    let mut answer = Vec::new();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut answer).await
    };
    // That it is gone is what the test is about.
    exchange.await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// So many are under way when the process is killed.
const AT_ONCE: usize = 24;

#[actix::test]
async fn a_process_that_is_killed_leaves_an_order_with_its_key_or_neither() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    let body = widget().to_string();
    let request = |key: usize| {
        format!(
            "POST /api/orders/ HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             idempotency-key: \"order-{key}\"\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let text = |answer: &str| answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    let rounds = 3;
    for round in 0..rounds {
        let keys: Vec<_> = (0..AT_ONCE).map(|number| round * AT_ONCE + number).collect();
        let process = serve(directory.path(), &database);
        let address = process.address();
        let requests: Vec<_> = keys.iter().map(|key| request(*key)).collect();
        let mut answers: FuturesUnordered<_> =
            requests.iter().map(|request| until_it_is_gone(address, request)).collect();
        // Some have their answer, others have none, and of these some have their order.
        let mut before = vec![answers.next().await.unwrap()];
        process.kill();
        before.extend(answers.collect::<Vec<_>>().await);
        let process = serve(directory.path(), &database);
        let mut after = Vec::new();
        for request in &requests {
            let answer = raw(process.address(), request.as_bytes(), Duration::from_secs(20)).await;
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
            after.push(text(&answer));
        }
        for answer in before.iter().filter(|answer| answer.starts_with("HTTP/1.1 201")) {
            assert!(after.contains(&text(answer)), "{answer}: {after:?}");
        }
        process.kill();
    }
    assert_eq!(orders(&database).await.len(), rounds * AT_ONCE);
}
