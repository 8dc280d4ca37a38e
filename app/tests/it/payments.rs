//! Orders are charged once, whatever the gateway does, and what can not be processed is left where it can be seen.

use orders::create_app;
use serde_json::json;
use spanbox::data::{Backend, Conn};
use spanbox::jobs::{State, store};
use spanbox::testing::{TestApp, TestDatabase};

use crate::orders::{becomes, place};
use crate::stored::{Orders, Records, Stored};

/// An order is in hand for as long as a test needs.
const SLOW: (&str, &str) = ("APP_PAYMENTS__LATENCY", "1s");

#[actix::test]
async fn a_gateway_that_fails_half_the_time_charges_each_order_once() {
    const ORDERS: usize = 24;
    let environment = [("APP_PAYMENTS__FAILURE_RATE", "0.5"), ("APP_JOBS__POLL_INTERVAL", "10ms")];
    let app = TestApp::start_with(create_app, environment).await;
    let records = Records::open(app.database()).await;
    for _ in 0..ORDERS {
        place(&app, "Widget", "12.34").await;
    }
    let done = |orders: &Orders| orders.values().all(Stored::is_completed_once);
    while !done(&records.orders().await) {
        // Nobody waits for the backoff.
        records.sql("UPDATE spanbox_jobs SET run_at = 1 WHERE state = 'available'").await;
    }
    let orders = records.are_completed_once(ORDERS).await;
    let attempts: i64 = orders.values().map(|order| order.attempts).sum();
    assert!(attempts > orders.len() as i64, "no request has failed in {attempts} attempts");
    records.close().await;
    let (_, spans) = app.stop().await;
    let failed =
        |text: &str| spans.named("payment_gateway.charge").any(|span| format!("{span:?}").contains(text));
    assert!(failed("nothing was charged") && failed("did not answer"), "{spans:?}");
}

#[actix::test]
async fn a_declined_payment_fails_the_order_and_charges_nothing() {
    let app = TestApp::start_with(create_app, [("APP_PAYMENTS__DECLINE_ABOVE", "50.00")]).await;
    let (declined, paid) = (place(&app, "Widget", "50.01").await, place(&app, "Widget", "50.00").await);
    becomes(&app, declined, "failed").await;
    becomes(&app, paid, "completed").await;
    let records = Records::open(app.database()).await;
    let orders = records.orders().await;
    let order = &orders[&declined];
    assert_eq!((order.version, order.charges, order.job.as_str(), order.attempts), (3, 0, "completed", 1));
    assert!(orders[&paid].is_completed_once());
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn an_order_that_is_refused_is_not_charged() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Yacht", "1000000.01").await;
    becomes(&app, id, "failed").await;
    let records = Records::open(app.database()).await;
    let order = records.orders().await.remove(&id).unwrap();
    assert_eq!((order.version, order.charges, order.job.as_str()), (3, 0, "completed"));
    records.close().await;
    let (_, spans) = app.stop().await;
    assert_eq!(spans.named("process_payment").count(), 0);
}

#[actix::test]
async fn an_order_whose_job_gives_up_stays_in_processing_until_the_job_is_retried() {
    let app = TestApp::start(create_app).await;
    let records = Records::open(app.database()).await;
    // Another charge has the key of the order that comes next.
    records.sql("INSERT INTO charges VALUES ('order-1', 1, 'USD', '2026-11-24 00:00:00')").await;
    let id = place(&app, "Widget", "9.99").await;
    assert_eq!(id, 1);
    let dead = records.become_so("its job is a dead letter", |orders| orders[&id].job == "dead").await;
    assert_eq!((dead[&id].status.as_str(), dead[&id].version, dead[&id].attempts), ("processing", 2, 1));
    let letters = records
        .db()
        .read(async |conn: &mut Conn| store::list(conn, State::Dead, Some("orders"), None, 10).await)
        .await
        .unwrap();
    let (letter, error) = (letters[0].id, letters[0].error.clone().unwrap());
    assert!(error.contains("order-1 stands for a charge of 0.01 USD, not 9.99 USD"), "{error}");

    records.sql("DELETE FROM charges").await;
    let retried = records.db().write(async move |conn: &mut Conn| store::retry(conn, letter).await).await;
    assert!(retried.unwrap());
    records.are_completed_once(1).await;
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn an_order_that_was_ended_meanwhile_is_left_as_it_is() {
    let app = TestApp::start_with(create_app, [SLOW]).await;
    let records = Records::open(app.database()).await;
    let id = place(&app, "Widget", "9.99").await;
    becomes(&app, id, "processing").await;
    records.sql("UPDATE orders SET status = 'failed', version = version + 1").await;
    let ended = records.become_so("its job ends", |orders| orders[&id].job == "completed").await;
    assert_eq!((ended[&id].status.as_str(), ended[&id].version, ended[&id].attempts), ("failed", 3, 1));
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn an_order_in_processing_can_not_be_deleted_and_one_that_is_gone_needs_no_processing() {
    let app = TestApp::start_with(create_app, [SLOW]).await;
    let records = Records::open(app.database()).await;
    let id = place(&app, "Widget", "9.99").await;
    becomes(&app, id, "processing").await;
    let refused = app.delete(&format!("/api/orders/{id}")).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text().contains("is being processed"), "{refused:?}");
    records.are_completed_once(1).await;
    assert_eq!(app.delete(&format!("/api/orders/{id}")).await.status, 204);
    app.stop().await;

    // Deleted before its job has begun.
    let waiting = [("APP_JOBS__IN_SERVE", "false")];
    let database = TestDatabase::fresh().await;
    let app = TestApp::start_on(database.clone(), create_app, waiting).await;
    let gone = place(&app, "Widget", "9.99").await;
    assert_eq!(app.delete(&format!("/api/orders/{gone}")).await.status, 204);
    let app = app.restart(create_app).await;
    let next = place(&app, "Widget", "9.99").await;
    becomes(&app, next, "completed").await;
    app.expect_path(&["process orders", "process_order"]).await;
    let (_, spans) = app.stop().await;
    assert_eq!(spans.named("process_payment").count(), 1);
    records.close().await;
}

#[actix::test]
async fn an_order_that_can_not_have_its_job_is_not_stored() {
    let app = TestApp::start(create_app).await;
    let records = Records::open(app.database()).await;
    let (refuse, allow) = match records.db().backend() {
        Backend::Sqlite => (
            "CREATE TRIGGER full BEFORE INSERT ON spanbox_jobs BEGIN SELECT RAISE(ABORT, 'full'); END",
            "DROP TRIGGER full",
        ),
        Backend::Postgres => (
            "ALTER TABLE spanbox_jobs ADD CONSTRAINT no_more CHECK (false) NOT VALID",
            "ALTER TABLE spanbox_jobs DROP CONSTRAINT no_more",
        ),
    };
    records.sql(refuse).await;
    let answer = app.post("/api/orders/", &json!({ "product_name": "Widget", "amount": "1" })).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(records.orders().await.is_empty());
    records.sql(allow).await;
    let id = place(&app, "Widget", "1").await;
    becomes(&app, id, "completed").await;
    let orders = records.are_completed_once(1).await;
    assert!(orders.contains_key(&id));
    assert_eq!(records.sql("DELETE FROM spanbox_jobs WHERE kind = 'process_order'").await, 1);
    records.close().await;
    app.stop().await;
}
