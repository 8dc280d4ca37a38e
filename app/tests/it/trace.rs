//! Cause and effect of one order, across the request, the queue, the mailbox and the database.

use actix_web::http::Method;
use opentelemetry::trace::SpanKind;
use orders::create_app;
use serde_json::json;
use spanbox::testing::{Spans, TestApp};

use crate::orders::{becomes, place};

const POST: &str = "POST /api/orders/";
const RUN: &str = "process orders";
/// Parts of the names of the statements that store and complete a job.
pub(crate) const ENQUEUE: &str = "INSERT spanbox_jobs";
pub(crate) const COMPLETE: &str = "UPDATE spanbox_jobs";

#[actix::test]
async fn an_order_is_one_tree_from_the_request_to_the_last_update() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Widget", "1500.00").await;
    becomes(&app, id, "completed").await;
    for path in [
        &["INSERT orders"] as &[&str],
        &["COMMIT"],
        &["send orders", "jobs.queue.wait"],
        &["send orders", RUN, "actor.mailbox.wait"],
        &[RUN, "process_order", "SELECT orders"],
        &[RUN, "process_order", "UPDATE orders"],
        &[RUN, "process_order", "validate_high_value_order"],
        &[RUN, "process_order", "process_payment", "validate_payment_method"],
        &[RUN, "process_order", "process_payment", "payment_gateway.charge", "INSERT charges"],
    ] {
        app.expect_path(&[&[POST], path].concat()).await;
    }
    let run = app.expect_path(&[POST, RUN]).await;
    let (_, spans) = app.stop().await;

    let request = spans.named(POST).next().unwrap();
    assert_eq!(request.span_kind, SpanKind::Server);
    assert_eq!(Spans::attribute(request, "http.route").unwrap(), "/api/orders/");
    assert_eq!(Spans::attribute(request, "spanbox.module").unwrap(), "orders");
    assert_eq!(Spans::attribute(request, "http.response.status_code").unwrap(), "201");
    assert_eq!(run.span_context.trace_id(), request.span_context.trace_id());
    let tree = spans.of_trace(request.span_context.trace_id());
    assert_eq!(tree.named("UPDATE orders").count(), 2, "{tree:?}");
    for (statement, cause) in [(ENQUEUE, "send orders"), (COMPLETE, "process_order")] {
        let found: Vec<_> = tree.all().iter().filter(|span| span.name.contains(statement)).collect();
        assert_eq!(found.len(), 1, "{statement}: {tree:?}");
        assert_eq!(tree.parent(found[0]).unwrap().name, cause, "{tree:?}");
    }
    for statement in tree.all().iter().filter(|span| span.span_kind == SpanKind::Client) {
        let text = format!("{:?}", statement.attributes);
        assert!(!text.contains("Widget") && !text.contains("150000"), "a bound value was recorded: {text}");
    }
}

#[actix::test]
async fn a_payment_says_what_was_paid_and_how() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Widget", "99.99").await;
    becomes(&app, id, "completed").await;
    let charge = app.expect_path(&[POST, "process_payment", "payment_gateway.charge"]).await;
    let payment = app.expect_path(&[POST, "process_order", "process_payment"]).await;
    let method = app.expect_path(&[POST, "process_payment", "validate_payment_method"]).await;
    app.stop().await;
    let transaction = format!("sim-order-{id}");
    for (span, attributes) in [
        (
            &payment,
            &[
                ("order.id", id.to_string().as_str()),
                ("payment.amount", "99.99"),
                ("payment.method", "credit_card"),
                ("payment.transaction_id", &transaction),
            ] as &[(&str, &str)],
        ),
        (&method, &[("payment.method", "credit_card")]),
        (
            &charge,
            &[
                ("payment.gateway", "simulated"),
                ("payment.amount", "99.99"),
                ("payment.transaction_id", &transaction),
            ],
        ),
    ] {
        for (key, value) in attributes {
            assert_eq!(Spans::attribute(span, key).as_deref(), Some(*value), "{key} of {span:?}");
        }
    }
    assert_eq!(charge.span_kind, SpanKind::Client);
}

#[actix::test]
async fn a_low_amount_is_not_validated() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Widget", "1000.00").await;
    becomes(&app, id, "completed").await;
    app.expect_path(&[POST, "process_order"]).await;
    let (_, spans) = app.stop().await;
    assert_eq!(spans.named("validate_high_value_order").count(), 0);
}

#[actix::test]
async fn a_callers_trace_goes_on() {
    let app = TestApp::start(create_app).await;
    let body = json!({ "product_name": "Widget", "amount": 1 }).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let answer = app.send(Method::POST, "/api/orders/", &headers, body.into()).await;
    assert_eq!(answer.status, 201);
    let update = app.expect_path(&[POST, RUN, "process_order", "UPDATE orders"]).await;
    assert_eq!(update.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    let (_, spans) = app.stop().await;
    let request = spans.named(POST).next().unwrap();
    assert_eq!(request.parent_span_id.to_string(), "b7ad6b7169203331");
}

#[actix::test]
async fn analytics_and_probes_are_recorded_as_they_should_be() {
    let app = TestApp::start(create_app).await;
    app.get("/api/orders/analytics").await;
    app.get("/health/").await;
    app.get("/health/ready").await;
    app.get("/nowhere").await;
    app.expect_path(&["GET /api/orders/analytics", "calculate_analytics", "SELECT order_totals"]).await;
    app.expect_path(&["GET"]).await;
    let (_, spans) = app.stop().await;
    let analytics = spans.named("calculate_analytics").next().unwrap();
    assert_eq!(Spans::attribute(analytics, "analytics.total_orders").unwrap(), "0");
    assert!(!format!("{spans:?}").contains("health"), "{spans:?}");
}

#[actix::test]
async fn an_unknown_method_makes_no_span_name_of_its_own() {
    let app = TestApp::start(create_app).await;
    let method = Method::from_bytes(b"BREW").unwrap();
    assert_eq!(app.send(method, "/api/orders/", &[], Default::default()).await.status, 405);
    let span = app.expect_path(&["HTTP /api/orders/"]).await;
    assert_eq!(Spans::attribute(&span, "http.request.method").unwrap(), "_OTHER");
    app.stop().await;
}
