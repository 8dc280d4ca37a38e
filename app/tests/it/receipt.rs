//! The receipt of an order, as a browser gets it.

use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::TestApp;

#[actix::test]
async fn a_receipt_has_the_lines_and_the_total_and_no_markup_of_a_client() {
    let app = TestApp::start(create_app).await;
    let lines = json!([
        { "product": "<b>Widget</b> & co", "quantity": 3, "unit_price": "10.50" },
        { "product": "Gadget", "quantity": 1, "unit_price": "0.99" },
    ]);
    let placed: Value = app.post("/api/orders/", &json!({ "lines": lines })).await.json();
    let page = app.get(&format!("/orders/{}/receipt", placed["id"])).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    for part in ["&lt;b&gt;Widget&lt;&#x2f;b&gt; &amp; co", "31.50", "0.99", "32.49 USD"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<b>"), "{text}");
    app.expect_path(&["GET /orders/{id}/receipt", "template.render"]).await;

    let simple = app.post("/api/orders/", &json!({ "product_name": "Thing", "amount": "5.00" })).await;
    let simple: Value = simple.json();
    let page = app.get(&format!("/orders/{}/receipt", simple["id"])).await.text();
    assert!(page.contains("Thing") && page.contains("5.00 USD"), "{page}");
    assert_eq!(app.get("/orders/999999/receipt").await.status, 404);
    app.stop().await;
}
