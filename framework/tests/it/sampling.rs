//! Which requests are recorded, and which are kept all the same.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::telemetry;
use spanbox::testing::{OtlpReceiver, Spans, TestApp};
use spanbox::web::Problem;

async fn sampled() -> String {
    Context::current().span().span_context().is_sampled().to_string()
}

async fn recorded() -> String {
    Context::current().span().is_recording().to_string()
}

async fn fails() -> Result<String, Problem> {
    telemetry::span("step").run(async {}).await;
    Err(Problem::internal(std::io::Error::other("disk on fire")))
}

async fn panics() -> String {
    panic!("out of words")
}

async fn fine() -> String {
    telemetry::span("step").run(async {}).await;
    String::new()
}

fn create_app(profile: Option<&str>) -> Service {
    let items = Module::new("items").prefix("/items").get("/", sampled).get("/{id}", sampled);
    let orders = Module::new("orders")
        .prefix("/orders")
        .get("/", sampled)
        .get("/{id}", sampled)
        .post("/{id}", sampled)
        .configure("/mounted", |config| _ = config.route("/x", actix_web::web::get().to(sampled)))
        .module(items);
    let other = Module::new("other")
        .get("/other", sampled)
        .get("/recorded", recorded)
        .get("/fails", fails)
        .get("/panics", panics)
        .get("/fine", fine)
        .get("/static/app.js", sampled)
        .get("/ready", sampled);
    Service::new("sampling", "1").profile(profile).module(orders).module(other)
}

const NO_KEEP: (&str, &str) = ("APP_TELEMETRY__KEEP__ENABLED", "false");
/// On a busy machine anything may be slow.
const NOT_SLOW: (&str, &str) = ("APP_TELEMETRY__KEEP__SLOWER_THAN", "0s");
const NONE: (&str, &str) = ("APP_TELEMETRY__SAMPLE_RATIO", "0");

#[actix::test]
async fn the_most_specific_share_decides() {
    let app = TestApp::start_with(
        create_app,
        [
            NO_KEEP,
            ("APP_TELEMETRY__SAMPLING__MODULES", "{ orders = 0.0 }"),
            ("APP_TELEMETRY__SAMPLING__ROUTES", "{ 'GET /orders/{id}' = 1.0, 'GET /other' = 0.0 }"),
        ],
    )
    .await;
    for (path, expected) in [
        ("/orders", "false"),
        ("/orders/7", "true"),
        // That of the module around it, and that of the module it is mounted by.
        ("/orders/items/", "false"),
        ("/orders/mounted/x", "false"),
        ("/other", "false"),
        ("/recorded", "true"),
    ] {
        assert_eq!(app.get(path).await.text(), expected, "{path}");
    }
    assert_eq!(app.post("/orders/7", &()).await.text(), "false");
    // Who calls has decided already.
    for (flag, expected) in [("01", "true"), ("00", "false")] {
        let caller = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flag}");
        for path in ["/orders/7", "/other"] {
            let headers = [("traceparent", caller.as_str())];
            let answer = app.send(actix_web::http::Method::GET, path, &headers, Default::default()).await;
            assert_eq!(answer.text(), expected, "{path}");
        }
    }
    app.stop().await;
}

#[test]
fn a_share_of_what_does_not_exist_is_refused_with_what_does() {
    let errors = create_app(Some("testing"))
        .environment([
            ("APP_TELEMETRY__SAMPLING__MODULES", "{ ordres = 0.5 }"),
            ("APP_TELEMETRY__SAMPLING__ROUTES", "{ 'GET /orders/{i}' = 0.5 }"),
        ])
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in [
        "telemetry.sampling.modules: there is no module `ordres`; did you mean `orders`?",
        "telemetry.sampling.routes: there is no route `GET /orders/{i}`; did you mean `GET /orders/{id}`?",
    ] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
}

#[actix::test]
async fn excluded_paths_have_no_span_wherever_their_star_is() {
    let patterns = ("APP_TELEMETRY__EXCLUDED_PATHS", "/ready, /static/*.js, /recorded*, /orders/1");
    let app = TestApp::start_with(create_app, [patterns]).await;
    let excluded = ["/static/app.js", "/ready", "/recorded", "/recorded/", "/orders/1"];
    // A path with a slash at its end is another one than without.
    let recorded = ["/other", "/static/app.js/", "/ready/", "/orders/2", "/orders/1/"];
    for path in excluded.into_iter().chain(recorded) {
        assert_eq!(app.get(path).await.text(), recorded.contains(&path).to_string(), "{path}");
    }
    let (_, spans) = app.stop().await;
    assert_eq!(spans.all().iter().filter(|span| span.name.starts_with("GET ")).count(), recorded.len());
}

#[actix::test]
async fn without_a_share_the_traces_that_failed_arrive_whole_and_no_others() {
    let receiver = OtlpReceiver::start().unwrap();
    let endpoint = receiver.http_endpoint();
    let app = TestApp::start_with(
        create_app,
        [
            NONE,
            NOT_SLOW,
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ],
    )
    .await;
    for _ in 0..10 {
        assert_eq!(app.get("/fine").await.status, 200);
        assert_eq!(app.get("/recorded").await.text(), "true");
        assert_eq!(app.get("/nowhere").await.status, 404);
    }
    assert_eq!(app.get("/fails").await.status, 500);
    assert_eq!(app.get("/panics").await.status, 500);
    let root = app.expect_path(&["GET /panics"]).await;
    assert_eq!(Spans::attribute(&root, "spanbox.kept").unwrap(), "panic");
    app.expect_path(&["GET /fails", "step"]).await;
    let (_, captured) = app.stop().await;
    let captured = captured.all().iter().map(|span| span.name.to_string());
    assert_eq!(captured.collect::<Vec<_>>(), ["step", "GET /fails", "GET /panics"]);

    let arrived = receiver.wait_for(|spans| spans.len() == 3, Duration::from_secs(10)).unwrap();
    let root = arrived.iter().find(|span| span.name == "GET /fails").unwrap();
    let step = arrived.iter().find(|span| span.name == "step").unwrap();
    assert_eq!((&step.trace_id, &step.parent_id), (&root.trace_id, &root.span_id));
    assert_eq!(root.attributes["spanbox.kept"], "error");
    assert_eq!(root.events.len(), 1);
}

#[actix::test]
async fn where_nothing_is_kept_nothing_is_recorded() {
    let app = TestApp::start_with(create_app, [NONE, NO_KEEP]).await;
    assert_eq!(app.get("/recorded").await.text(), "false");
    assert_eq!(app.get("/fails").await.status, 500);
    let (_, spans) = app.stop().await;
    assert!(spans.all().is_empty());
}
