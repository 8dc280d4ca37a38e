//! Every route for every kind of caller: what nobody has listed is not there.

use std::collections::BTreeSet;

use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::TestApp;

use super::{ADMIN, PASSWORD, SignedIn, WITH_ADMIN, completed_order, register, send, sign_in};

/// Nobody, where nobody may act; nobody, where nobody may not; another user than the owner; the owner; an admin.
type Expected = [u16; 5];

const CALLERS: [&str; 5] = ["nobody", "nobody, and nobody may", "another user", "the owner", "an admin"];

/// What a route is asked with, and what it answers to each caller.
struct Row {
    route: &'static str,
    body: Body,
    expected: Expected,
}

enum Body {
    None,
    Order,
    Patch,
    Registration,
    Credentials,
    Refresh,
    Passwords,
}

const fn row(route: &'static str, body: Body, expected: Expected) -> Row {
    Row { route, body, expected }
}

/// The whole service. `{id}` stands for an order of the owner, and below accounts for the owner.
const MATRIX: &[Row] = &[
    row("GET /accounts/sign-in", Body::None, [200; 5]),
    // Without a form; those that others send are in `pages`.
    row("POST /accounts/sign-in", Body::None, [415; 5]),
    row("POST /accounts/sign-out", Body::None, [415; 5]),
    row("POST /api/accounts/login", Body::Credentials, [200; 5]),
    row("POST /api/accounts/logout", Body::None, [401, 401, 204, 204, 204]),
    row("GET /api/accounts/me", Body::None, [401, 401, 200, 200, 200]),
    row("POST /api/accounts/password", Body::Passwords, [401, 401, 204, 204, 204]),
    row("POST /api/accounts/refresh", Body::Refresh, [200; 5]),
    row("POST /api/accounts/register", Body::Registration, [201; 5]),
    row("POST /api/accounts/{id}/disable", Body::None, [401, 401, 404, 404, 204]),
    row("POST /api/accounts/{id}/enable", Body::None, [401, 401, 404, 404, 204]),
    row("GET /api/orders/", Body::None, [200, 401, 200, 200, 200]),
    row("POST /api/orders/", Body::Order, [201, 401, 201, 201, 201]),
    row("GET /api/orders/analytics", Body::None, [200, 401, 200, 200, 200]),
    row("GET /api/orders/{id}", Body::None, [404, 401, 404, 200, 200]),
    row("DELETE /api/orders/{id}", Body::None, [404, 401, 404, 204, 204]),
    // Served in development alone.
    row("GET /openapi.json", Body::None, [404; 5]),
    row("GET /docs/", Body::None, [404; 5]),
    row("GET /docs/{file}", Body::None, [404; 5]),
    // The order is completed.
    row("PATCH /api/orders/{id}", Body::Patch, [404, 401, 404, 409, 409]),
    row("POST /api/orders/{id}/cancel", Body::None, [404, 401, 404, 409, 409]),
    row("GET /api/orders/{id}/events", Body::None, [404, 401, 404, 200, 200]),
    row("GET /api/orders/export.csv", Body::None, [200, 401, 200, 200, 200]),
    row("GET /orders/{id}/receipt", Body::None, [404, 401, 404, 200, 200]),
    row("GET /health/", Body::None, [200; 5]),
    row("GET /health/ready", Body::None, [200; 5]),
];

#[test]
fn every_route_is_in_the_matrix_and_the_other_way_round() {
    let ready = create_app(Some("testing")).prepare().map_err(|errors| errors.to_string()).unwrap();
    let routes: BTreeSet<_> =
        ready.routes().iter().map(|route| format!("{} {}", route.method, route.pattern)).collect();
    let rows: BTreeSet<_> = MATRIX.iter().map(|row| row.route.to_owned()).collect();
    assert_eq!(rows.len(), MATRIX.len(), "a route is listed twice");
    let unlisted: Vec<_> = routes.difference(&rows).collect();
    assert!(unlisted.is_empty(), "say who may call {unlisted:?}");
    let gone: Vec<_> = rows.difference(&routes).collect();
    assert!(gone.is_empty(), "there is no {gone:?}");
}

impl Body {
    fn of(&self, number: usize, owner: &str, signed: &SignedIn) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Order => Some(json!({ "product_name": "Widget", "amount": "1.00" })),
            Self::Patch => Some(json!({ "amount": "2.00" })),
            Self::Registration => {
                Some(json!({ "email": format!("new{number}@example.com"), "password": PASSWORD }))
            }
            Self::Credentials => Some(json!({ "email": owner, "password": PASSWORD })),
            Self::Refresh => Some(json!({ "refresh_token": signed.refresh })),
            Self::Passwords => Some(json!({ "current_password": PASSWORD, "new_password": PASSWORD })),
        }
    }
}

#[actix::test]
async fn every_route_answers_every_caller_as_listed() {
    let open = TestApp::start_with(create_app, WITH_ADMIN).await;
    let closed = WITH_ADMIN.into_iter().chain([("APP_ORDERS__ALLOW_ANONYMOUS", "false")]);
    let closed = TestApp::start_with(create_app, closed).await;
    let mut wrong = Vec::new();
    let mut number = 0;
    for row in MATRIX {
        for (caller, (name, expected)) in CALLERS.iter().zip(row.expected).enumerate() {
            number += 1;
            let app = if caller == 1 { &closed } else { &open };
            let (owner, other) = (format!("owner{number}@example.com"), format!("other{number}@example.com"));
            let id = register(app, &owner).await;
            register(app, &other).await;
            let (owners, others) = (sign_in(app, &owner).await, sign_in(app, &other).await);
            let admins = sign_in(app, ADMIN).await;
            let who = [None, None, Some(&others), Some(&owners), Some(&admins)][caller];
            let id = if row.route.contains("/orders/{id}") {
                completed_order(app, Some(&owners)).await
            } else {
                id
            };
            let (method, pattern) = row.route.split_once(' ').unwrap();
            let path = pattern.replace("{id}", &id.to_string()).replace("{file}", "index.css");
            let body = row.body.of(number, &owner, &owners);
            let answer = send(app, who, method, &path, body.as_ref()).await;
            if answer.status != expected {
                wrong.push(format!("{}: {name}: {expected} expected, not {answer:?}", row.route));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    open.stop().await;
    closed.stop().await;
}
