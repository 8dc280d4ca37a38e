//! What is recorded of a request.

use std::time::Duration;

use opentelemetry::trace::Status;
use serde_json::json;

use super::server::{Reply, Server};
use super::{Ground, attribute, until, upstream};

#[actix::test]
async fn an_attempt_is_a_span_by_the_conventions_and_the_other_side_continues_the_trace() {
    let server = Server::start(|_| Reply::of(201, "{}")).await;
    let ground = Ground::new();
    let request = upstream(&ground, &format!("{}/v1", server.url())).post("/charges/7?token=hunter2");
    let request = request.template("/charges/{id}").json(&json!({ "amount": "9.99" }));
    let answer = ground.within(request.send()).await.unwrap();
    assert_eq!(answer.status(), 201);

    let [span] = &ground.attempts()[..] else { panic!("one attempt is one span") };
    assert_eq!(span.name, "POST /charges/{id}");
    let port = server.address.port().to_string();
    let url = format!("{}/v1/charges/7?token=REDACTED", server.url());
    for (key, value) in [
        ("http.request.method", "POST"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("url.full", &url),
        ("url.template", "/charges/{id}"),
        ("http.response.status_code", "201"),
        ("network.protocol.version", "1.1"),
        ("spanbox.client.upstream", "payments"),
        ("spanbox.client.breaker.state", "closed"),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(attribute(span, "http.request.resend_count"), None);
    assert_eq!((attribute(span, "error.type"), &span.status), (None, &Status::Unset));

    let sent = &server.seen()[0];
    let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(sent.header("traceparent").unwrap(), format!("00-{trace}-{id}-01"));
    assert!(sent.text.starts_with("POST /v1/charges/7?token=hunter2 HTTP/1.1\r\n"), "{}", sent.text);
    assert!(sent.text.ends_with("\r\n\r\n{\"amount\":\"9.99\"}"), "{}", sent.text);
}

#[actix::test]
async fn without_a_template_it_is_called_by_its_method_and_a_status_above_400_is_an_error() {
    let server = Server::start(|_| Reply::of(404, "nothing")).await;
    let ground = Ground::new();
    let answer = ground.within(ground.client.get(&server.url()).send()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().as_str()), (404, "nothing"));
    assert!(answer.success().unwrap_err().to_string().ends_with("answered 404 Not Found"));
    let [span] = &ground.attempts()[..] else { panic!("one attempt is one span") };
    assert_eq!(span.name, "GET");
    assert_eq!(attribute(span, "error.type").as_deref(), Some("404"));
    assert_eq!(span.status, Status::error(""));
}

#[actix::test]
async fn requests_are_measured_and_none_is_left_active() {
    let server = Server::start(|count| if count < 2 { Reply::of(200, "") } else { Reply::of(500, "") }).await;
    let ground = Ground::new();
    let payments = upstream(&ground, &server.url());
    for _ in 0..3 {
        payments.get("/charges").template("/charges").send().await.unwrap();
    }
    let at = format!("server.address=127.0.0.1 server.port={}", server.address.port());
    let active = ground.measured("http.client.active_requests");
    assert_eq!(active[&format!("http.request.method=GET {at} url.scheme=http")], 0);
    let duration = ground.measured("http.client.request.duration");
    let counts = |part: &str| duration.iter().find(|(key, _)| key.contains(part)).map(|(_, count)| *count);
    assert_eq!(counts("http.response.status_code=200"), Some(2), "{duration:?}");
    assert_eq!(counts("error.type=500"), Some(1), "{duration:?}");
    assert!(duration.keys().all(|key| key.contains("url.template=/charges") && key.contains(&at)));
    // Without a cause there is no span.
    assert!(ground.attempts().is_empty());
}

#[actix::test]
async fn a_request_that_nobody_waits_for_any_more_is_ended_and_counted() {
    let server = Server::start(|_| Reply::Hang).await;
    let ground = Ground::new();
    ground
        .within(async {
            tokio::select! {
                answer = ground.client.get(&server.url()).send() => panic!("{answer:?}"),
                () = until("it has come", async || !server.seen().is_empty()) => {}
            }
        })
        .await;
    let [span] = &ground.attempts()[..] else { panic!("one attempt is one span") };
    assert_eq!(attribute(span, "error.type").as_deref(), Some("cancelled"));
    assert_eq!(ground.measured("http.client.active_requests").values().copied().collect::<Vec<_>>(), [0]);
    assert!(ground.measured("http.client.request.duration").keys().all(|key| key.contains("cancelled")));
}

#[actix::test]
async fn each_retry_is_a_span_that_counts_and_the_wait_before_it_is_one_too() {
    let server = Server::start(|count| if count < 2 { Reply::of(503, "") } else { Reply::of(200, "") }).await;
    let ground = Ground::new();
    let answer =
        ground.within(ground.client.get(&server.url()).timeout(Duration::from_secs(20)).send()).await;
    assert_eq!(answer.unwrap().status(), 200);
    let attempts = ground.attempts();
    let counts: Vec<_> = attempts.iter().map(|span| attribute(span, "http.request.resend_count")).collect();
    assert_eq!(counts, [None, Some("1".to_owned()), Some("2".to_owned())]);
    let spans = ground.spans.get_finished_spans().unwrap();
    assert_eq!(spans.iter().filter(|span| span.name == "http.client.retry.wait").count(), 2);
    let parents: std::collections::BTreeSet<_> =
        spans.iter().map(|span| span.parent_span_id.to_string()).collect();
    assert_eq!(parents.len(), 2, "all but the cause lie below the cause: {spans:?}");
}
