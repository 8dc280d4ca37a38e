//! Accounts over HTTP: who gets in, for how long, and what they see.

mod matrix;
mod ownership;
mod pages;
mod refresh;
mod revocation;
mod sign_in;

use actix_web::http::Method;
use serde_json::{Value, json};
use spanbox::testing::{Answer, TestApp};

/// Everybody's, in tests.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The environment of a service with an admin.
pub(crate) const WITH_ADMIN: [(&str, &str); 2] =
    [("APP_ACCOUNTS__FIRST_ADMIN", "Root@Example.com"), ("APP_ACCOUNTS__FIRST_ADMIN_PASSWORD", PASSWORD)];
pub(crate) const ADMIN: &str = "root@example.com";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl SignedIn {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let tokens: Value = answer.json();
        let text = |key: &str| tokens[key].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

pub(crate) async fn register(app: &TestApp, email: &str) -> i64 {
    let answer = app.post("/api/accounts/register", &json!({ "email": email, "password": PASSWORD })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json::<Value>()["id"].as_i64().unwrap()
}

async fn try_sign_in(app: &TestApp, email: &str, password: &str) -> Answer {
    app.post("/api/accounts/login", &json!({ "email": email, "password": password })).await
}

pub(crate) async fn sign_in(app: &TestApp, email: &str) -> SignedIn {
    SignedIn::of(&try_sign_in(app, email, PASSWORD).await)
}

/// A request of somebody, with a body of JSON if there is one.
pub(crate) async fn send(
    app: &TestApp,
    who: Option<&SignedIn>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let authorization = who.map(|who| format!("Bearer {}", who.access));
    let mut headers = Vec::new();
    if let Some(authorization) = &authorization {
        headers.push(("authorization", authorization.as_str()));
    }
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    let body = body.map(ToString::to_string).unwrap_or_default();
    app.send(Method::from_bytes(method.as_bytes()).unwrap(), path, &headers, body.into()).await
}

async fn me(app: &TestApp, who: &SignedIn) -> Answer {
    send(app, Some(who), "GET", "/api/accounts/me", None).await
}

async fn exchange(app: &TestApp, refresh: &str) -> Answer {
    app.post("/api/accounts/refresh", &json!({ "refresh_token": refresh })).await
}

/// Places an order and waits for its end.
pub(crate) async fn completed_order(app: &TestApp, who: Option<&SignedIn>) -> i64 {
    let body = json!({ "product_name": "Widget", "amount": "1.00" });
    let answer = send(app, who, "POST", "/api/orders/", Some(&body)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.json::<Value>()["id"].as_i64().unwrap();
    app.eventually(&format!("order {id} completes"), async || {
        let answer = send(app, who, "GET", &format!("/api/orders/{id}"), None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.json::<Value>()["status"] == "completed").then_some(id)
    })
    .await
}

/// A problem document without what differs from request to request.
fn told(answer: &Answer) -> Value {
    let mut problem: Value = answer.json();
    problem.as_object_mut().unwrap().remove("trace_id");
    problem
}
