//! Many services in one process, and what happens when one stops or is described wrongly.

use std::collections::BTreeMap;

use orders::create_app;
use serde_json::Value;
use spanbox::testing::TestApp;

use crate::orders::{becomes, place};
use crate::stored::{count, statuses};

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
async fn a_stop_right_after_the_answer_finishes_every_order() {
    let app = TestApp::start(create_app).await;
    let database = app.database().clone();
    for _ in 0..50 {
        place(&app, "Widget", "1.00").await;
    }
    let (_, spans) = app.stop().await;
    assert_eq!(count(&statuses(&database).await), BTreeMap::from([("completed", 50)]));
    assert_eq!(spans.named("process_order").count(), 50);
    assert_eq!(spans.named("UPDATE orders").count(), 100);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let errors = create_app(Some("production"))
        .config_directory("../config")
        .environment([
            ("PORT", "eighty"),
            ("DATABASE_URL", "mysql://root:hunter2@db/orders"),
            ("APP_SERVER__PROT", "1"),
            ("APP_ORDERS__PROCESSORS", "0"),
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
        "orders.processors",
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
        app.stop_unchecked().await;
    }
}

#[actix::test]
async fn more_orders_than_may_wait_are_refused_and_not_stored() {
    let environment = [("APP_ORDERS__MAX_BACKLOG", "1"), ("APP_ORDERS__PROCESSORS", "1")];
    let app = TestApp::start_with(create_app, environment).await;
    let order = serde_json::json!({ "product_name": "Widget", "amount": "1" });
    let orders = futures_util::future::join_all((0..40).map(|_| app.post("/api/orders/", &order))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = orders.into_iter().partition(|answer| answer.status == 201);
    assert!(!taken.is_empty() && !refused.is_empty(), "{} taken, {} refused", taken.len(), refused.len());
    for answer in &refused {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    }
    for order in &taken {
        becomes(&app, order.json::<Value>()["id"].as_i64().unwrap(), "completed").await;
    }
    let analytics: Value = app.get("/api/orders/analytics").await.json();
    assert_eq!(analytics["total_orders"], taken.len());
    app.stop().await;
}

#[actix::test]
async fn unfinished_orders_are_taken_up_by_the_next_start() {
    use diesel::sql_query;
    use diesel_async::RunQueryDsl;
    use spanbox::data::{Conn, DbError};
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Widget", "1.00").await;
    becomes(&app, id, "completed").await;
    for status in ["pending", "processing"] {
        let statement = format!(
            "INSERT INTO orders (product_name, amount_minor, currency, status, created_at, updated_at) \
             SELECT product_name, amount_minor, currency, '{status}', created_at, updated_at FROM orders WHERE id = {id}"
        );
        let db = app.running().db().unwrap();
        db.write(async move |conn: &mut Conn| -> Result<usize, DbError> {
            spanbox::query!(conn, c => sql_query(statement).execute(c).await)
        })
        .await
        .unwrap();
    }
    let again = app.restart(create_app).await;
    for unfinished in [id + 1, id + 2] {
        becomes(&again, unfinished, "completed").await;
    }
    again.stop().await;
}
