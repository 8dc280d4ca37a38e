//! What is tried again, and what is not.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::http::Method;

use super::server::{Reply, Server};
use super::{Ground, attribute};
use crate::ext::client::ClientError;

/// What was answered to a request of this method to a server of this kind, and how often it came.
async fn sent(method: Method, key: Option<&str>, reply: fn() -> Reply) -> (Result<u16, ClientError>, usize) {
    let server = Server::start(move |_| reply()).await;
    let ground = Ground::new();
    let mut request = ground.client.request(method, &server.url()).body("x");
    if let Some(key) = key {
        request = request.idempotency_key(key);
    }
    let answer = ground.within(request.send()).await;
    assert_eq!(ground.attempts().len(), server.seen().len(), "each attempt is a span");
    (answer.map(|answer| answer.status().as_u16()), server.seen().len())
}

#[actix::test]
async fn only_what_may_arrive_twice_is_sent_again() {
    for status in [502, 503, 504] {
        let reply: fn() -> Reply = match status {
            502 => || Reply::of(502, ""),
            503 => || Reply::of(503, ""),
            _ => || Reply::of(504, ""),
        };
        for (method, key, times) in [
            (Method::GET, None, 3),
            (Method::PUT, None, 3),
            (Method::POST, None, 1),
            (Method::PATCH, None, 1),
            (Method::POST, Some("order-1"), 3),
        ] {
            let (answer, came) = sent(method.clone(), key, reply).await;
            assert_eq!((answer.unwrap(), came), (status, times), "{method} {key:?}");
        }
    }
}

#[actix::test]
async fn what_asking_again_does_not_help_is_sent_once() {
    for (reply, status) in [
        ((|| Reply::of(500, "")) as fn() -> Reply, 500),
        (|| Reply::of(501, ""), 501),
        (|| Reply::of(400, ""), 400),
        // Without a word about when it is over.
        (|| Reply::of(429, ""), 429),
        // Later than there is time.
        (|| Reply::with(503, "retry-after: 3600\r\n", ""), 503),
    ] {
        let (answer, came) = sent(Method::GET, None, reply).await;
        assert_eq!((answer.unwrap(), came), (status, 1));
    }
}

#[actix::test]
async fn too_many_requests_are_sent_again_when_the_other_side_says() {
    let (answer, came) = sent(Method::GET, None, || Reply::with(429, "retry-after: 0\r\n", "")).await;
    assert_eq!((answer.unwrap(), came), (429, 3));
}

#[actix::test]
async fn a_connection_that_breaks_leaves_it_open_what_has_happened() {
    for (method, key, times) in
        [(Method::GET, None, 3), (Method::POST, None, 1), (Method::POST, Some("order-1"), 3)]
    {
        let (answer, came) = sent(method.clone(), key, || Reply::Reset).await;
        let error = answer.unwrap_err();
        assert!(matches!(error, ClientError::NoAnswer { .. }) && !error.is_unsent(), "{error:?}");
        assert!(error.to_string().contains("is not known"), "{error}");
        assert_eq!(came, times, "{method} {key:?}");
    }
}

#[actix::test]
async fn what_is_no_http_is_no_answer() {
    let (answer, _) = sent(Method::POST, None, || Reply::Bytes("SSH-2.0-OpenSSH_9.2\r\n".to_owned())).await;
    assert!(matches!(answer.unwrap_err(), ClientError::NoAnswer { .. }));
}

#[actix::test]
async fn who_can_not_be_reached_was_sent_nothing_and_is_tried_again_whatever_the_method() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ground = Ground::new();
    let error =
        ground.within(ground.client.post(&format!("http://127.0.0.1:{port}")).send()).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }) && error.is_unsent(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port} could not be reached, so nothing was sent")), "{text}");
    assert!(text.contains("refused"), "{text}");
    let attempts = ground.attempts();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|span| attribute(span, "error.type").as_deref() == Some("connect")));
}

#[actix::test]
async fn what_was_sent_once_is_not_said_to_be_unsent_because_the_last_attempt_was_not() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    crate::context::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        drop(listener);
        drop(stream);
    });
    let ground = Ground::new();
    let request = ground.client.post(&format!("http://{address}")).idempotency_key("order-1").body("x");
    let error = ground.within(request.send()).await.unwrap_err();
    let kinds: Vec<_> = ground.attempts().iter().map(|span| attribute(span, "error.type").unwrap()).collect();
    assert_eq!(kinds, ["no_answer", "connect", "connect"]);
    assert!(matches!(error, ClientError::NoAnswer { .. }) && !error.is_unsent(), "{error:?}");
}

#[actix::test]
async fn a_name_that_there_is_not_can_not_be_reached() {
    let ground = Ground::with(|settings| settings.retry.attempts = 1);
    let error = ground.client.get("http://nowhere.invalid/").send().await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
}

#[actix::test]
async fn who_does_not_answer_in_time_is_given_up_and_not_asked_again() {
    let server = Server::start(|_| Reply::Hang).await;
    let ground = Ground::new();
    let request = ground.client.get(&server.url()).timeout(Duration::from_millis(50));
    let error = ground.within(request.send()).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }) && !error.is_unsent(), "{error:?}");
    assert!(error.to_string().contains("did not answer within 50ms"), "{error}");
    assert!(server.seen().len() <= 1);
    assert_eq!(attribute(&ground.attempts()[0], "error.type").as_deref(), Some("timeout"));
}

#[actix::test]
async fn retries_are_paid_from_a_budget_that_all_requests_share() {
    let server = Server::start(|_| Reply::of(503, "")).await;
    let ground = Ground::with(|settings| settings.retry.budget = 0.0);
    for _ in 0..20 {
        ground.client.get(&server.url()).send().await.unwrap();
    }
    // The reserve, and what time has given meanwhile.
    let retries = server.seen().len() - 20;
    assert!((10..40).contains(&retries), "{retries}");
}
