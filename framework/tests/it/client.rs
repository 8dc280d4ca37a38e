//! The client as an extension: one service asks another, and it is one trace.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use opentelemetry::trace::SpanKind;
use spanbox::app::Service;
use spanbox::ext::client::{Client, HttpClient};
use spanbox::module::Module;
use spanbox::testing::contract::SPANBOX;
use spanbox::testing::{CapturedMetrics, Spans, TestApp};
use spanbox::web::Problem;

/// Answers with a status that its path says.
fn rates(profile: Option<&str>) -> Service {
    let module = Module::new("rates").get("/rates/{status}", async |status: Path<u16>| {
        HttpResponse::build(status.into_inner().try_into().unwrap()).body("1.1")
    });
    Service::new("rates", "1").profile(profile).module(module)
}

fn shop(profile: Option<&str>) -> Service {
    let module = Module::new("shop").get("/ask/{status}", ask);
    Service::new("shop", "1").profile(profile).extension(HttpClient).module(module)
}

async fn ask(client: Data<Client>, status: Path<u16>) -> Result<String, Problem> {
    let rates = client.upstream("rates").map_err(Problem::internal)?;
    let answer = rates.get(&format!("/rates/{status}")).template("/rates/{status}").send().await;
    Ok(answer.and_then(|answer| answer.success()).map_err(Problem::internal)?.text())
}

#[actix::test]
async fn a_request_to_another_service_is_one_trace_and_keeps_to_the_contract() {
    let rates = TestApp::start(rates).await;
    let metrics = CapturedMetrics::default();
    let receiver = metrics.clone();
    let environment = [
        ("APP_HTTP_CLIENT__UPSTREAMS__RATES__BASE_URL", rates.url()),
        ("APP_HTTP_CLIENT__UPSTREAMS__RATES__BREAKER__FAILURES", "4"),
        ("APP_HTTP_CLIENT__UPSTREAMS__RATES__BREAKER__OPEN_FOR", "1h"),
    ];
    let shop = TestApp::start_with(|profile| shop(profile).metric_exporter(receiver), environment).await;
    assert_eq!(shop.get("/ask/200").await.text(), "1.1");
    let asked = shop.expect_path(&["GET /ask/{status}", "GET /rates/{status}"]).await;
    let answered = rates.expect_path(&["GET /rates/{status}"]).await;
    assert_eq!(answered.span_context.trace_id(), asked.span_context.trace_id());
    assert_eq!(answered.parent_span_id, asked.span_context.span_id());

    // Three attempts, and the fourth opens the breaker.
    for answer in [shop.get("/ask/503").await, shop.get("/ask/503").await] {
        assert_eq!(answer.status, 500);
        assert!(!answer.text().contains("rates"), "a client sees no cause: {answer:?}");
    }
    shop.get("/ask/200").await;
    let _ = shop.running().telemetry().flush(std::time::Duration::from_secs(5));
    let (_, spans) = shop.stop().await;
    rates.stop().await;
    let refused = |span: &&opentelemetry_sdk::trace::SpanData| {
        Spans::attribute(span, "error.type").as_deref() == Some("circuit_open")
    };
    assert!(spans.all().iter().filter(|span| span.span_kind == SpanKind::Client).any(|span| refused(&span)));
    let emitted = metrics.with(&spans);
    assert_eq!(SPANBOX.unlisted(&emitted), [""; 0]);
    let unseen = SPANBOX.unseen(&emitted);
    for seen in [
        "{verb} {template}",
        "http.client.retry.wait",
        "spanbox.client.breaker.opened",
        "http.client.request.duration",
        "http.client.active_requests",
        "spanbox.client.breaker",
        "http.request.resend_count",
    ] {
        assert!(!unseen.contains(&seen), "{seen}");
    }
}

#[test]
fn what_is_wrong_with_the_settings_is_told_before_anything_starts() {
    let errors = shop(Some("testing"))
        .environment([
            ("APP_HTTP_CLIENT__UPSTREAMS__RATES__BASE_URL", "https://me:hunter2@rates.example"),
            ("APP_HTTP_CLIENT__TIMEOUT", "0s"),
            ("APP_HTTP_CLIENT__RETRY__ATEMPTS", "2"),
        ])
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in ["gives `rates` a base_url that holds credentials", "http_client.timeout", "retry.attempts"] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
    assert!(!errors.contains("hunter2"), "{errors}");
}
