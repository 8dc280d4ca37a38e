//! The edges of the service: limits, origins, headers.

use actix_web::http::Method;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::TestApp;

use crate::streaming::Client;

#[actix::test]
async fn orders_are_limited_per_client_and_reading_is_not() {
    let rules = [
        ("APP_LIMITS__RULES__ORDERS__PER", "principal"),
        ("APP_LIMITS__RULES__ORDERS__REQUESTS", "2"),
        ("APP_LIMITS__RULES__ORDERS__WINDOW", "1h"),
        ("APP_LIMITS__RULES__ORDERS__ROUTES", "POST /api/orders/"),
    ];
    let app = TestApp::start_with(create_app, rules).await;
    for status in [201, 201, 429] {
        let answer = app.post("/api/orders/", &json!({ "product_name": "Widget", "amount": "9.99" })).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.header("ratelimit").is_some(), "{answer:?}");
    }
    let list = app.get("/api/orders/").await;
    assert_eq!((list.status.as_u16(), list.header("ratelimit")), (200, None));
    app.stop().await;
}

#[actix::test]
async fn a_page_of_a_listed_origin_may_place_an_order_and_watch_it() {
    let app = TestApp::start_with(create_app, [("APP_CORS__ORIGINS", "https://shop.example")]).await;
    let asked = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,idempotency-key"),
    ];
    let preflight = app.send(Method::OPTIONS, "/api/orders/", &asked, Default::default()).await;
    assert_eq!(preflight.status, 200, "{preflight:?}");
    let headers = [("origin", "https://shop.example"), ("content-type", "application/json")];
    let order = json!({ "product_name": "Widget", "amount": "9.99" }).to_string();
    let placed = app.send(Method::POST, "/api/orders/", &headers, order.into()).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    assert_eq!(placed.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(placed.header("cache-control"), Some("no-store"));
    assert_eq!(placed.header("x-request-id").map(str::len), Some(32));
    let id = placed.json::<Value>()["id"].as_i64().unwrap();
    let watching = Client::websocket(&app, id, "origin: https://shop.example\r\n").await;
    assert!(watching.head.starts_with("http/1.1 101"), "{}", watching.head);
    drop(watching);
    for refused in ["origin: https://other.example\r\n", "origin: https://shop.example\r\ncookie: a=b\r\n"] {
        let answer = Client::websocket(&app, id, refused).await;
        assert!(answer.head.starts_with("http/1.1 403"), "{refused}: {}", answer.head);
    }
    app.stop().await;
}
