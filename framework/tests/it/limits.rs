//! Rate limits. Statement 10 of the checklist.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::Method;
use serde_json::Value;
use spanbox::app::Service;
use spanbox::ext::Extension;
use spanbox::ext::limit::Limit;
use spanbox::module::{Boot, BoxError, Module};
use spanbox::testing::{Answer, CapturedMetrics, RedisServer, Spans, TestApp};
use spanbox::web::Principal;

/// Believes who says who it is.
struct Naive;

impl Extension for Naive {
    const NAME: &'static str = "naive";
    type Installed = ();

    async fn install(self, boot: Boot) -> Result<(), BoxError> {
        boot.before(async |request: HttpRequest| {
            if let Some(name) = request.headers().get("x-user").and_then(|name| name.to_str().ok()) {
                Principal::new(name.to_owned(), Vec::new()).set_on(&request);
            }
            Ok(())
        });
        Ok(())
    }
}

fn create_app(profile: Option<&str>) -> Service {
    let module = Module::new("all")
        .get("/fine", async || "fine")
        .post("/sign-in", async || "in")
        .get("/sign-in", async || "a form");
    Service::new("limits", "1").profile(profile).extension(Limit).extension(Naive).module(module)
}

/// So slow that no request comes back within a test.
const HOUR: (&str, &str) = ("APP_LIMITS__RULES__ALL__WINDOW", "1h");

async fn get(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    app.send(Method::GET, "/fine", headers, Default::default()).await
}

#[actix::test]
async fn too_many_requests_of_an_address_are_429_and_say_when_to_come_back() {
    let app = TestApp::start_with(create_app, [HOUR, ("APP_LIMITS__RULES__ALL__REQUESTS", "3")]).await;
    for left in ["2", "1", "0"] {
        let answer = get(&app, &[]).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.header("ratelimit").unwrap().starts_with(&format!("\"all\";r={left};t=")),
            "{answer:?}"
        );
        assert_eq!(answer.header("ratelimit-policy"), Some("\"all\";q=3;w=3600"));
    }
    let refused = get(&app, &[]).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("content-type")),
        (429, Some("application/problem+json"))
    );
    let problem: Value = refused.json();
    assert!(problem["type"].as_str().unwrap().ends_with(":too-many-requests"), "{problem}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1190..=1200).contains(&seconds), "{seconds}");
    assert!(refused.header("ratelimit").unwrap().starts_with("\"all\";r=0;t="), "{refused:?}");
    // What is nowhere counts as well, and probes do not.
    assert_eq!(app.get("/nowhere").await.status, 429);
    for _ in 0..10 {
        assert_eq!(app.get("/health/ready").await.status, 200);
    }
    let of = |span: &_| Spans::attribute(span, "spanbox.limit.rule");
    let spans = app.capture().spans();
    let marked: Vec<_> = spans.named("GET /fine").map(of).collect();
    assert_eq!(marked, [None, None, None, Some("all".to_owned())]);
    app.stop().await;
}

#[actix::test]
async fn what_a_client_says_of_its_address_changes_nothing() {
    let rules = [HOUR, ("APP_LIMITS__RULES__ALL__REQUESTS", "2")];
    let app = TestApp::start_with(create_app, rules).await;
    let mut answers = Vec::new();
    for turn in 0..6 {
        let spoofed = format!("203.0.113.{turn}");
        let said = [
            ("x-forwarded-for", spoofed.as_str()),
            ("x-real-ip", spoofed.as_str()),
            ("x-client-ip", spoofed.as_str()),
            ("forwarded", &format!("for={spoofed}")),
        ];
        answers.push(get(&app, &said).await.status.as_u16());
    }
    assert_eq!(answers, [200, 200, 429, 429, 429, 429]);
    app.stop().await;

    // Behind a proxy, what the proxy adds counts, and not what the client wrote before.
    let behind = rules.into_iter().chain([("APP_SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]);
    let app = TestApp::start_with(create_app, behind).await;
    for turn in 0..4 {
        let said = format!("10.0.0.{turn}, 203.0.113.9");
        let status = get(&app, &[("x-forwarded-for", &said)]).await.status;
        assert_eq!(status, if turn < 2 { 200 } else { 429 }, "{turn}");
    }
    assert_eq!(get(&app, &[("x-forwarded-for", "203.0.113.10")]).await.status, 200, "another client");
    app.stop().await;
}

#[actix::test]
async fn a_principal_is_counted_wherever_it_comes_from_and_nobody_by_address() {
    let rules =
        [HOUR, ("APP_LIMITS__RULES__ALL__REQUESTS", "2"), ("APP_LIMITS__RULES__ALL__PER", "principal")];
    let behind = rules.into_iter().chain([("APP_SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]);
    let app = TestApp::start_with(create_app, behind).await;
    for (user, from, status) in [
        ("alice", "203.0.113.1", 200),
        ("alice", "203.0.113.2", 200),
        ("alice", "203.0.113.3", 429),
        ("bob", "203.0.113.3", 200),
    ] {
        let answer = get(&app, &[("x-user", user), ("x-forwarded-for", from)]).await;
        assert_eq!(answer.status, status, "{user} from {from}");
    }
    for status in [200, 200, 429] {
        assert_eq!(get(&app, &[("x-forwarded-for", "203.0.113.1")]).await.status, status);
    }
    app.stop().await;
}

#[actix::test]
async fn a_rule_is_for_the_routes_that_it_names() {
    let rules = [
        HOUR,
        ("APP_LIMITS__RULES__ALL__REQUESTS", "1"),
        ("APP_LIMITS__RULES__ALL__ROUTES", "POST /sign-in"),
    ];
    let app = TestApp::start_with(create_app, rules).await;
    let post = async || app.send(Method::POST, "/sign-in", &[], Default::default()).await.status.as_u16();
    assert_eq!((post().await, post().await), (200, 429));
    let form = app.get("/sign-in").await;
    assert_eq!((form.status.as_u16(), form.header("ratelimit")), (200, None));
    app.stop().await;

    let rules = [("APP_LIMITS__RULES__ALL__ROUTES", "POST /sing-in")];
    let ready = create_app(Some("testing")).environment(rules).prepare().unwrap();
    let error = ready.start().await.err().unwrap().to_string();
    assert!(error.contains("no route `POST /sing-in`; did you mean `POST /sign-in`?"), "{error}");
}

fn on_redis(url: &str) -> Vec<(&str, &str)> {
    vec![
        HOUR,
        ("APP_LIMITS__RULES__ALL__REQUESTS", "5"),
        ("APP_LIMITS__STORE", "redis"),
        ("REDIS_URL", url),
        ("SECRET_KEY", "the-secret-of-both-of-these-services"),
    ]
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn two_services_on_one_redis_count_together() {
    let redis = RedisServer::start().unwrap();
    let url = redis.url();
    let one = TestApp::start_with(create_app, on_redis(&url)).await;
    let other = TestApp::start_with(create_app, on_redis(&url)).await;
    let mut answers = Vec::new();
    for turn in 0..8 {
        let answer = get(if turn % 2 == 0 { &one } else { &other }, &[]).await;
        answers.push((answer.status.as_u16(), answer.header("ratelimit").unwrap().contains(";r=0;")));
    }
    let fine = [(200, false), (200, false), (200, false), (200, false), (200, true)];
    assert_eq!(answers[..5], fine);
    assert!(answers[5..].iter().all(|answer| *answer == (429, true)), "{answers:?}");
    one.expect_path(&["GET /fine", "EVALSHA"]).await;
    one.stop().await;
    other.stop().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn neither_addresses_nor_ids_are_in_redis() {
    let redis = RedisServer::start().unwrap();
    let url = redis.url();
    let mut environment = on_redis(&url);
    environment.push(("APP_LIMITS__RULES__ALL__PER", "principal"));
    let app = TestApp::start_with(create_app, environment).await;
    get(&app, &[("x-user", "alice@shop.example")]).await;
    get(&app, &[]).await;
    let keys = spanbox::testing::raw(redis.address(), b"KEYS *\r\nQUIT\r\n", Duration::from_secs(10)).await;
    assert_eq!(keys.matches("spanbox:limit:all:").count(), 2, "{keys}");
    assert!(!keys.contains("alice") && !keys.contains("127.0.0.1"), "{keys}");
    app.stop().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn without_redis_each_process_counts_for_itself_and_with_it_again_together() {
    let mut redis = RedisServer::start().unwrap();
    let url = redis.url();
    let metrics = CapturedMetrics::default();
    let exporter = metrics.clone();
    let service = |profile: Option<&str>| create_app(profile).metric_exporter(exporter);
    let app = TestApp::start_with(service, on_redis(&url)).await;
    for _ in 0..4 {
        assert_eq!(get(&app, &[]).await.status, 200);
    }
    redis.kill().unwrap();
    let mut alone = Vec::new();
    for _ in 0..7 {
        alone.push(get(&app, &[]).await.status.as_u16());
    }
    assert_eq!(alone, [200, 200, 200, 200, 200, 429, 429], "a count of its own");
    redis.start_again().unwrap();
    // In Redis there is one more.
    app.eventually("requests are counted together again", async || {
        let answer = get(&app, &[]).await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(get(&app, &[]).await.status, 429);
    assert!(app.running().telemetry().flush(Duration::from_secs(5)));
    let (_, spans) = app.stop().await;
    let emitted = format!("{:?}", metrics.with(&spans));
    assert!(emitted.contains("spanbox.limit.alone"), "{emitted}");
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_redis_that_hangs_costs_a_request_little_and_only_now_and_then() {
    let redis = RedisServer::start().unwrap();
    let url = redis.url();
    let mut environment = on_redis(&url);
    environment.push(("APP_SERVER__REQUEST_TIMEOUT", "2s"));
    let app = TestApp::start_with(create_app, environment).await;
    assert_eq!(get(&app, &[]).await.status, 200);
    redis.pause().unwrap();
    for status in [200, 200, 200, 200, 200, 429] {
        assert_eq!(get(&app, &[]).await.status, status, "never a 504");
    }
    redis.resume().unwrap();
    app.stop().await;
}

#[test]
fn redis_without_an_address_stops_the_start() {
    let ready = create_app(Some("testing"))
        .environment([
            ("APP_LIMITS__STORE", "redis"),
            ("APP_LIMITS__RULES__ALL__REQUESTS", "5"),
            ("LOG_LEVEL", "off"),
        ])
        .prepare()
        .unwrap();
    let error = actix_rt::System::new().block_on(ready.start()).err().unwrap().to_string();
    assert!(error.contains("`limit`") && error.contains("REDIS_URL"), "{error}");
}
