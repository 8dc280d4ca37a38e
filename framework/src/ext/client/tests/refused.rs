//! Where nobody gets, and who is told what.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::Method;
use futures_util::FutureExt as _;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::FutureExt as _;
use opentelemetry::{Context, KeyValue};

use super::server::{Reply, Server};
use super::{Ground, attribute, upstream};
use crate::ext::client::ClientError;
use crate::ext::client::address::Lookup;

/// Looks every name up to these addresses, and counts.
fn leading_to(addresses: &[&str], asked: &Arc<AtomicUsize>) -> Lookup {
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let asked = Arc::clone(asked);
    Arc::new(move |_| {
        asked.fetch_add(1, Ordering::Relaxed);
        let found = addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect();
        async move { Ok(found) }.boxed()
    })
}

#[actix::test]
async fn a_users_url_does_not_lead_to_what_is_not_public() {
    let server = Server::start(|_| Reply::of(200, "secret")).await;
    let port = server.address.port();
    let asked = Arc::default();
    let ground = Ground::looking_up(|_| (), leading_to(&["127.0.0.1", "169.254.169.254", "::1"], &asked));
    for host in ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost", "webhook.example"] {
        let request = ground.client.untrusted(Method::POST, &format!("http://{host}:{port}/hook/hunter2"));
        let error = ground.within(request.body("x").send()).await.unwrap_err();
        assert!(
            matches!(error, ClientError::AddressRefused { .. }) && error.is_unsent(),
            "{host}: {error:?}"
        );
        assert!(error.to_string().contains("public addresses only"), "{error}");
    }
    assert!(server.seen().is_empty());
    for span in ground.attempts() {
        assert_eq!(attribute(&span, "error.type").as_deref(), Some("address_refused"));
        assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
    }
    assert!(ground.measured("http.client.active_requests").values().all(|active| *active == 0));
}

#[actix::test]
async fn a_name_is_looked_up_once_and_only_what_was_allowed_is_asked() {
    let server = Server::start_at("0.0.0.0:0", |_| Reply::of(200, "")).await;
    let asked = Arc::default();
    let lookup = leading_to(&["127.0.0.2", "10.0.0.1", "127.0.0.1"], &asked);
    let allow = |settings: &mut super::HttpClientSettings| {
        settings.untrusted_networks = vec!["127.0.0.1/32".to_owned()];
    };
    let ground = Ground::looking_up(allow, lookup);
    let url = format!("http://rebinding.example:{}/", server.address.port());
    ground.client.untrusted(Method::GET, &url).send().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let seen = server.seen();
    assert_eq!(seen.iter().map(|seen| seen.at.ip().to_string()).collect::<Vec<_>>(), ["127.0.0.1"]);
    // Each connection is looked at anew.
    ground.client.untrusted(Method::GET, &url).send().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[actix::test]
async fn only_whom_the_settings_name_is_told_of_the_trace() {
    let server = Server::start(|_| Reply::of(200, "")).await;
    let told = async |listed: &[&str], untrusted: bool| {
        let before = server.seen().len();
        let ground = Ground::with(|settings| {
            settings.propagate_to = listed.iter().map(|host| (*host).to_owned()).collect();
            settings.untrusted_networks = vec!["127.0.0.0/8".to_owned()];
        });
        let request = if untrusted {
            ground.client.untrusted(Method::GET, &server.url())
        } else {
            ground.client.get(&server.url())
        };
        ground.within(request.send()).await.unwrap();
        server.seen()[before].header("traceparent").is_some()
    };
    assert!(told(&["127.0.0.1"], false).await);
    assert!(!told(&[], false).await);
    assert!(!told(&["example.com", "*.0.0.1.example"], false).await);
    assert!(!told(&["127.0.0.1"], true).await, "a user's URL leads anywhere");
}

#[actix::test]
async fn an_upstream_is_told_of_the_trace_unless_it_is_not_to_be_and_of_no_baggage_that_is_not_listed() {
    let server = Server::start(|_| Reply::of(200, "")).await;
    for propagate in [true, false] {
        let ground = Ground::with(|settings| {
            super::breaking(1, settings);
            settings.upstreams.get_mut("payments").unwrap().propagate = propagate;
        });
        let sending = async {
            let cx = Context::current().with_baggage([KeyValue::new("customer", "ada@example.com")]);
            upstream(&ground, &server.url()).get("/").send().with_context(cx).await
        };
        ground.within(sending).await.unwrap();
        let sent = server.seen().pop().unwrap();
        assert_eq!(sent.header("traceparent").is_some(), propagate);
        assert_eq!(sent.header("baggage"), None);
    }
}

#[actix::test]
async fn what_must_not_be_in_a_request_is_refused_before_anything_is_sent() {
    let server = Server::start(|_| Reply::of(200, "")).await;
    let ground = Ground::new();
    let secret = "hunter2\r\nx-admin: 1".to_owned().into();
    let payments = upstream(&ground, &format!("{}/v1", server.url()));
    let url = |credentials: &str| format!("http://{credentials}@{}/", server.address);
    for (request, part) in [
        (ground.client.get(&server.url()).header("x-note", "a\r\nx-admin: 1"), "value of `x-note`"),
        (ground.client.get(&server.url()).header("x note", "a"), "`x note` is no name"),
        (ground.client.get(&server.url()).bearer(&secret), "value of `authorization`"),
        (ground.client.get(&url("me:hunter2")), "credentials"),
        (ground.client.untrusted(Method::GET, &url("me:hunter2")), "credentials"),
        (ground.client.get("file:///etc/passwd"), "scheme `file`"),
        (ground.client.get("hunter2"), "is none"),
        (payments.get("/../admin?hunter2"), "leads out"),
    ] {
        let error = request.send().await.unwrap_err();
        let text = error.to_string();
        assert!(error.is_unsent() && text.contains(part) && !text.contains("hunter2"), "{part}: {text}");
    }
    assert!(server.seen().is_empty());
}
