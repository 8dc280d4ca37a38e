//! Who watches an order is told of every change, and of its end.

use actix_web::http::Method;
use futures_util::future::join_all;
use orders::create_app;
use serde_json::{Value, json};
use spanbox::testing::{Spans, TestApp};

use crate::lines::idle;
use crate::orders::place;
use crate::streaming::{Client, told};

async fn revise(app: &TestApp, id: i64, name: &str) {
    let body = json!({ "product_name": name }).to_string();
    let headers = [("content-type", "application/json")];
    let answer = app.send(Method::PATCH, &format!("/api/orders/{id}"), &headers, body.into()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn cancel(app: &TestApp, id: i64) {
    let path = format!("/api/orders/{id}/cancel");
    assert_eq!(app.send(Method::POST, &path, &[], Default::default()).await.status, 200);
}

#[actix::test]
async fn server_sent_events_tell_what_an_order_is_and_becomes_to_its_end() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let mut client = Client::sse(&app, id, "").await;
    assert!(client.head.starts_with("http/1.1 200"), "{}", client.head);
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(client.head.contains(header), "{header}: {}", client.head);
    }
    assert_eq!(client.next().await, Some(told(1, "pending")));
    revise(&app, id, "V").await;
    assert_eq!(client.next().await, Some(told(2, "pending")));
    cancel(&app, id).await;
    assert_eq!(client.all().await, [told(3, "cancelled")]);
    app.stop().await;
}

#[actix::test]
async fn a_websocket_tells_the_same_and_closes() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let mut client = Client::websocket(&app, id, "origin: http://test\r\n").await;
    assert!(client.head.starts_with("http/1.1 101"), "{}", client.head);
    assert!(client.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{}", client.head);
    assert_eq!(client.next().await, Some(told(1, "pending")));
    client.send_frame(9, b"there?").await;
    assert_eq!(client.frame().await, (10, b"there?".to_vec()));
    client.send_frame(1, b"what nobody reads").await;
    revise(&app, id, "V").await;
    assert_eq!(client.next().await, Some(told(2, "pending")));
    cancel(&app, id).await;
    assert_eq!(client.next().await, Some(told(3, "cancelled")));
    assert_eq!(client.next().await, None);
    assert_eq!(client.head, "closed 1000");
    app.stop().await;
}

#[actix::test]
async fn an_order_is_watched_through_its_job_on_both_ways() {
    let app = TestApp::start_with(create_app, [("APP_PAYMENTS__LATENCY", "100ms")]).await;
    let id = place(&app, "W", "1.00").await;
    let (sse, websocket) = futures_util::join!(Client::sse(&app, id, ""), Client::websocket(&app, id, ""));
    let (sse, websocket) = futures_util::join!(sse.all(), websocket.all());
    for told in [sse, websocket] {
        assert_eq!(told.last().unwrap().status, "completed", "{told:?}");
        assert!(told.windows(2).all(|pair| pair[0].version < pair[1].version), "{told:?}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_client_that_comes_back_goes_on_where_it_was() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let mut client = Client::sse(&app, id, "last-event-id: 1\r\n").await;
    revise(&app, id, "V").await;
    assert_eq!(client.next().await, Some(told(2, "pending")));
    drop(client);
    cancel(&app, id).await;
    let back = Client::sse(&app, id, "last-event-id: 2\r\n").await;
    assert_eq!(back.all().await, [told(3, "cancelled")]);
    // There is nothing more to tell, which a browser takes for the end.
    let headers = [("last-event-id", "3")];
    let path = format!("/api/orders/{id}/events");
    let answer = app.send(Method::GET, &path, &headers, Default::default()).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    for wrong in ["x", "-1", "1.5", "99999999999999999999"] {
        let answer = app.send(Method::GET, &path, &[("last-event-id", wrong)], Default::default()).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    app.stop().await;
}

#[actix::test]
async fn what_can_not_be_watched_is_a_problem_document() {
    let app = idle().await;
    assert_eq!(app.get("/api/orders/7/events").await.status, 404);
    assert_eq!(app.get("/api/orders/x/events").await.status, 400);
    let id = place(&app, "W", "1.00").await;
    let foreign = Client::websocket(&app, id, "origin: http://evil.example\r\n").await;
    assert!(foreign.head.starts_with("http/1.1 403"), "{}", foreign.head);
    let no_key = "connection: upgrade\r\nupgrade: websocket\r\n";
    let broken = Client::sse(&app, id, no_key).await;
    assert!(broken.head.starts_with("http/1.1 400"), "{}", broken.head);
    drop((foreign, broken));
    app.stop().await;
}

#[actix::test]
async fn the_end_of_an_order_that_is_deleted_is_told() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let mut client = Client::sse(&app, id, "").await;
    assert_eq!(client.next().await, Some(told(1, "pending")));
    assert_eq!(app.delete(&format!("/api/orders/{id}")).await.status, 204);
    let last = client.all().await;
    assert_eq!(last.iter().map(|told| told.status.as_str()).collect::<Vec<_>>(), ["deleted"]);
    app.stop().await;
}

#[actix::test]
async fn what_another_process_changes_is_told_too() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let mut client = Client::sse(&app, id, "").await;
    assert_eq!(client.next().await, Some(told(1, "pending")));
    let no_jobs = [("APP_JOBS__IN_SERVE", "false")];
    let other = TestApp::start_on(app.database().clone(), create_app, no_jobs).await;
    cancel(&other, id).await;
    assert_eq!(client.all().await, [told(2, "cancelled")]);
    other.stop().await;
    app.stop().await;
}

#[actix::test]
async fn every_change_reaches_each_of_100_that_watch() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let clients = join_all((0..100).map(|number| {
        let app = &app;
        async move {
            let mut client = if number % 2 == 0 {
                Client::sse(app, id, "").await
            } else {
                Client::websocket(app, id, "").await
            };
            assert_eq!(client.next().await, Some(told(1, "pending")));
            client
        }
    }))
    .await;
    // Ten of them go away without a word.
    let staying: Vec<_> = clients.into_iter().skip(10).collect();
    let changing = async {
        for number in 0..8 {
            revise(&app, id, &format!("V{number}")).await;
        }
        cancel(&app, id).await;
    };
    let (all, ()) = futures_util::join!(join_all(staying.into_iter().map(Client::all)), changing);
    let expected: Vec<_> =
        (2..=9).map(|version| told(version, "pending")).chain([told(10, "cancelled")]).collect();
    assert_eq!(all.len(), 90);
    assert!(all.iter().all(|told| *told == expected), "{all:?}");
    let (_, spans) = app.stop().await;
    assert_eq!(spans.named("web.stream").count(), 100);
}

#[actix::test]
async fn streams_end_when_the_service_stops_and_hold_nothing_up() {
    let app = idle().await;
    let id = place(&app, "W", "1.00").await;
    let (mut sse, mut websocket) =
        futures_util::join!(Client::sse(&app, id, ""), Client::websocket(&app, id, ""));
    assert_eq!(
        (sse.next().await, websocket.next().await),
        (Some(told(1, "pending")), Some(told(1, "pending")))
    );
    let request = app.expect_path(&["GET /api/orders/{id}/events"]).await;
    assert_eq!(Spans::attribute(&request, "http.route").as_deref(), Some("/api/orders/{id}/events"));
    let stop = app.stop();
    let ends = async {
        assert_eq!((sse.next().await, websocket.next().await), (None, None));
        websocket.head
    };
    let ((report, spans), closed) = futures_util::join!(stop, ends);
    assert_eq!((report.requests_abandoned, closed.as_str()), (0, "closed 1001"));
    let streams: Vec<_> = spans.named("web.stream").collect();
    assert_eq!(streams.len(), 2);
    for stream in streams {
        assert_eq!(Spans::attribute(stream, "spanbox.stream.end").as_deref(), Some("draining"));
        assert_eq!(Spans::attribute(stream, "spanbox.stream.events").as_deref(), Some("1"));
        assert_eq!(spans.parent(stream).unwrap().name, "GET /api/orders/{id}/events");
    }
}

#[actix::test]
async fn there_are_only_so_many_streams() {
    let settings = [("APP_ORDERS__MAX_STREAMS", "1"), ("APP_JOBS__IN_SERVE", "false")];
    let app = TestApp::start_with(create_app, settings).await;
    let id = place(&app, "W", "1.00").await;
    let mut first = Client::sse(&app, id, "").await;
    assert_eq!(first.next().await, Some(told(1, "pending")));
    let refused = app.get(&format!("/api/orders/{id}/events")).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("5")));
    assert_eq!(refused.json::<Value>()["type"], "urn:problem-type:spanbox:too-many-streams");
    cancel(&app, id).await;
    assert_eq!(first.all().await, [told(2, "cancelled")]);
    app.stop().await;
}
