//! Orders with lines, in any currency, paid in any way.

use actix_web::http::Method;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::{Spans, TestApp};

use crate::orders::{becomes, place};
use crate::stored::Records;

/// A service whose orders stay as they were placed: nobody runs its jobs.
pub(crate) async fn idle() -> TestApp {
    TestApp::start_with(create_app, [("APP_JOBS__IN_SERVE", "false")]).await
}

/// Places any order.
pub(crate) async fn order(app: &TestApp, document: &Value) -> Value {
    let answer = app.post("/api/orders/", document).await;
    assert_eq!(answer.status, 201, "{document}: {answer:?}");
    answer.json()
}

fn line(product: &str, quantity: u32, unit_price: &str) -> Value {
    json!({ "product": product, "quantity": quantity, "unit_price": unit_price })
}

#[actix::test]
async fn an_order_with_lines_comes_to_what_they_come_to() {
    let app = TestApp::start(create_app).await;
    let lines = json!([line("Widget", 3, "19.99"), line("Nut", 1000, "0.01"), line("Gift", 1, "0")]);
    let placed = order(&app, &json!({ "lines": lines, "payment_method": "paypal" })).await;
    assert_eq!(
        (&placed["amount"], &placed["product_name"], &placed["payment_method"], &placed["version"]),
        (&json!("69.97"), &json!("Widget and 2 more"), &json!("paypal"), &json!(1))
    );
    assert_eq!(
        placed["lines"],
        json!([
            { "product": "Widget", "quantity": 3, "unit_price": "19.99", "total": "59.97" },
            { "product": "Nut", "quantity": 1000, "unit_price": "0.01", "total": "10.00" },
            { "product": "Gift", "quantity": 1, "unit_price": "0.00", "total": "0.00" },
        ])
    );
    let done = becomes(&app, placed["id"].as_i64().unwrap(), "completed").await;
    assert_eq!((&done["lines"], &done["version"]), (&placed["lines"], &json!(3)));
    let payment = app.expect_path(&["POST /api/orders/", "process_order", "process_payment"]).await;
    assert_eq!(Spans::attribute(&payment, "payment.method").as_deref(), Some("paypal"));
    assert_eq!(Spans::attribute(&payment, "payment.amount").as_deref(), Some("69.97"));
    app.stop().await;
}

#[actix::test]
async fn an_amount_has_the_decimals_of_its_currency_everywhere() {
    let app = TestApp::start(create_app).await;
    for (currency, sent, shown) in
        [("JPY", "1200", "1200"), ("KWD", "1.5", "1.500"), ("EUR", "7", "7.00"), ("USD", "0.10", "0.10")]
    {
        let document = json!({ "product_name": "W", "amount": sent, "currency": currency });
        let placed = order(&app, &document).await;
        assert_eq!((&placed["amount"], &placed["currency"]), (&json!(shown), &json!(currency)));
        assert_eq!(placed["lines"][0]["total"], shown);
        becomes(&app, placed["id"].as_i64().unwrap(), "completed").await;
    }
    let analytics: Value = app.get("/api/orders/analytics").await.json();
    let totals: Vec<_> = analytics["by_status"].as_array().unwrap().iter().map(|row| &row["total"]).collect();
    assert_eq!(totals, ["7.00", "1200", "1.500", "0.10"]);
    let (_, spans) = app.stop().await;
    let mut paid: Vec<_> =
        spans.named("process_payment").filter_map(|span| Spans::attribute(span, "payment.amount")).collect();
    paid.sort();
    assert_eq!(paid, ["0.10", "1.500", "1200", "7.00"]);
}

#[actix::test]
async fn what_is_worth_much_is_looked_at_in_any_currency() {
    let app = TestApp::start(create_app).await;
    // A thousand and one of each: the setting knows no currency.
    for (currency, amount) in [("JPY", "1001"), ("KWD", "1000.001"), ("USD", "1000.01")] {
        let document = json!({ "product_name": "W", "amount": amount, "currency": currency });
        let placed = order(&app, &document).await;
        becomes(&app, placed["id"].as_i64().unwrap(), "completed").await;
    }
    let (_, spans) = app.stop().await;
    assert_eq!(spans.named("validate_high_value_order").count(), 3);
}

#[actix::test]
async fn what_does_not_fit_names_its_field_and_nothing_is_stored() {
    let app = idle().await;
    let one = line("W", 1, "1.00");
    let many: Vec<_> = (0..101).map(|_| one.clone()).collect();
    for (document, field) in [
        (json!({ "lines": [] }), "lines"),
        (json!({ "lines": many }), "lines"),
        (json!({ "lines": {} }), "lines"),
        (json!({ "lines": [line("W", 0, "1")] }), "lines[0].quantity"),
        (json!({ "lines": [one, line("W", 1_000_001, "1")] }), "lines[1].quantity"),
        (json!({ "lines": [{ "product": "W", "quantity": 1.5, "unit_price": "1" }] }), "lines[0].quantity"),
        (json!({ "lines": [{ "product": "W", "quantity": -1, "unit_price": "1" }] }), "lines[0].quantity"),
        (json!({ "lines": [{ "product": "W", "quantity": "1", "unit_price": "1" }] }), "lines[0].quantity"),
        (json!({ "lines": [{ "product": "W", "quantity": 1 }] }), "lines[0].unit_price"),
        (json!({ "lines": [line("", 1, "1")] }), "lines[0].product"),
        (json!({ "lines": [line("a\u{0}", 1, "1")] }), "lines[0].product"),
        (json!({ "lines": [line("W", 1, "1.001")] }), "lines[0].unit_price"),
        (json!({ "lines": [line("W", 1, "-1")] }), "lines[0].unit_price"),
        (json!({ "lines": [one, line("W", 1, "0.5")], "currency": "JPY" }), "lines[0].unit_price"),
        (json!({ "lines": [line("W", 1_000_000, "99999999.99")] }), "lines"),
        (json!({ "lines": [line("W", 1, "99999999.99"), line("W", 1, "0.01")] }), "lines"),
        (json!({ "lines": [one], "amount": "1.00" }), "amount"),
        (json!({ "lines": [one], "product_name": "W" }), "product_name"),
        (json!({ "lines": [one], "total": "1.00" }), "total"),
        (
            json!({ "lines": [{ "product": "W", "quantity": 1, "unit_price": "1", "total": "1" }] }),
            "lines[0].total",
        ),
        (json!({ "product_name": "W", "amount": "1", "currency": "usd" }), "currency"),
        (json!({ "product_name": "W", "amount": "1", "currency": "XXX" }), "currency"),
        (json!({ "product_name": "W", "amount": "1", "currency": 840 }), "currency"),
        (json!({ "product_name": "W", "amount": "1.5", "currency": "JPY" }), "amount"),
        (json!({ "product_name": "W", "amount": "1", "payment_method": "cash" }), "payment_method"),
        (json!({ "product_name": "W", "amount": "1", "payment_method": "CREDIT_CARD" }), "payment_method"),
        (json!({ "product_name": "W", "amount": "1", "version": 7 }), "version"),
    ] {
        let answer = app.post("/api/orders/", &document).await;
        assert_eq!(answer.status, 422, "{document}: {answer:?}");
        assert_eq!(answer.json::<Value>()["errors"][0]["field"], field, "{document}: {answer:?}");
    }
    let stored: Value = app.get("/api/orders/").await.json();
    assert_eq!(stored["orders"], json!([]));
    app.stop().await;
}

#[actix::test]
async fn the_lines_of_a_deleted_order_go_with_it() {
    let app = idle().await;
    let placed = order(&app, &json!({ "lines": [line("W", 1, "1"), line("V", 2, "2")] })).await;
    let records = Records::open(app.database()).await;
    assert_eq!(records.sql("UPDATE order_lines SET quantity = quantity").await, 2);
    assert_eq!(app.delete(&format!("/api/orders/{}", placed["id"])).await.status, 204);
    assert_eq!(records.sql("UPDATE order_lines SET quantity = quantity").await, 0);
    records.close().await;
    app.stop().await;
}

mod eager {
    use diesel::QueryableByName;
    use diesel::sql_query;
    use diesel::sql_types::{BigInt, Text};
    use diesel_async::RunQueryDsl as _;
    use spanbox::app::Service;
    use spanbox::data::{Conn, Db, DbError, query};
    use spanbox::module::Module;
    use spanbox::web::{Json, Problem};

    use super::*;

    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }

    #[derive(QueryableByName)]
    struct Product {
        #[diesel(sql_type = Text)]
        product: String,
    }

    /// The orders, and then the lines of each: what a loop over lazy relations does.
    async fn naive(db: Db) -> Result<Json<Vec<String>>, Problem> {
        let all = db.read(
            async |conn: &mut Conn| query!(conn, c => sql_query("SELECT id FROM orders").load::<Id>(c).await),
        );
        let mut products = Vec::new();
        for Id { id } in all.await? {
            let lines: Result<Vec<Product>, DbError> = db
                .read(async move |conn: &mut Conn| {
                    let text = match conn {
                        Conn::Sqlite(_) => "SELECT product FROM order_lines WHERE order_id = ?",
                        Conn::Postgres(_) => "SELECT product FROM order_lines WHERE order_id = $1",
                    };
                    query!(conn, c => sql_query(text).bind::<BigInt, _>(id).load(c).await)
                })
                .await;
            products.extend(lines?.into_iter().map(|line| line.product));
        }
        Ok(Json(products))
    }

    fn with_naive(profile: Option<&str>) -> Service {
        create_app(profile).module(Module::new("naive").get("/naive", naive))
    }

    #[actix::test]
    async fn the_lines_of_a_page_are_one_statement_and_a_loop_over_it_is_found() {
        let app = TestApp::start_with(with_naive, [("APP_JOBS__IN_SERVE", "false")]).await;
        for number in 1..=8 {
            let product = format!("P{number}");
            order(&app, &json!({ "lines": [line(&product, 1, "1"), line("More", number, "2")] })).await;
        }
        place(&app, "Simple", "5.00").await;
        assert_eq!(app.get("/naive").await.json::<Vec<String>>().len(), 16);
        let page: Value = app.get("/api/orders/?include=lines&limit=100").await.json();
        let counts: Vec<_> = page["orders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["lines"].as_array().unwrap().len())
            .collect();
        assert_eq!(counts, [1, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(page["orders"][1]["lines"][0]["product"], "P8");
        let plain: Value = app.get("/api/orders/").await.json();
        assert!(plain["orders"][0].get("lines").is_none(), "{plain}");

        let found = |span: &opentelemetry_sdk::trace::SpanData| {
            span.events.iter().filter(|event| event.name == "db.n_plus_one").count()
        };
        let bad = app.expect_path(&["GET /naive"]).await;
        let (_, spans) = app.stop().await;
        assert_eq!(found(&bad), 1, "{bad:?}");
        let good: Vec<_> = spans.named("GET /api/orders/").collect();
        assert_eq!(good.iter().map(|span| found(span)).sum::<usize>(), 0);
        let statements = |span: &opentelemetry_sdk::trace::SpanData| {
            let tree = spans.of_trace(span.span_context.trace_id());
            tree.all().iter().filter(|it| it.name.starts_with("SELECT ")).count()
        };
        assert_eq!(good.iter().map(|span| statements(span)).collect::<Vec<_>>(), [2, 1]);
    }
}

#[actix::test]
async fn a_list_says_what_it_can_include() {
    let app = idle().await;
    for query in ["include=user", "include=", "include=lines,x"] {
        let answer = app.send(Method::GET, &format!("/api/orders/?{query}"), &[], Default::default()).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json::<Value>()["errors"][0]["field"], "include", "{query}");
    }
    app.stop().await;
}
