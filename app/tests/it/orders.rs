//! What the API promises.

use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::TestApp;

/// Places an order and gives its id.
pub(crate) async fn place(app: &TestApp, product: &str, amount: &str) -> i64 {
    let answer = app.post("/api/orders/", &json!({ "product_name": product, "amount": amount })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json::<Value>()["id"].as_i64().unwrap()
}

/// Waits until an order has a status.
pub(crate) async fn becomes(app: &TestApp, id: i64, status: &str) -> Value {
    app.eventually(&format!("order {id} becomes {status}"), async || {
        let order: Value = app.get(&format!("/api/orders/{id}")).await.json();
        (order["status"] == status).then_some(order)
    })
    .await
}

#[actix::test]
async fn an_order_is_taken_and_completes_by_itself() {
    let app = TestApp::start(create_app).await;
    let answer = app.post("/api/orders/", &json!({ "product_name": "Widget", "amount": "99.99" })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let order: Value = answer.json();
    let id = order["id"].as_i64().unwrap();
    assert_eq!(answer.header("location").unwrap(), format!("/api/orders/{id}"));
    assert_eq!(
        (&order["product_name"], &order["amount"], &order["currency"], &order["status"]),
        (&json!("Widget"), &json!("99.99"), &json!("USD"), &json!("pending"))
    );
    let done = becomes(&app, id, "completed").await;
    assert_eq!(done["created_at"], order["created_at"]);
    assert!(done["created_at"].as_str().unwrap().ends_with('Z'), "{done}");
    app.stop().await;
}

#[actix::test]
async fn an_order_above_the_limit_fails_its_validation() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Yacht", "1000000.01").await;
    becomes(&app, id, "failed").await;
    app.stop().await;
}

#[actix::test]
async fn the_list_is_newest_first_filtered_and_paged() {
    let app = TestApp::start(create_app).await;
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(place(&app, &format!("Widget {number}"), "1.00").await);
    }
    for id in &ids {
        becomes(&app, *id, "completed").await;
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/orders/?limit=3&status=completed".to_owned();
    loop {
        let page: Value = app.get(&path).await.json();
        let orders = page["orders"].as_array().unwrap();
        assert!(orders.len() <= 3);
        seen.extend(orders.iter().map(|order| order["id"].as_i64().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/orders/?limit=3&status=completed&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let none: Value = app.get("/api/orders/?status=failed").await.json();
    assert_eq!(none, json!({ "orders": [], "next_cursor": null }));
    app.stop().await;
}

#[actix::test]
async fn an_order_can_be_deleted_once() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Widget", "5").await;
    becomes(&app, id, "completed").await;
    let path = format!("/api/orders/{id}");
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(app.delete(&path).await.status, 404);
    let gone = app.get(&path).await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.header("content-type").unwrap(), "application/problem+json");
    assert_eq!(gone.json::<Value>()["detail"], format!("there is no order {id}"));
    app.stop().await;
}

#[actix::test]
async fn analytics_count_and_add_up_by_status() {
    let app = TestApp::start(create_app).await;
    for (product, amount, status) in
        [("A", "0.10", "completed"), ("B", "0.20", "completed"), ("C", "2000000", "failed")]
    {
        let id = place(&app, product, amount).await;
        becomes(&app, id, status).await;
    }
    let analytics: Value = app.get("/api/orders/analytics").await.json();
    assert_eq!(
        analytics,
        json!({
            "total_orders": 3,
            "pending_orders": 0,
            "by_status": [
                { "status": "completed", "currency": "USD", "count": 2, "total": "0.30" },
                { "status": "failed", "currency": "USD", "count": 1, "total": "2000000.00" },
            ],
        })
    );
    app.stop().await;
}

#[actix::test]
async fn a_slash_at_the_end_is_optional_and_head_is_answered() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "Widget", "5").await;
    for path in [
        "/api/orders",
        "/api/orders/",
        &format!("/api/orders/{id}"),
        &format!("/api/orders/{id}/"),
        "/health",
        "/health/",
    ] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
        let head = app.send(actix_web::http::Method::HEAD, path, &[], Default::default()).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
    }
    becomes(&app, id, "completed").await;
    app.stop().await;
}

#[actix::test]
async fn the_probes_say_what_is_there() {
    let app = TestApp::start(create_app).await;
    assert_eq!(app.get("/health/").await.json::<Value>(), json!({ "status": "healthy" }));
    let ready: Value = app.get("/health/ready").await.json();
    assert_eq!(ready["status"], "ready");
    assert_eq!(
        (&ready["checks"][0]["name"], &ready["checks"][0]["status"]),
        (&json!("database"), &json!("ok"))
    );
    let (_, spans) = app.stop().await;
    let roots = spans.all().iter().filter(|span| spans.parent(span).is_none());
    assert!(roots.clone().all(|root| root.name.starts_with("service.")), "{spans:?}");
}
