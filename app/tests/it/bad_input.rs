//! Nothing that is wrong is stored, and the client learns which field it was.

use std::time::Duration;

use actix_web::http::Method;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::TestApp;

async fn post(app: &TestApp, body: &str) -> (u16, Value) {
    let answer = app
        .send(Method::POST, "/api/orders/", &[("content-type", "application/json")], body.to_owned().into())
        .await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    (answer.status.as_u16(), answer.json())
}

async fn stored(app: &TestApp) -> usize {
    app.get("/api/orders/").await.json::<Value>()["orders"].as_array().unwrap().len()
}

#[actix::test]
async fn a_body_that_does_not_fit_names_its_field() {
    let app = TestApp::start(create_app).await;
    let long = "x".repeat(201);
    for (body, status, field) in [
        (json!({ "product_name": 7, "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "product_name": null, "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "product_name": "", "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "product_name": "   ", "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "product_name": long, "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "product_name": "a\nb", "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "product_name": "a\u{0}b", "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "amount": "1" }).to_string(), 422, "product_name"),
        (json!({ "product_name": "W" }).to_string(), 422, "amount"),
        (json!({ "product_name": "W", "amount": "-1" }).to_string(), 422, "amount"),
        (json!({ "product_name": "W", "amount": "1.001" }).to_string(), 422, "amount"),
        (json!({ "product_name": "W", "amount": [] }).to_string(), 422, "amount"),
        (r#"{"product_name":"W","amount":1e400}"#.to_owned(), 422, "amount"),
        (r#"{"product_name":"W","amount":NaN}"#.to_owned(), 400, ""),
        (r#"{"product_name":"W","amount":100000000}"#.to_owned(), 422, "amount"),
        (json!({ "product_name": "W", "amount": "1", "status": "completed" }).to_string(), 422, "status"),
        (r#"{"product_name":"W","amount":"1","amount":"2"}"#.to_owned(), 422, "amount"),
        ("[]".to_owned(), 422, "body"),
        (r#"["W","1"]"#.to_owned(), 422, "body"),
        ("\"order\"".to_owned(), 422, "body"),
        (r#"{"product_name":"W","#.to_owned(), 400, ""),
        ("\u{feff}{}".to_owned(), 400, ""),
        (String::new(), 400, ""),
    ] {
        let (answered, problem) = post(&app, &body).await;
        assert_eq!(answered, status, "{body}: {problem}");
        if !field.is_empty() {
            assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
        }
        assert_eq!(problem["trace_id"].as_str().map(str::len), Some(32), "{problem}");
    }
    assert_eq!(stored(&app).await, 0);
    app.stop().await;
}

#[actix::test]
async fn a_body_over_the_limit_is_413_and_another_type_is_415() {
    let app = TestApp::start(create_app).await;
    let huge = json!({ "product_name": "x".repeat(2 * 1024 * 1024), "amount": "1" }).to_string();
    assert_eq!(post(&app, &huge).await.0, 413);
    for headers in [&[] as &[(&str, &str)], &[("content-type", "text/plain")], &[("content-type", "a/b/c")]] {
        let body = json!({ "product_name": "W", "amount": "1" }).to_string();
        let answer = app.send(Method::POST, "/api/orders/", headers, body.into()).await;
        assert_eq!(answer.status, 415, "{headers:?}");
    }
    assert_eq!(stored(&app).await, 0);
    app.stop().await;
}

#[actix::test]
async fn a_body_that_does_not_come_is_cut_off() {
    let app = TestApp::start_with(create_app, [("APP_SERVER__BODY_TIMEOUT", "200ms")]).await;
    let address = app.running().addresses()[0];
    let answer = spanbox::testing::raw(
        address,
        b"POST /api/orders/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"product",
        Duration::from_secs(10),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(stored(&app).await, 0);
    app.stop().await;
}

#[actix::test]
async fn an_id_that_is_none_names_the_parameter() {
    let app = TestApp::start(create_app).await;
    for id in ["x", "1.5", "-", "99999999999999999999", "1e3", "%00", "1%20"] {
        for method in [Method::GET, Method::DELETE] {
            let answer = app.send(method, &format!("/api/orders/{id}"), &[], Default::default()).await;
            assert_eq!(answer.status, 400, "{id}: {answer:?}");
            assert_eq!(answer.json::<Value>()["errors"][0]["field"], "id", "{answer:?}");
        }
    }
    for id in ["0", "-1", "9223372036854775807"] {
        assert_eq!(app.get(&format!("/api/orders/{id}")).await.status, 404, "{id}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_query_that_does_not_fit_names_the_parameter() {
    let app = TestApp::start(create_app).await;
    for (query, field) in [
        ("status=lost", "status"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("cursor=5", "cursor"),
        ("cursor=c", "cursor"),
        ("cursor=cffffffffffffffffff", "cursor"),
        ("page=2", "page"),
    ] {
        let answer = app.get(&format!("/api/orders/?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert_eq!(answer.json::<Value>()["errors"][0]["field"], field, "{query}: {answer:?}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_wrong_method_or_path_is_a_problem_document() {
    let app = TestApp::start(create_app).await;
    let wrong_method = app.send(Method::PUT, "/api/orders/", &[], Default::default()).await;
    assert_eq!(wrong_method.status, 405);
    assert_eq!(wrong_method.header("allow"), Some("GET, POST, HEAD"));
    for path in ["/", "/api", "/api/orders/1/lines", "/API/orders/", "/%ff", "/../etc/passwd"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    app.stop().await;
}
