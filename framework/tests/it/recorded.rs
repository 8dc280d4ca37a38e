//! What is recorded of a request, and what is not: headers, credentials, what is personal.

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::testing::{Spans, TestApp};
use spanbox::web::Problem;

async fn user(name: web::Path<String>) -> HttpResponse {
    HttpResponse::Ok().insert_header(("x-cache", "hit")).insert_header(("x-user", name.into_inner())).finish()
}

async fn fails() -> Result<HttpResponse, Problem> {
    Err(Problem::internal(std::io::Error::other("no route to canary@example.com with password=canary")))
}

async fn panics() -> HttpResponse {
    panic!("the card 4111-1111-1111-1111 burns")
}

fn create_app(profile: Option<&str>) -> Service {
    let module = Module::new("users").get("/users/{name}", user).get("/fails", fails).get("/panics", panics);
    Service::new("recorded", "1").profile(profile).module(module)
}

#[actix::test]
async fn only_the_headers_that_are_listed_are_recorded_and_credentials_only_as_present() {
    let app = TestApp::start_with(
        create_app,
        [
            ("APP_TELEMETRY__CAPTURE__REQUEST_HEADERS", "X-Request-Id"),
            ("APP_TELEMETRY__CAPTURE__RESPONSE_HEADERS", "x-cache,x-user"),
        ],
    )
    .await;
    let headers = [
        ("x-request-id", "r-7"),
        ("x-other", "canary"),
        ("authorization", "Bearer canary"),
        ("cookie", "a=canary"),
    ];
    app.send(Method::GET, "/users/ann%40example.com", &headers, Default::default()).await;
    let span = app.expect_path(&["GET /users/{name}"]).await;
    for (key, value) in [
        ("http.request.header.x-request-id", r#"["r-7"]"#),
        ("http.response.header.x-cache", r#"["hit"]"#),
        ("http.response.header.x-user", r#"["***"]"#),
        ("http.auth.present", "true"),
        ("url.path", "/users/***"),
    ] {
        assert_eq!(Spans::attribute(&span, key).as_deref(), Some(value), "{key}");
    }
    assert!(!format!("{span:?}").contains("canary"), "{span:?}");
    app.get("/users/bob").await;
    let all = app.capture().spans();
    let last = all.named("GET /users/{name}").last().unwrap();
    assert_eq!(Spans::attribute(last, "http.auth.present"), None);
    app.stop().await;
}

#[actix::test]
async fn the_cause_of_a_failure_is_recorded_without_what_is_personal_in_it() {
    let app = TestApp::start(create_app).await;
    app.get("/fails").await;
    app.get("/panics").await;
    let fails = format!("{:?}", app.expect_path(&["GET /fails"]).await);
    assert!(fails.contains("no route to *** with password=***"), "{fails}");
    let panics = format!("{:?}", app.expect_path(&["GET /panics"]).await);
    assert!(panics.contains("the card *** burns"), "{panics}");
    app.stop().await;
}

#[test]
fn what_cannot_be_recorded_or_looked_for_is_refused_before_the_start() {
    let service = create_app(Some("testing")).environment([
        ("APP_TELEMETRY__CAPTURE__REQUEST_HEADERS", "accept,Authorization"),
        ("APP_TELEMETRY__CAPTURE__RESPONSE_HEADERS", "set-cookie"),
        ("APP_TELEMETRY__REDACT__PATTERNS", "[\"C-(\"]"),
        ("APP_TELEMETRY__LIMITS__METRIC_SERIES", "0"),
    ]);
    let errors = service.prepare().err().unwrap().to_string();
    for error in [
        "telemetry.capture.request_headers has `Authorization`, which carries credentials",
        "telemetry.capture.response_headers has `set-cookie`, which carries credentials",
        "telemetry.redact.patterns has `C-(`, which is no regular expression",
        "telemetry.limits.metric_series must be between 1 and 100000, got 0",
    ] {
        assert!(errors.contains(error), "{error}: {errors}");
    }
}
