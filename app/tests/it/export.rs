//! All orders as a file that is made while it is sent.

use orders::create_app;
use serde_json::json;
use spanbox::testing::{Spans, TestApp};

use crate::lines::{idle, order};
use crate::orders::place;
use crate::stored::Records;
use crate::streaming::Client;

/// Stores many orders, as if they had been placed.
async fn fill(records: &Records, orders: usize, name: &str) {
    let time =
        if matches!(records.db().backend(), spanbox::data::Backend::Postgres) { "TIMESTAMP " } else { "" };
    let sql = format!(
        "INSERT INTO orders (product_name, amount_minor, currency, status, created_at, updated_at, version) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {orders}) \
         SELECT '{name}', 100, 'USD', 'completed', {time}'2026-01-01 00:00:00', {time}'2026-01-01 00:00:00', 3 FROM n"
    );
    assert_eq!(records.sql(sql).await, orders);
}

#[actix::test]
async fn an_export_has_every_order_once_newest_first_and_no_formula() {
    let app = idle().await;
    let records = Records::open(app.database()).await;
    fill(&records, 1200, "Widget").await;
    records.close().await;
    place(&app, "=HYPERLINK(\"http://evil\")", "1.00").await;
    order(&app, &json!({ "product_name": "a, \"b\"", "amount": "1200", "currency": "JPY" })).await;
    let answer = app.get("/api/orders/export.csv").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"orders.csv\""));
    let text = answer.text();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(head[..3], ["id", "product_name", "amount"]);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let ids: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(ids, (1..=1202).rev().collect::<Vec<_>>());
    assert_eq!((&rows[0][1], &rows[0][2], &rows[0][3]), ("a, \"b\"", "1200", "JPY"));
    assert_eq!(&rows[1][1], "'=HYPERLINK(\"http://evil\")");

    let some = app.get("/api/orders/export.csv?status=pending").await.text();
    assert_eq!(csv::Reader::from_reader(some.as_bytes()).records().count(), 2);
    let none = app.get("/api/orders/export.csv?status=failed").await.text();
    assert_eq!(none.lines().count(), 1);
    assert_eq!(app.get("/api/orders/export.csv?page=1").await.status, 400);
    let (_, spans) = app.stop().await;
    let stream = spans.named("web.stream").next().unwrap();
    assert_eq!(Spans::attribute(stream, "spanbox.stream.end").as_deref(), Some("complete"));
    assert_eq!(Spans::attribute(stream, "spanbox.stream.protocol").as_deref(), Some("download"));
    // The pages are no N+1: there is no other way to read them.
    assert!(spans.all().iter().all(|span| span.events.iter().all(|event| event.name != "db.n_plus_one")));
}

#[actix::test]
async fn an_export_whose_client_is_gone_is_made_no_further() {
    let app = TestApp::start_with(create_app, [("APP_JOBS__IN_SERVE", "false")]).await;
    let records = Records::open(app.database()).await;
    // Some megabytes, which no socket takes at once.
    fill(&records, 60_000, &"x".repeat(200)).await;
    records.close().await;
    let client = Client::get(&app, "/api/orders/export.csv", "", false).await;
    assert!(client.head.starts_with("http/1.1 200"), "{}", client.head);
    drop(client);
    let path = ["GET /api/orders/export.csv", "web.stream"];
    let stream = app.expect_path(&path).await;
    assert_eq!(Spans::attribute(&stream, "spanbox.stream.end").as_deref(), Some("client_disconnected"));
    let pieces: i64 = Spans::attribute(&stream, "spanbox.stream.events").unwrap().parse().unwrap();
    assert!(pieces < 121, "{pieces} pieces were made for nobody");
    app.stop().await;
}
