//! Cross-origin requests. Statement 22 of the checklist.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use spanbox::app::Service;
use spanbox::ext::cors::Cors;
use spanbox::module::Module;
use spanbox::testing::{Answer, Spans, TestApp};
use spanbox::web::Problem;

const SHOP: &str = "https://shop.example";
const ORIGINS: &[(&str, &str)] = &[("APP_CORS__ORIGINS", "https://shop.example,http://localhost:3000")];

fn create_app(profile: Option<&str>) -> Service {
    let module = Module::new("all")
        .get("/fine", async || "fine")
        .post("/fine", async || "posted")
        .get("/panics", async || -> HttpResponse { panic!("the handler's own words") })
        .get("/never", std::future::pending::<HttpResponse>)
        .get("/many", async || {
            Err::<HttpResponse, _>(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests"))
        })
        .module(
            Module::new("closed")
                .prefix("/closed")
                .get("/", async || "in")
                .before(async |_| Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated"))),
        );
    Service::new("cors", "1").profile(profile).extension(Cors).module(module)
}

async fn preflight(app: &TestApp, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
    let asked = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", headers),
    ];
    app.send(Method::OPTIONS, path, &asked, Default::default()).await
}

#[actix::test]
async fn an_origin_that_is_listed_may_read_every_answer_errors_too() {
    let limit = ORIGINS.iter().chain(&[("APP_SERVER__REQUEST_TIMEOUT", "200ms")]).copied();
    let app = TestApp::start_with(create_app, limit).await;
    for (path, status) in [
        ("/fine", 200),
        ("/closed/", 401),
        ("/nowhere", 404),
        ("/many", 429),
        ("/panics", 500),
        ("/never", 504),
        ("/health/ready", 200),
    ] {
        let answer = app.send(Method::GET, path, &[("origin", SHOP)], Default::default()).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP), "{path}");
        assert!(answer.header("vary").unwrap().contains("Origin"), "{path}");
        assert!(answer.header("access-control-expose-headers").unwrap().contains("x-request-id"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
    }
    app.stop().await;
}

#[actix::test]
async fn any_other_origin_may_read_nothing() {
    let app = TestApp::start_with(create_app, ORIGINS.iter().copied()).await;
    for origin in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"]
    {
        let answer = app.send(Method::GET, "/fine", &[("origin", origin)], Default::default()).await;
        assert_eq!(answer.status, 200, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert!(answer.header("vary").unwrap().contains("Origin"), "{origin}: caches keep them apart");
        let asked = preflight(&app, "/fine", origin, "POST", "content-type").await;
        assert_eq!(asked.status, 400, "{origin}");
        assert_eq!(asked.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(asked.header("content-type"), Some("application/problem+json"), "{origin}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_preflight_is_answered_before_hooks_and_is_no_405() {
    let app = TestApp::start_with(create_app, ORIGINS.iter().copied()).await;
    for path in ["/fine", "/closed/", "/nowhere"] {
        let asked = preflight(&app, path, SHOP, "POST", "content-type,authorization").await;
        assert_eq!(asked.status, 200, "{path}: {asked:?}");
        assert_eq!(asked.header("access-control-allow-origin"), Some(SHOP), "{path}");
        assert_eq!(asked.header("access-control-max-age"), Some("600"), "{path}");
        assert!(asked.header("access-control-allow-methods").unwrap().contains("POST"), "{path}");
        assert!(asked.header("access-control-allow-headers").unwrap().contains("authorization"), "{path}");
    }
    let span = app.expect_path(&["HTTP /fine"]).await;
    assert_eq!(Spans::attribute(&span, "http.response.status_code").as_deref(), Some("200"));
    for (method, headers) in [("TRACE", "content-type"), ("POST", "x-secret")] {
        assert_eq!(preflight(&app, "/fine", SHOP, method, headers).await.status, 400, "{method} {headers}");
    }
    // OPTIONS that asks for nothing is a method like any other.
    let plain = app.send(Method::OPTIONS, "/fine", &[("origin", SHOP)], Default::default()).await;
    assert_eq!(plain.status, 405);
    app.stop().await;
}

#[actix::test]
async fn nobody_is_allowed_until_somebody_is_listed() {
    let app = TestApp::start(create_app).await;
    let answer = app.send(Method::GET, "/fine", &[("origin", SHOP)], Default::default()).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, None));
    assert_eq!(preflight(&app, "/fine", SHOP, "POST", "content-type").await.status, 405);
    app.stop().await;
}

#[actix::test]
async fn credentials_are_for_those_that_are_listed() {
    let with = ORIGINS.iter().chain(&[("APP_CORS__CREDENTIALS", "true")]).copied();
    let app = TestApp::start_with(create_app, with).await;
    let answer = app.send(Method::GET, "/fine", &[("origin", SHOP)], Default::default()).await;
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
    app.stop().await;

    let app = TestApp::start_with(create_app, [("APP_CORS__ORIGINS", "*")]).await;
    let answer = app.send(Method::GET, "/fine", &[("origin", SHOP)], Default::default()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    app.stop().await;
}

#[test]
fn any_origin_with_credentials_is_refused_before_the_service_starts() {
    let any = [("APP_CORS__ORIGINS", "*"), ("APP_CORS__CREDENTIALS", "true")];
    let error = create_app(None).environment(any).prepare().err().unwrap().to_string();
    assert!(error.contains("cors.credentials") && error.contains("list the origins"), "{error}");
}
