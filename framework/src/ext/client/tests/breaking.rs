//! An upstream that fails is left alone, and asked again when it is back.

use std::net::TcpListener;

use super::server::{Reply, Server};
use super::{Ground, attribute, breaking, until, upstream};
use crate::ext::client::{BreakerState, ClientError};

#[actix::test]
async fn the_breaker_opens_when_the_upstream_is_down_and_closes_when_it_is_back() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let ground = Ground::with(|settings| breaking(3, settings));
    let payments = upstream(&ground, &url);
    ground
        .within(async {
            for _ in 0..3 {
                assert_eq!(payments.breaker(), BreakerState::Closed);
                assert!(matches!(payments.get("/").send().await, Err(ClientError::Connect { .. })));
            }
            until("a request is refused", async || match payments.get("/").send().await {
                Err(error @ ClientError::CircuitOpen { .. }) => {
                    let text = error.to_string();
                    assert!(text.starts_with("`payments` was not asked") && error.is_unsent(), "{text}");
                    true
                }
                Err(ClientError::Connect { .. }) => false,
                other => panic!("{other:?}"),
            })
            .await;
            let server = Server::start_at(&format!("127.0.0.1:{port}"), |_| Reply::of(200, "")).await;
            until("it is back", async || payments.get("/").send().await.is_ok()).await;
            assert_eq!(payments.breaker(), BreakerState::Closed);
            assert_eq!(server.seen().len(), 1, "only one found out");
        })
        .await;
    let attempts = ground.attempts();
    let with = |key: &str, value: &str| {
        attempts.iter().filter(|span| attribute(span, key).as_deref() == Some(value)).count()
    };
    assert_eq!(with("spanbox.client.breaker.state", "closed"), 3);
    assert!(with("error.type", "circuit_open") >= 1);
    assert_eq!(with("spanbox.client.breaker.state", "open"), with("error.type", "circuit_open"));
    assert!(with("spanbox.client.breaker.state", "half_open") >= 1);
    let events: Vec<_> =
        attempts.iter().flat_map(|span| &span.events.events).map(|event| event.name.to_string()).collect();
    assert_eq!(events.first().unwrap(), "spanbox.client.breaker.opened");
    assert_eq!(events.last().unwrap(), "spanbox.client.breaker.closed");
    // What was refused is no request.
    let measured: i64 = ground.measured("http.client.request.duration").values().sum();
    assert_eq!(measured, attempts.len() as i64 - with("error.type", "circuit_open") as i64);
}

#[actix::test]
async fn the_state_is_measured_and_all_who_ask_an_upstream_share_it() {
    let server = Server::start(|_| Reply::of(500, "")).await;
    let ground = Ground::with(|settings| {
        breaking(1, settings);
        settings.upstreams.get_mut("payments").unwrap().breaker.open_for = super::PATIENCE;
    });
    let state = |state: &str| {
        let key = format!("spanbox.client.breaker.state={state} spanbox.client.upstream=payments");
        ground.measured("spanbox.client.breaker")[&key]
    };
    let payments = upstream(&ground, &server.url());
    assert_eq!((state("closed"), state("open"), state("half_open")), (1, 0, 0));
    assert_eq!(payments.get("/").send().await.unwrap().status(), 500);
    assert_eq!((state("closed"), state("open"), state("half_open")), (0, 1, 0));
    let same = upstream(&ground, &server.url());
    assert!(matches!(same.get("/").send().await, Err(ClientError::CircuitOpen { .. })));
    assert_eq!(server.seen().len(), 1);
    // Another address is another upstream.
    assert_eq!(upstream(&ground, &format!("{}/v2", server.url())).breaker(), BreakerState::Closed);
}

#[actix::test]
async fn what_the_request_is_to_blame_for_does_not_open_it() {
    let server = Server::start(|_| Reply::of(404, "")).await;
    let ground = Ground::with(|settings| breaking(1, settings));
    for _ in 0..10 {
        upstream(&ground, &server.url()).get("/").send().await.unwrap();
    }
    assert_eq!(server.seen().len(), 10);
}

#[test]
fn an_upstream_that_there_is_not_is_told_with_what_to_do() {
    let ground = Ground::with(|settings| breaking(1, settings));
    let told = |name: &str| ground.client.upstream(name).unwrap_err().to_string();
    assert_eq!(told("paymnets"), "there is no upstream `paymnets`: did you mean `payments`?");
    assert!(told("rates").ends_with("set http_client.upstreams.rates.base_url"), "{}", told("rates"));
    assert!(told("payments").ends_with("set http_client.upstreams.payments.base_url"));
}
