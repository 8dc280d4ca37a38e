//! The payment gateway over HTTP, as a process of its own.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use futures_util::future::join_all;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::data::{Conn, Db, DbError};
use spanbox::query;
use spanbox::telemetry::Telemetry;
use spanbox::testing::{CapturedMetrics, OtlpReceiver, Process, Spans, TestApp, TestDatabase, raw};

use crate::contract::ORDERS;
use crate::orders::{becomes, place};

/// The gateway with its records in this database.
pub(crate) fn gateway(
    port: u16,
    records: &TestDatabase,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Process {
    let records = records.url().strip_prefix("sqlite://").unwrap();
    Process::start(
        Command::new(env!("CARGO_BIN_EXE_orders"))
            .args(["gateway", "--port", &port.to_string(), "--records", records])
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null()),
    )
}

/// An order service that charges there, and looks often.
async fn start(gateway: SocketAddr) -> TestApp {
    let url = format!("http://{gateway}");
    let environment = [("APP_PAYMENTS__GATEWAY", url.as_str()), ("APP_JOBS__POLL_INTERVAL", "20ms")];
    TestApp::start_with(create_app, environment).await
}

/// The answer to a request as its status and its body.
async fn ask(address: SocketAddr, request: &str, headers: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    );
    let answer = raw(address, text.as_bytes(), Duration::from_secs(20)).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

async fn charge(address: SocketAddr, key: &str, amount: &str) -> (u16, Value) {
    let body = json!({ "amount": amount, "currency": "USD", "payment_method": "credit_card" }).to_string();
    ask(address, "POST /charges", &format!("idempotency-key: {key}\r\n"), &body).await
}

#[derive(QueryableByName)]
struct Charges {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    total_minor: i64,
}

/// How many charges the gateway has made, and what they come to.
pub(crate) async fn charged(records: &TestDatabase) -> (i64, i64) {
    const SUM: &str = "SELECT COUNT(*) AS count, COALESCE(SUM(amount_minor), 0) AS total_minor FROM charges";
    let db = Db::connect(&records.settings(), &Telemetry::disabled()).await.unwrap();
    let read = db
        .read(async |conn: &mut Conn| query!(conn, c => sql_query(SUM).get_result::<Charges>(c).await))
        .await
        .map_err(|error: DbError| error.to_string());
    assert_eq!(db.close(Duration::from_secs(20)).await.abandoned, 0);
    let charges = read.unwrap();
    (charges.count, charges.total_minor)
}

#[actix::test]
async fn a_key_is_charged_once_whoever_asks_how_often() {
    let records = TestDatabase::sqlite();
    let process = gateway(0, &records, &["--decline-above", "50.00", "--latency", "2ms"], &[]);
    let at = process.address();
    let answers = join_all((0..64).map(|_| charge(at, "order-1", "9.99"))).await;
    let expected = (201, json!({ "status": "succeeded", "id": "sim-order-1" }));
    assert!(answers.iter().all(|answer| *answer == expected), "{answers:?}");
    assert_eq!(charged(&records).await, (1, 999));

    let (status, problem) = charge(at, "order-1", "10.00").await;
    assert_eq!(status, 422, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("order-1 stands for a charge of 9.99 USD"),
        "{problem}"
    );
    let (status, declined) = charge(at, "order-2", "50.01").await;
    assert_eq!((status, &declined["status"]), (200, &json!("declined")), "{declined}");
    assert_eq!(charge(at, "", "1.00").await.0, 400);
    assert_eq!(ask(at, "POST /charges", "", "{}").await.0, 422);
    let (status, shown) = ask(at, "GET /charges/sim-order-1", "", "").await;
    assert_eq!((status, &shown["amount"], &shown["status"]), (200, &json!("9.99"), &json!("succeeded")));
    assert_eq!(ask(at, "GET /charges/sim-order-2", "", "").await.0, 404);
    assert_eq!(charged(&records).await, (1, 999));
}

#[actix::test]
async fn an_order_is_charged_over_http_in_one_trace() {
    let (records, receiver) = (TestDatabase::sqlite(), OtlpReceiver::start().unwrap());
    let endpoint = receiver.http_endpoint();
    let export = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let process = gateway(0, &records, &["--decline-above", "50.00"], &export);
    let app = start(process.address()).await;
    let (paid, declined) = (place(&app, "Widget", "49.99").await, place(&app, "Widget", "50.01").await);
    becomes(&app, paid, "completed").await;
    becomes(&app, declined, "failed").await;
    let way = ["process_order", "process_payment", "payment_gateway.charge", "POST /charges"];
    let asked = app.expect_path(&way).await;
    let (_, spans) = app.stop().await;
    assert_eq!(ORDERS.unlisted(&CapturedMetrics::default().with(&spans)), [""; 0]);
    assert_eq!(Spans::attribute(&asked, "spanbox.client.upstream").as_deref(), Some("payments"));
    let charge = spans.named("payment_gateway.charge").next().unwrap();
    assert_eq!(Spans::attribute(charge, "payment.gateway").as_deref(), Some("remote"));
    let transaction = format!("sim-order-{paid}");
    let told = |span: &_| Spans::attribute(span, "payment.transaction_id") == Some(transaction.clone());
    assert!(spans.named("process_payment").any(told), "{spans:?}");
    let reason = |span: &_| Spans::attribute(span, "payment.declined").is_some();
    assert!(spans.named("process_payment").any(reason), "{spans:?}");

    let (status, log) = process.terminate(Duration::from_secs(60));
    assert!(status.success(), "{log}");
    let continued = receiver.spans().into_iter().any(|span| {
        span.name == "POST /charges"
            && span.trace_id == asked.span_context.trace_id().to_string()
            && span.parent_id == asked.span_context.span_id().to_string()
    });
    assert!(continued, "{:?}", receiver.spans());
    assert_eq!(charged(&records).await, (1, 4999));
}

#[actix::test]
async fn a_gateway_that_fails_and_is_slow_charges_each_order_once() {
    const ORDERS: i64 = 30;
    let records = TestDatabase::sqlite();
    let process = gateway(0, &records, &["--failure-rate", "0.3", "--latency", "4ms"], &[]);
    let app = start(process.address()).await;
    for _ in 0..ORDERS {
        place(&app, "Widget", "12.34").await;
    }
    for id in 1..=ORDERS {
        becomes(&app, id, "completed").await;
    }
    let (_, spans) = app.stop().await;
    let resent = |span: &_| Spans::attribute(span, "http.request.resend_count").is_some();
    assert!(spans.named("POST /charges").any(resent), "no charge was tried again");
    assert_eq!(charged(&records).await, (ORDERS, ORDERS * 1234));
}

#[actix::test]
async fn a_gateway_that_is_killed_under_load_and_comes_back_has_charged_each_order_once() {
    const ORDERS: i64 = 40;
    let records = TestDatabase::sqlite();
    let process = gateway(0, &records, &["--latency", "10ms"], &[]);
    let address = process.address();
    let app = start(address).await;
    for _ in 0..ORDERS / 2 {
        place(&app, "Widget", "12.34").await;
    }
    app.eventually("some are charged", async || (charged(&records).await.0 >= 3).then_some(())).await;
    process.kill();
    for _ in 0..ORDERS / 2 {
        place(&app, "Widget", "12.34").await;
    }
    // It is away for long enough that nobody asks it any more.
    let refused = |spans: &Spans| {
        let open = |span: &&_| Spans::attribute(span, "error.type").as_deref() == Some("circuit_open");
        spans.named("POST /charges").filter(open).count() > 10
    };
    let left_alone = app.capture().wait_for(Duration::from_secs(20), |spans| refused(spans).then_some(()));
    left_alone.await.unwrap_or_else(|spans| panic!("it was never left alone: {spans:?}"));
    assert!(charged(&records).await.0 < ORDERS);

    let _back = gateway(address.port(), &records, &[], &[]);
    for id in 1..=ORDERS {
        becomes(&app, id, "completed").await;
    }
    let (_, spans) = app.stop().await;
    let happened = |name: &str| {
        spans.named("POST /charges").flat_map(|span| &span.events.events).any(|event| event.name == name)
    };
    assert!(happened("spanbox.client.breaker.opened") && happened("spanbox.client.breaker.closed"));
    assert_eq!(charged(&records).await, (ORDERS, ORDERS * 1234));
}

#[actix::test]
async fn an_order_whose_key_stands_for_another_amount_is_given_up() {
    let records = TestDatabase::sqlite();
    let process = gateway(0, &records, &[], &[]);
    assert_eq!(charge(process.address(), "order-1", "0.01").await.0, 201);
    let app = start(process.address()).await;
    assert_eq!(place(&app, "Widget", "9.99").await, 1);
    let path = ["process orders", "process_order", "process_payment"];
    let span = app.expect_path(&path).await;
    assert!(
        format!("{span:?}").contains("order-1 stands for a charge of 0.01 USD, not 9.99 USD"),
        "{span:?}"
    );
    app.stop().await;
    assert_eq!(charged(&records).await, (1, 1));
}

#[test]
fn flags_that_are_of_no_use_are_refused() {
    for (flag, value) in [("--failure-rate", "1.5"), ("--decline-above", "much"), ("--latency", "soon")] {
        let refused =
            Command::new(env!("CARGO_BIN_EXE_orders")).args(["gateway", flag, value]).output().unwrap();
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && told.contains(flag), "{told}");
    }
}
