//! What surrounds a handler: spans, errors, panics, limits, clients that go away.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, trace::SpanContext};
use serde_json::Value;
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::telemetry;
use spanbox::testing::{Spans, TestApp, raw};
use spanbox::web::{Json, Problem};

async fn fine() -> Result<Json<&'static str>, Problem> {
    Ok(Json("fine"))
}

async fn panics() -> HttpResponse {
    panic!("the handler's own words")
}

async fn fails() -> Result<HttpResponse, Problem> {
    Err(Problem::internal(std::io::Error::other("disk on fire")))
}

async fn fails_elsewhere() -> Result<HttpResponse, actix_web::Error> {
    Err(actix_web::error::ErrorBadGateway("upstream said hunter2"))
}

async fn never() -> HttpResponse {
    std::future::pending().await
}

async fn spans_of_its_own() -> Result<Json<u8>, Problem> {
    telemetry::span("through the API")
        .run(async {
            tokio::task::yield_now().await;
            let task = spanbox::context::spawn(telemetry::span("in a task").run(async { 7 }));
            tracing_span().await;
            Ok(Json(task.await.map_err(Problem::internal)?))
        })
        .await
}

#[tracing::instrument]
async fn tracing_span() {
    tokio::task::yield_now().await;
    telemetry::span("below tracing").run(async {}).await;
}

async fn body(bytes: web::Bytes) -> String {
    bytes.len().to_string()
}

async fn prepared() -> Result<HttpResponse, actix_web::Error> {
    let answer = HttpResponse::Conflict().insert_header(("x-own", "1")).body("as its author meant it");
    Err(actix_web::error::InternalError::from_response("whatever", answer).into())
}

fn create_app(profile: Option<&str>) -> Service {
    Service::new("requests", "1.0.0").profile(profile).module(
        Module::new("all")
            .get("/fine", fine)
            .get("/fine/{name}", fine)
            .get("/panics", panics)
            .get("/fails", fails)
            .get("/fails-elsewhere", fails_elsewhere)
            .get("/never", never)
            .get("/prepared", prepared)
            .get("/spans", spans_of_its_own)
            .post("/body", body),
    )
}

#[actix::test]
async fn a_request_is_a_server_span_by_the_conventions() {
    let app = TestApp::start(create_app).await;
    app.get("/fine/alice?token=hunter2").await;
    let span = app.expect_path(&["GET /fine/{name}"]).await;
    assert_eq!(span.span_kind, SpanKind::Server);
    let port = app.running().addresses()[0].port().to_string();
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/fine/{name}"),
        ("http.response.status_code", "200"),
        ("url.path", "/fine/alice"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("server.address", "127.0.0.1"),
        ("server.port", port.as_str()),
        ("spanbox.module", "all"),
    ] {
        assert_eq!(Spans::attribute(&span, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(Spans::attribute(&span, "error.type"), None);
    assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
    app.stop().await;
}

#[actix::test]
async fn a_panic_is_a_500_and_the_worker_lives_on() {
    let app = TestApp::start(create_app).await;
    for _ in 0..3 {
        let answer = app.get("/panics").await;
        assert_eq!(answer.status, 500);
        assert!(!answer.text().contains("own words"), "{answer:?}");
        assert_eq!(app.get("/fine").await.status, 200);
    }
    let span = app.expect_path(&["GET /panics"]).await;
    let problem: Value = app.get("/panics").await.json();
    assert_eq!(problem["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(Spans::attribute(&span, "error.type").unwrap(), "panic");
    assert!(matches!(span.status, Status::Error { .. }));
    assert_eq!(span.events.events.len(), 1);
    assert!(format!("{:?}", span.events).contains("own words"));
    app.stop().await;
}

#[actix::test]
async fn the_cause_of_a_failure_is_recorded_once_and_the_client_does_not_see_it() {
    let app = TestApp::start(create_app).await;
    for (path, cause, status, kind) in
        [("/fails", "disk on fire", 500, "internal"), ("/fails-elsewhere", "hunter2", 502, "bad-gateway")]
    {
        let answer = app.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (status, Some("application/problem+json"))
        );
        assert!(!answer.text().contains(cause), "{answer:?}");
        assert!(answer.json::<Value>()["type"].as_str().unwrap().ends_with(kind), "{answer:?}");
        let span = app.expect_path(&[&format!("GET {path}")]).await;
        assert_eq!(answer.json::<Value>()["trace_id"], span.span_context.trace_id().to_string());
        assert_eq!(span.events.events.len(), 1, "{:?}", span.events);
        assert!(format!("{:?}", span.events).contains(cause));
        assert_eq!(Spans::attribute(&span, "error.type").unwrap(), status.to_string());
    }
    app.stop().await;
}

#[actix::test]
async fn a_client_that_goes_away_ends_the_span_and_leaks_nothing() {
    let app = TestApp::start_with(create_app, [("APP_SERVER__ALLOW_HALF_CLOSED", "false")]).await;
    let address = app.running().addresses()[0];
    for _ in 0..20 {
        raw(address, b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n", Duration::from_millis(20)).await;
    }
    let gone = app.eventually("all twenty are over", async || {
        let gone = app.capture().spans().named("GET /never").cloned().collect::<Vec<_>>();
        (gone.len() == 20).then_some(gone)
    });
    for span in gone.await {
        assert_eq!(Spans::attribute(&span, "error.type").unwrap(), "client_disconnected");
    }
    app.stop().await;
}

#[actix::test]
async fn a_request_that_takes_too_long_is_a_504() {
    let app = TestApp::start_with(create_app, [("APP_SERVER__REQUEST_TIMEOUT", "100ms")]).await;
    let answer = app.get("/never").await;
    assert_eq!(answer.status, 504);
    let span = app.expect_path(&["GET /never"]).await;
    assert_eq!(Spans::attribute(&span, "error.type").unwrap(), "timeout");
    app.stop().await;
}

#[actix::test]
async fn a_slow_head_is_a_408() {
    let app = TestApp::start_with(create_app, [("APP_SERVER__HEAD_TIMEOUT", "200ms")]).await;
    let answer =
        raw(app.running().addresses()[0], b"GET /fine HTTP/1.1\r\nhost:", Duration::from_secs(10)).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    app.stop().await;
}

#[actix::test]
async fn the_body_limit_holds_for_every_way_of_reading() {
    let app = TestApp::start_with(create_app, [("APP_SERVER__MAX_BODY_BYTES", "100")]).await;
    let post = async |size: usize| app.send(Method::POST, "/body", &[], vec![b'x'; size].into()).await;
    assert_eq!(post(100).await.text(), "100");
    let refused = post(101).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("content-type")),
        (413, Some("application/problem+json"))
    );
    let chunked =
        b"POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nc8\r\n";
    let mut request = chunked.to_vec();
    request.extend(vec![b'x'; 200]);
    request.extend(b"\r\n0\r\n\r\n");
    let answer = raw(app.running().addresses()[0], &request, Duration::from_secs(10)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    app.stop().await;
}

#[actix::test]
async fn spans_of_both_kinds_have_right_parents() {
    let app = TestApp::start(create_app).await;
    assert_eq!(app.get("/spans").await.json::<u8>(), 7);
    app.expect_path(&["GET /spans", "through the API", "in a task"]).await;
    app.expect_path(&["GET /spans", "through the API", "tracing_span", "below tracing"]).await;
    app.stop().await;
}

#[actix::test]
async fn baggage_travels_to_the_handler() {
    async fn tenant() -> String {
        use opentelemetry::baggage::BaggageExt;
        Context::current().baggage().get("tenant").map(ToString::to_string).unwrap_or_default()
    }
    let app = TestApp::start(|profile| {
        Service::new("baggage", "1").profile(profile).module(Module::new("all").get("/tenant", tenant))
    })
    .await;
    let answer = app.send(Method::GET, "/tenant", &[("baggage", "tenant=acme")], Default::default()).await;
    assert_eq!(answer.text(), "acme");
    app.stop().await;
}

#[actix::test]
async fn with_telemetry_off_nothing_is_recorded_and_the_trace_passes_through() {
    async fn current() -> String {
        let cx = Context::current();
        let span: SpanContext = cx.span().span_context().clone();
        span.trace_id().to_string()
    }
    let app = TestApp::start_with(
        |profile| Service::new("off", "1").profile(profile).module(Module::new("all").get("/trace", current)),
        [("OTEL_SDK_DISABLED", "true")],
    )
    .await;
    let headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    let answer = app.send(Method::GET, "/trace", &headers, Default::default()).await;
    assert_eq!(answer.text(), "0af7651916cd43dd8448eb211c80319c");
    let (_, spans) = app.stop().await;
    assert!(spans.all().is_empty());
}

#[actix::test]
async fn an_error_that_brings_its_own_answer_keeps_it() {
    let app = TestApp::start(create_app).await;
    let answer = app.get("/prepared").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-own")), (409, Some("1")));
    assert_eq!(answer.text(), "as its author meant it");
    app.stop().await;
}

#[actix::test]
async fn a_hook_that_panics_is_a_500_like_a_handler() {
    let app = TestApp::start(|profile| {
        let before = Module::new("before").get("/before", fine).before(async |_| panic!("before"));
        let after = Module::new("after").get("/after", fine).after(|_, _| panic!("after"));
        let error = Module::new("error").get("/error", fails).on_error(|_, _| panic!("error"));
        Service::new("hooks", "1").profile(profile).module(before).module(after).module(error)
    })
    .await;
    for path in ["/before", "/after", "/error"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let span = app.expect_path(&[&format!("GET {path}")]).await;
        assert_eq!(Spans::attribute(&span, "error.type").unwrap(), "panic", "{path}");
    }
    app.stop().await;
}

#[actix::test]
async fn the_probes_are_outside_of_the_services_hooks_and_unmatched_paths_inside() {
    let refuse = async |_| Err(Problem::new(actix_web::http::StatusCode::UNAUTHORIZED, "no-key"));
    let app =
        TestApp::start(move |profile| Service::new("closed", "1").profile(profile).before(refuse)).await;
    assert_eq!(app.get("/health/ready").await.status, 200);
    assert_eq!(app.get("/nowhere").await.status, 401);
    app.stop().await;
}

#[actix::test]
async fn a_request_that_outlives_the_grace_is_counted_as_abandoned() {
    let app = TestApp::start_with(create_app, [("APP_SERVER__SHUTDOWN_GRACE", "1s")]).await;
    let address = app.running().addresses()[0];
    let client = spanbox::context::spawn(async move {
        raw(address, b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n", Duration::from_secs(30)).await
    });
    app.eventually("the request is under way", async || (!app.capture().open().is_empty()).then_some(()))
        .await;
    let report = app.stop_unchecked().await;
    assert_eq!((report.requests_abandoned, report.requests_finished), (1, 0), "{report:?}");
    assert!(report.telemetry_flushed);
    client.await.unwrap();
}

#[actix::test]
async fn a_client_that_has_closed_its_sending_side_gets_its_answer() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = TestApp::start(create_app).await;
    let mut stream = tokio::net::TcpStream::connect(app.running().addresses()[0]).await.unwrap();
    stream.write_all(b"GET /fine HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    app.stop().await;
}

#[actix::test]
async fn the_answer_to_head_never_has_a_body_whatever_is_pipelined_behind_it() {
    let app = TestApp::start(create_app).await;
    let pipelined =
        b"HEAD /fine HTTP/1.1\r\nhost: x\r\n\r\nGET /fine HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for _ in 0..50 {
        let answer = raw(app.running().addresses()[0], pipelined, Duration::from_secs(10)).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        // What follows is nothing, or the next answer whole.
        assert!(
            body.is_empty() || (body.starts_with("HTTP/1.1 200") && body.ends_with("fine\"")),
            "{answer}"
        );
    }
    app.stop().await;
}
