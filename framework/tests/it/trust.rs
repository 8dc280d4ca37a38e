//! Whose trace context is followed.

use actix_web::HttpRequest;
use actix_web::http::Method;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{SpanId, TraceContextExt as _};
use serde_json::{Value, json};
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::testing::TestApp;
use spanbox::web::Json;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// What the handler knows of its caller, by its context and by the headers that others may read.
async fn seen(request: HttpRequest) -> Json<Value> {
    let cx = Context::current();
    let header = |name| {
        request
            .headers()
            .get(name)
            .map(|value: &actix_web::http::header::HeaderValue| value.to_str().unwrap_or_default().to_owned())
    };
    Json(json!({
        "trace": cx.span().span_context().trace_id().to_string(),
        "sampled": cx.span().span_context().is_sampled(),
        "state": cx.span().span_context().trace_state().header(),
        "tenant": cx.baggage().get("tenant").map(ToString::to_string),
        "user": cx.baggage().get("user").map(ToString::to_string),
        "traceparent": header("traceparent"),
        "baggage": header("baggage"),
    }))
}

fn create_app(profile: Option<&str>) -> Service {
    let module = Module::new("all")
        .get("/seen", seen)
        .configure("/mounted", |config| _ = config.route("/seen", actix_web::web::get().to(seen)));
    Service::new("trust", "1").profile(profile).module(module)
}

async fn ask(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Value {
    app.send(Method::GET, path, headers, Default::default()).await.json()
}

fn caller() -> [(&'static str, String); 3] {
    [
        ("traceparent", format!("00-{TRACE}-{SPAN}-01")),
        ("tracestate", "vendor=1".to_owned()),
        ("baggage", "tenant=acme,user=7".to_owned()),
    ]
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[actix::test]
async fn a_caller_in_a_trusted_network_is_followed() {
    for trust in ["all", "127.0.0.0/8", "10.0.0.0/8, 127.0.0.1", r#"["::1", "127.0.0.1/32"]"#] {
        let app = TestApp::start_with(create_app, [("APP_TELEMETRY__TRUST", trust)]).await;
        for path in ["/seen", "/mounted/seen"] {
            let seen = ask(&app, path, &borrowed(&caller())).await;
            assert_eq!((&seen["trace"], &seen["tenant"]), (&json!(TRACE), &json!("acme")), "{trust}");
            assert_eq!(seen["state"], "vendor=1");
            let span = app.expect_path(&["GET /seen"]).await;
            assert_eq!(span.parent_span_id, SpanId::from_hex(SPAN).unwrap());
            assert!(span.links.links.is_empty());
        }
        app.stop().await;
    }
}

#[actix::test]
async fn any_other_caller_begins_a_new_trace_that_links_to_theirs() {
    for trust in ["none", "10.0.0.0/8", "::/0"] {
        let app = TestApp::start_with(create_app, [("APP_TELEMETRY__TRUST", trust)]).await;
        let mut headers = caller().to_vec();
        // What a request says of where it comes from is anybody's to write.
        headers.push(("x-forwarded-for", "10.1.2.3".to_owned()));
        headers.push(("forwarded", "for=10.1.2.3".to_owned()));
        let seen = ask(&app, "/seen", &borrowed(&headers)).await;
        assert_ne!(seen["trace"], TRACE, "{trust}");
        assert_eq!((&seen["tenant"], &seen["user"]), (&Value::Null, &Value::Null));
        assert_eq!(seen["state"], "");
        let span = app.expect_path(&["GET /seen"]).await;
        assert_eq!(span.parent_span_id, SpanId::INVALID);
        let link = &span.links.links[0].span_context;
        assert_eq!((link.trace_id().to_string(), link.span_id().to_string()), (TRACE.into(), SPAN.into()));

        // Nor does another instrumentation below a mounted service learn of the caller.
        let seen = ask(&app, "/mounted/seen", &borrowed(&headers)).await;
        assert!(!seen["traceparent"].as_str().unwrap().contains(TRACE), "{seen}");
        assert_eq!(seen["baggage"], Value::Null);
        app.stop().await;
    }
}

#[actix::test]
async fn a_caller_who_is_not_trusted_does_not_decide_what_is_sampled() {
    let app = TestApp::start_with(
        create_app,
        [
            ("APP_TELEMETRY__TRUST", "none"),
            ("APP_TELEMETRY__SAMPLE_RATIO", "0"),
            ("APP_TELEMETRY__KEEP__ENABLED", "false"),
        ],
    )
    .await;
    assert_eq!(ask(&app, "/seen", &borrowed(&caller())).await["sampled"], false);
    let (_, spans) = app.stop().await;
    assert!(spans.all().is_empty());
    // Nor that nothing is.
    let app = TestApp::start_with(create_app, [("APP_TELEMETRY__TRUST", "none")]).await;
    let unsampled = format!("00-{TRACE}-{SPAN}-00");
    assert_eq!(ask(&app, "/seen", &[("traceparent", &unsampled)]).await["sampled"], true);
    app.stop().await;
}

#[actix::test]
async fn of_a_caller_only_what_the_propagators_list_is_read() {
    for (propagators, trace, baggage) in [
        ("tracecontext,baggage", true, true),
        ("tracecontext", true, false),
        ("baggage", false, true),
        ("none", false, false),
    ] {
        for trust in ["all", "none"] {
            let variables = [("APP_TELEMETRY__TRUST", trust), ("OTEL_PROPAGATORS", propagators)];
            let app = TestApp::start_with(create_app, variables).await;
            let seen = ask(&app, "/seen", &borrowed(&caller())).await;
            let trusted = trust == "all";
            assert_eq!(seen["trace"] == TRACE, trace && trusted, "{propagators}, {trust}: {seen}");
            assert_eq!(seen["tenant"] == "acme", baggage && trusted, "{propagators}, {trust}: {seen}");
            let span = app.expect_path(&["GET /seen"]).await;
            assert_eq!(span.links.links.len(), usize::from(trace && !trusted), "{propagators}, {trust}");
            app.stop().await;
        }
    }
}

#[actix::test]
async fn what_is_no_trace_context_is_no_trace_context() {
    for trust in ["all", "none"] {
        let app = TestApp::start_with(create_app, [("APP_TELEMETRY__TRUST", trust)]).await;
        let long = format!("00-{TRACE}-{SPAN}-01-{}", "x".repeat(2_000));
        for broken in [
            "",
            "-",
            "00",
            "00-zz-zz-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            &long,
        ] {
            let seen = ask(&app, "/seen", &[("traceparent", broken)]).await;
            assert_eq!((&seen["sampled"], seen["trace"] == TRACE), (&json!(true), false), "{broken}");
        }
        let (_, spans) = app.stop().await;
        let requests: Vec<_> = spans.named("GET /seen").collect();
        assert_eq!(requests.len(), 9);
        for span in requests {
            assert_eq!((span.parent_span_id, span.links.links.len()), (SpanId::INVALID, 0));
        }
    }
}

#[actix::test]
async fn baggage_comes_in_by_its_key_and_not_beyond_its_size() {
    let accept = ("APP_TELEMETRY__BAGGAGE__ACCEPT", "tenant, region");
    let app = TestApp::start_with(create_app, [accept]).await;
    let seen = ask(&app, "/seen", &[("baggage", "tenant=acme,user=7")]).await;
    assert_eq!((&seen["tenant"], &seen["user"]), (&json!("acme"), &Value::Null));
    // The recommendation's limits: 8,192 bytes, and 64 entries.
    let oversized = format!("tenant=acme,user={}", "x".repeat(8_192));
    assert_eq!(ask(&app, "/seen", &[("baggage", &oversized)]).await["tenant"], Value::Null);
    let many: Vec<_> = (0..100).map(|number| format!("k{number}=v")).collect();
    let many = format!("{},tenant=acme", many.join(","));
    assert_eq!(ask(&app, "/seen", &[("baggage", &many)]).await["tenant"], Value::Null);
    for broken in ["", ",", "=", "tenant", "tenant=%FF", ";;"] {
        assert_eq!(ask(&app, "/seen", &[("baggage", broken)]).await["tenant"], Value::Null, "{broken}");
    }
    app.stop().await;
}

#[test]
fn what_is_no_network_stops_the_start() {
    let errors = create_app(Some("testing"))
        .environment([("APP_TELEMETRY__TRUST", "10.0.0.0/33")])
        .prepare()
        .err()
        .unwrap()
        .to_string();
    assert!(errors.contains("APP_TELEMETRY__TRUST: telemetry.trust is not valid: `10.0.0.0/33`"), "{errors}");
}
