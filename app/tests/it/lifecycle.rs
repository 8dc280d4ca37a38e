//! Many services in one process, and what happens when one stops or is described wrongly.

use opentelemetry::trace::SpanId;
use orders::create_app;
use serde_json::Value;
use spanbox::testing::{Spans, TestApp};

use crate::orders::{becomes, place};
use crate::stored::{Records, count, orders};

#[actix::test]
async fn many_services_in_one_process_share_nothing() {
    let mut apps = Vec::new();
    for _ in 0..5 {
        apps.push(TestApp::start(create_app).await);
    }
    for (number, app) in apps.iter().enumerate() {
        for _ in 0..=number {
            let id = place(app, "Widget", "1.00").await;
            becomes(app, id, "completed").await;
        }
    }
    for (number, app) in apps.into_iter().enumerate() {
        let page: Value = app.get("/api/orders/").await.json();
        assert_eq!(page["orders"].as_array().unwrap().len(), number + 1);
        let (_, spans) = app.stop().await;
        assert_eq!(spans.named("POST /api/orders/").count(), number + 1);
        assert_eq!(spans.named("process_order").count(), number + 1);
    }
}

#[actix::test]
async fn a_stop_right_after_the_answer_leaves_every_order_to_the_next_start_or_finishes_it() {
    let app = TestApp::start(create_app).await;
    let database = app.database().clone();
    for _ in 0..50 {
        place(&app, "Widget", "1.00").await;
    }
    app.stop().await;
    // What ran was finished; what was not begun is as it was.
    let left = orders(&database).await;
    assert_eq!(left.len(), 50);
    for order in left.values().filter(|order| !order.is_completed_once()) {
        let shown = (order.status.as_str(), order.version, order.job.as_str(), order.attempts);
        assert_eq!(shown, ("pending", 1, "available", 0), "{order:?}");
    }
    let app = TestApp::start_on(database.clone(), create_app, [] as [(&str, &str); 0]).await;
    let records = Records::open(&database).await;
    let done = records.are_completed_once(50).await;
    assert!(done.values().all(|order| order.attempts == 1), "{done:?}");
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn a_stop_is_a_trace_of_its_own_with_a_span_and_its_counts_for_each_phase() {
    let app = TestApp::start(create_app).await;
    for _ in 0..20 {
        place(&app, "Widget", "1.00").await;
    }
    let (report, spans) = app.stop().await;
    let stop = spans.named("service.stop").next().unwrap();
    let all = spans.of_trace(stop.span_context.trace_id());
    assert_eq!(stop.parent_span_id, SpanId::INVALID);
    let count = |phase: &str, counted: &str| -> u64 {
        let span = all.find_path(&["service.stop", phase]).unwrap_or_else(|| panic!("{phase} is missing"));
        Spans::attribute(span, counted)
            .unwrap_or_else(|| panic!("{phase} tells no {counted}"))
            .parse()
            .unwrap()
    };
    for (phase, counted, reported) in [
        ("service.stop.requests", "spanbox.stop.finished", report.requests_finished as u64),
        ("service.stop.requests", "spanbox.stop.abandoned", 0),
        ("service.stop.jobs", "spanbox.stop.finished", report.jobs_finished as u64),
        ("service.stop.jobs", "spanbox.stop.given_back", report.jobs_given_back as u64),
        ("service.stop.mailboxes", "spanbox.stop.finished", report.messages_handled),
        ("service.stop.hooks", "spanbox.stop.failed", 0),
        ("service.stop.database", "spanbox.stop.abandoned", 0),
    ] {
        assert_eq!(count(phase, counted), reported, "{phase} {counted}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let errors = create_app(Some("production"))
        .config_directory("../config")
        .environment([
            ("PORT", "eighty"),
            ("DATABASE_URL", "mysql://root:hunter2@db/orders"),
            ("APP_SERVER__PROT", "1"),
            ("APP_ORDERS__STALE_AFTER", "1s"),
            ("APP_PAYMENTS__FAILURE_RATE", "1.1"),
            ("APP_PAYMENTS__GATEWAY", "https://me:hunter2@gateway.example"),
            ("APP_PAYMENTS__LATENCY", "2m"),
            ("APP_PAYMENTS__DECLINE_ABOVE", "much"),
            ("APP_TELEMETRY__SAMPLE_RATIO", "2"),
        ])
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in [
        "PORT",
        "DATABASE_URL",
        "mysql",
        "APP_SERVER__PROT",
        "server.port",
        "orders.stale_after",
        "payments.failure_rate",
        "payments.gateway holds credentials",
        "payments.latency",
        "payments.decline_above",
        "telemetry.sample_ratio",
        "SECRET_KEY",
    ] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
    assert!(!errors.contains("hunter2"), "{errors}");
}

/// Sends an order and closes the connection without waiting for the answer.
async fn order_and_hang_up(address: std::net::SocketAddr) {
    use tokio::io::AsyncWriteExt;
    let body = r#"{"product_name":"Widget","amount":"1"}"#;
    let request = format!(
        "POST /api/orders/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
}

#[actix::test]
async fn an_order_whose_client_hangs_up_is_processed_if_it_was_stored() {
    for half_closed in ["true", "false"] {
        let app = TestApp::start_with(create_app, [("APP_SERVER__ALLOW_HALF_CLOSED", half_closed)]).await;
        for _ in 0..100 {
            order_and_hang_up(app.running().addresses()[0]).await;
        }
        app.eventually("no stored order is left unfinished", async || {
            let analytics: Value = app.get("/api/orders/analytics").await.json();
            let unfinished = app.get("/api/orders/?status=pending").await.json::<Value>();
            let processing = app.get("/api/orders/?status=processing").await.json::<Value>();
            let none = |page: &Value| page["orders"].as_array().unwrap().is_empty();
            (none(&unfinished) && none(&processing) && analytics["total_orders"] != 0).then_some(())
        })
        .await;
        let database = app.database().clone();
        app.stop_unchecked().await;
        let stored = orders(&database).await;
        assert!(stored.values().all(|order| order.is_completed_once()), "{:?}", count(&stored));
    }
}
