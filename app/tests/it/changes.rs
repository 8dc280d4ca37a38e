//! How an order changes after it was placed, and who wins when many try.

use actix_web::http::Method;
use futures_util::future::join_all;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::{Answer, TestApp};

use crate::lines::{idle, order};
use crate::orders::{becomes, place};
use crate::stored::{Records, orders};

const JSON: (&str, &str) = ("content-type", "application/merge-patch+json");

async fn patch(app: &TestApp, id: i64, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[JSON], headers].concat();
    app.send(Method::PATCH, &format!("/api/orders/{id}"), &headers, body.to_string().into()).await
}

async fn cancel(app: &TestApp, id: i64, headers: &[(&str, &str)]) -> Answer {
    app.send(Method::POST, &format!("/api/orders/{id}/cancel"), headers, Default::default()).await
}

async fn read(app: &TestApp, id: i64, headers: &[(&str, &str)]) -> Answer {
    app.send(Method::GET, &format!("/api/orders/{id}"), headers, Default::default()).await
}

#[actix::test]
async fn an_etag_stays_while_the_order_does_and_spares_the_body() {
    let app = idle().await;
    let answer = app.post("/api/orders/", &json!({ "product_name": "W", "amount": "1.00" })).await;
    let id = answer.json::<Value>()["id"].as_i64().unwrap();
    let tag = answer.header("etag").unwrap().to_owned();
    assert_eq!(tag, format!("\"{id}-1\""));
    assert_eq!(read(&app, id, &[]).await.header("etag"), Some(&*tag));
    for known in [tag.clone(), format!("W/{tag}"), "*".to_owned(), format!("\"other\", {tag}")] {
        let same = read(&app, id, &[("if-none-match", &known)]).await;
        assert_eq!((same.status.as_u16(), same.body.len()), (304, 0), "{known}");
        assert_eq!(same.header("etag"), Some(&*tag), "{known}");
    }
    assert_eq!(read(&app, id, &[("if-none-match", "\"other\"")]).await.status, 200);
    assert_eq!(read(&app, id, &[("if-match", "\"other\"")]).await.status, 412);
    let changed = patch(&app, id, &[], &json!({ "product_name": "V" })).await;
    assert_eq!(changed.header("etag"), Some(&*format!("\"{id}-2\"")));
    assert_eq!(read(&app, id, &[("if-none-match", &tag)]).await.status, 200);
    app.stop().await;
}

#[actix::test]
async fn a_change_needs_the_order_that_it_was_made_for() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let (first, second) = (format!("\"{id}-1\""), format!("\"{id}-2\""));
    let body = json!({ "product_name": "V" });
    for wrong in [second.as_str(), "\"other\"", &format!("W/{first}"), "\"a\", \"b\""] {
        let refused = patch(&app, id, &[("if-match", wrong)], &body).await;
        assert_eq!(refused.status, 412, "{wrong}: {refused:?}");
        assert_eq!(refused.header("etag"), Some(&*first), "{wrong}");
        assert_eq!(cancel(&app, id, &[("if-match", wrong)]).await.status, 412, "{wrong}");
        let path = format!("/api/orders/{id}");
        let refused = app.send(Method::DELETE, &path, &[("if-match", wrong)], Default::default()).await;
        assert_eq!(refused.status, 412, "{wrong}");
    }
    assert_eq!(patch(&app, id, &[("if-match", "7-1")], &body).await.status, 400);
    let list = format!("\"other\" , {first}");
    assert_eq!(patch(&app, id, &[("if-match", &list)], &body).await.status, 200);
    assert_eq!(patch(&app, id, &[("if-match", "*")], &json!({ "amount": "2" })).await.status, 200);
    // Without a condition the last one wins.
    let last = patch(&app, id, &[], &json!({ "payment_method": "debit_card" })).await.json::<Value>();
    assert_eq!(
        (&last["version"], &last["product_name"], &last["amount"]),
        (&json!(4), &json!("V"), &json!("2.00"))
    );
    app.stop().await;
}

#[actix::test]
async fn a_patch_is_merged_with_what_was_sent_and_checked_as_a_whole() {
    let app = idle().await;
    let line = |quantity: u32| json!({ "product": "Nut", "quantity": quantity, "unit_price": "0.50" });
    let id = place(&app, "W", "1.00").await;
    for (body, field) in [
        (json!({ "status": "completed" }), "status"),
        (json!({ "id": 1 }), "id"),
        (json!({ "version": null }), "version"),
        (json!({ "amount": "1.001" }), "amount"),
        (json!({ "amount": null }), "amount"),
        (json!({ "product_name": null }), "product_name"),
        (json!({ "currency": "JPY" }), "amount"),
        (json!({ "payment_method": "cash" }), "payment_method"),
        (json!({ "lines": [line(1)] }), "product_name"),
        (json!([]), "body"),
    ] {
        let refused = patch(&app, id, &[], &body).await;
        assert_eq!(refused.status, 422, "{body}: {refused:?}");
        assert_eq!(refused.json::<Value>()["errors"][0]["field"], field, "{body}: {refused:?}");
    }
    let nothing = patch(&app, id, &[], &json!({})).await;
    assert_eq!((nothing.status.as_u16(), &nothing.json::<Value>()["version"]), (200, &json!(1)));
    let same = patch(&app, id, &[], &json!({ "amount": 1, "currency": "USD" })).await;
    assert_eq!(same.json::<Value>()["version"], 1);

    let body = json!({ "product_name": null, "amount": null, "lines": [line(3), line(4)], "payment_method": "paypal" });
    let lines = patch(&app, id, &[], &body).await.json::<Value>();
    assert_eq!((&lines["amount"], &lines["product_name"]), (&json!("3.50"), &json!("Nut and 1 more")));
    let fewer = patch(&app, id, &[], &json!({ "lines": [line(2)] })).await.json::<Value>();
    assert_eq!((&fewer["amount"], fewer["lines"].as_array().unwrap().len()), (&json!("1.00"), 1));
    assert_eq!(patch(&app, id, &[], &json!({ "amount": "9" })).await.status, 422);
    let back = json!({ "lines": null, "product_name": "Box", "amount": "9.00", "payment_method": null });
    let back = patch(&app, id, &[], &back).await.json::<Value>();
    assert_eq!(
        (&back["amount"], &back["lines"][0]["product"], &back["payment_method"], &back["version"]),
        (&json!("9.00"), &json!("Box"), &json!("credit_card"), &json!(4))
    );
    let records = Records::open(app.database()).await;
    assert_eq!(records.sql("DELETE FROM order_lines").await, 0);
    records.close().await;
    assert_eq!(patch(&app, 0, &[], &json!({})).await.status, 404);
    app.stop().await;
}

#[actix::test]
async fn only_a_pending_order_changes() {
    let app = TestApp::start(create_app).await;
    let id = place(&app, "W", "1.00").await;
    becomes(&app, id, "completed").await;
    let refused = patch(&app, id, &[], &json!({ "amount": "2" })).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text().contains("only a pending order can be changed"), "{refused:?}");
    let refused = cancel(&app, id, &[]).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("is completed and can not become cancelled"), "{refused:?}");
    assert_eq!(cancel(&app, 0, &[]).await.status, 404);
    app.stop().await;
}

#[actix::test]
async fn a_cancelled_order_is_never_charged() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let cancelled = cancel(&app, id, &[]).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json::<Value>()["status"]), (200, &json!("cancelled")));
    let again = cancel(&app, id, &[]).await;
    assert_eq!(again.status, 409);
    let database = app.database().clone();
    app.stop().await;
    // Somebody runs its job, who finds nothing to do.
    let app = TestApp::start_on(database, create_app, [] as [(&str, &str); 0]).await;
    let records = Records::open(app.database()).await;
    let orders = records.become_so("its job ends", |orders| orders[&id].job == "completed").await;
    let order = &orders[&id];
    assert_eq!((order.status.as_str(), order.version, order.charges), ("cancelled", 2, 0));
    let analytics: Value = app.get("/api/orders/analytics").await.json();
    assert_eq!(analytics["by_status"][0]["status"], "cancelled");
    assert_eq!(app.get("/api/orders/?status=cancelled").await.json::<Value>()["orders"][0]["id"], id);
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn of_64_cancels_one_has_the_effect() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let answers = join_all((0..64).map(|_| cancel(&app, id, &[]))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(409)), (1, 63));
    let database = app.database().clone();
    app.stop().await;
    assert_eq!(orders(&database).await[&id].version, 2);
}

#[actix::test]
async fn of_64_changes_of_one_version_one_is_made() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let tag = format!("\"{id}-1\"");
    let bodies: Vec<_> = (0..64).map(|number| json!({ "product_name": format!("W{number}") })).collect();
    let conditions = [("if-match", tag.as_str())];
    let answers = join_all(bodies.iter().map(|body| patch(&app, id, &conditions, body))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(412)), (1, 63));
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap().json::<Value>();
    assert_eq!(read(&app, id, &[]).await.json::<Value>(), winner);
    app.stop().await;
}

#[actix::test]
async fn a_cancel_that_races_with_the_job_wins_or_loses_whole() {
    let app = TestApp::start(create_app).await;
    let rounds = 32;
    let ids = join_all((0..rounds).map(|_| async {
        let id = place(&app, "W", "1.00").await;
        (id, cancel(&app, id, &[]).await.status.as_u16())
    }))
    .await;
    let records = Records::open(app.database()).await;
    let all =
        records.become_so("all jobs end", |orders| orders.values().all(|it| it.job == "completed")).await;
    for (id, status) in ids {
        let order = &all[&id];
        let expected = match status {
            200 => ("cancelled", 2, 0),
            409 => ("completed", 3, 1),
            other => panic!("{other}"),
        };
        assert_eq!((order.status.as_str(), order.version, order.charges), expected);
    }
    records.close().await;
    app.stop().await;
}

#[actix::test]
async fn an_order_is_charged_what_it_comes_to_after_its_last_change() {
    let app = idle().await;
    let placed =
        order(&app, &json!({ "lines": [{ "product": "W", "quantity": 2, "unit_price": "5.00" }] })).await;
    let id = placed["id"].as_i64().unwrap();
    let lines = json!({ "lines": [{ "product": "W", "quantity": 3, "unit_price": "5.00" }] });
    assert_eq!(patch(&app, id, &[], &lines).await.status, 200);
    let database = app.database().clone();
    app.stop().await;
    let app = TestApp::start_on(database, create_app, [] as [(&str, &str); 0]).await;
    becomes(&app, id, "completed").await;
    let records = Records::open(app.database()).await;
    let charged = "UPDATE charges SET amount_minor = amount_minor WHERE amount_minor = 1500";
    assert_eq!(records.sql(charged).await, 1);
    records.close().await;
    app.stop().await;
}
