//! What would be SQL if it were pasted into some, wherever a client can put a text: it is a text, or it is refused.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::lines::idle;

const CORPUS: [&str; 9] = [
    "' OR '1'='1",
    "'; DROP TABLE orders; --",
    "1; DELETE FROM orders",
    "1 OR 1=1",
    "\" OR \"\"=\"",
    "') UNION SELECT id, status FROM orders --",
    "'; SELECT pg_sleep(20); --",
    "$1",
    "?1 /* */",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[actix::test]
async fn sql_in_any_field_is_a_text_or_is_refused() {
    let app = idle().await;
    for text in CORPUS {
        let line = json!({ "product": text, "quantity": 1, "unit_price": "1" });
        for (body, status) in [
            (json!({ "product_name": text, "amount": "1" }), 201),
            (json!({ "lines": [line] }), 201),
            (json!({ "product_name": "W", "amount": text }), 422),
            (json!({ "product_name": "W", "amount": "1", "currency": text }), 422),
            (json!({ "product_name": "W", "amount": "1", "payment_method": text }), 422),
            (json!({ "product_name": "W", "amount": "1", text: 1 }), 422),
        ] {
            let answer = app.post("/api/orders/", &body).await;
            assert_eq!(answer.status, status, "{body}: {answer:?}");
            if status == 201 {
                let id = &answer.json::<Value>()["id"];
                let stored: Value = app.get(&format!("/api/orders/{id}")).await.json();
                assert_eq!(stored["product_name"], text);
                assert_eq!(stored["lines"][0]["product"], text);
            }
        }
        let text = encoded(text);
        for path in ["?status=", "?cursor=", "?limit=", "?include=", "export.csv?status="] {
            let answer = app.get(&format!("/api/orders/{path}{text}")).await;
            assert_eq!(answer.status, 400, "{path}{text}: {answer:?}");
        }
        for (method, rest) in
            [(Method::GET, ""), (Method::DELETE, ""), (Method::GET, "/events"), (Method::POST, "/cancel")]
        {
            let answer =
                app.send(method, &format!("/api/orders/{text}{rest}"), &[], Default::default()).await;
            assert!(matches!(answer.status.as_u16(), 400 | 404), "{text}{rest}: {answer:?}");
        }
    }
    let all: Value = app.get("/api/orders/?limit=200").await.json();
    assert_eq!(all["orders"].as_array().unwrap().len(), 2 * CORPUS.len());
    app.stop().await;
}
