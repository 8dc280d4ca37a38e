//! What every answer has and no handler has to think of.

use std::io::Read as _;

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::Value;
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::testing::{Spans, TestApp};
use spanbox::web::{ClientAddress, Json};

const TEXT: &str = "All work and no play makes a dull boy. ";

fn long(kind: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(kind).body(TEXT.repeat(100))
}

fn create_app(profile: Option<&str>) -> Service {
    let module = Module::new("all")
        .get("/fine", async || HttpResponse::Ok().json("fine"))
        .get("/long", async || long("application/json"))
        .get("/page", async || long("text/html; charset=utf-8"))
        .get("/events", async || long("text/event-stream"))
        .get("/versioned", async || {
            HttpResponse::Ok()
                .content_type("text/plain")
                .insert_header(("etag", "\"7\""))
                .body(TEXT.repeat(100))
        })
        .get("/own", async || {
            HttpResponse::Ok()
                .insert_header(("cache-control", "public, max-age=60"))
                .insert_header(("x-frame-options", "SAMEORIGIN"))
                .insert_header(("vary", "Accept-Language"))
                .content_type("text/plain")
                .body(TEXT.repeat(100))
        })
        .get("/panics", async || -> HttpResponse { panic!("the handler's own words") })
        .get("/logs", async || {
            tracing::info!("a record of its own");
            "logged"
        })
        .get("/address", async |client: ClientAddress| client.address().to_string())
        .post("/json", async |Json(value): Json<Value>| Json(value))
        .post("/bytes", async |bytes: actix_web::web::Bytes| bytes.len().to_string());
    Service::new("edges", "1").profile(profile).module(module)
}

#[actix::test]
async fn every_answer_keeps_browsers_from_harm_and_tells_no_version() {
    let app = TestApp::start(create_app).await;
    for (path, status) in [("/fine", 200), ("/nowhere", 404), ("/panics", 500), ("/health/", 200)] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
        for name in ["server", "x-powered-by", "strict-transport-security"] {
            assert_eq!(answer.header(name), None, "{path}: {name}");
        }
    }
    let page = app.get("/page").await;
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
    let own = app.get("/own").await;
    assert_eq!(own.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(own.header("x-frame-options"), Some("SAMEORIGIN"));
    app.stop().await;
}

#[actix::test]
async fn hsts_is_said_where_the_trusted_proxy_says_https() {
    let https = [("x-forwarded-proto", "https")];
    let app = TestApp::start_with(create_app, [("APP_SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let answer = app.send(Method::GET, "/fine", &https, Default::default()).await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    assert_eq!(app.get("/fine").await.header("strict-transport-security"), None);
    app.stop().await;
    let app = TestApp::start(create_app).await;
    let answer = app.send(Method::GET, "/fine", &https, Default::default()).await;
    assert_eq!(answer.header("strict-transport-security"), None, "anybody says so");
    app.stop().await;
}

#[actix::test]
async fn a_request_has_an_id_that_its_answer_and_its_span_say() {
    let app = TestApp::start(create_app).await;
    let said = app.send(Method::GET, "/fine", &[("x-request-id", "a-b.c:7")], Default::default()).await;
    assert_eq!(said.header("x-request-id"), Some("a-b.c:7"));
    let span = app.expect_path(&["GET /fine"]).await;
    assert_eq!(Spans::attribute(&span, "spanbox.request.id").as_deref(), Some("a-b.c:7"));
    for bad in ["<script>", "", "a b", &"x".repeat(200)] {
        let answer = app.send(Method::GET, "/nowhere", &[("x-request-id", bad)], Default::default()).await;
        let id = answer.header("x-request-id").unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{bad}: {id}");
    }
    let (one, other) = (app.get("/panics").await, app.get("/panics").await);
    assert_ne!(one.header("x-request-id").unwrap(), other.header("x-request-id").unwrap());
    app.stop().await;
}

#[actix::test]
async fn trace_is_answered_nowhere() {
    let app = TestApp::start(create_app).await;
    let secret = [("authorization", "Bearer hunter2")];
    for path in ["/fine", "/nowhere", "/health/"] {
        let answer = app.send(Method::TRACE, path, &secret, Default::default()).await;
        assert_eq!(answer.status, 405, "{path}: {answer:?}");
        assert!(answer.header("allow").is_some() && !answer.text().contains("hunter2"), "{answer:?}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_large_answer_of_text_is_compressed_for_those_who_ask() {
    let app = TestApp::start(create_app).await;
    // The test's client unpacks nothing.
    let get = async |path: &str, accepted: &str| {
        app.send(Method::GET, path, &[("accept-encoding", accepted)], Default::default()).await
    };
    let gzip = get("/long", "gzip").await;
    assert_eq!(
        (gzip.header("content-encoding"), gzip.header("vary")),
        (Some("gzip"), Some("accept-encoding"))
    );
    assert!(gzip.body.len() < 1000, "{}", gzip.body.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, TEXT.repeat(100));
    let zstd = get("/long", "zstd, gzip;q=0.5").await;
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    assert_eq!(zstd::stream::decode_all(&zstd.body[..]).unwrap(), TEXT.repeat(100).as_bytes());
    assert_eq!(get("/long", "br").await.header("content-encoding"), Some("br"));
    let own = get("/own", "gzip").await;
    let vary: Vec<_> = own.headers.get_all("vary").map(|value| value.to_str().unwrap()).collect();
    assert_eq!(vary, ["Accept-Language", "accept-encoding"]);
    app.stop().await;
}

#[actix::test]
async fn what_is_small_secret_or_a_stream_is_not_compressed() {
    let app = TestApp::start(create_app).await;
    for (path, accepted) in [
        ("/fine", "gzip"),
        ("/page", "gzip"),
        ("/events", "gzip"),
        ("/versioned", "gzip"),
        ("/long", "identity"),
        ("/long", "gzip;q=0"),
        ("/long", "lzma"),
    ] {
        let headers = [("accept-encoding", accepted)];
        let answer = app.send(Method::GET, path, &headers, Default::default()).await;
        assert_eq!(answer.header("content-encoding"), None, "{path} {accepted}");
        assert_eq!(answer.status, 200, "{path} {accepted}");
    }
    assert_eq!(app.get("/long").await.header("vary"), Some("Accept-Encoding"), "caches keep them apart");
    app.stop().await;
    let app = TestApp::start_with(create_app, [("APP_EDGE__COMPRESSION", "false")]).await;
    let plain = app.send(Method::GET, "/long", &[("accept-encoding", "gzip")], Default::default()).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, None));
    app.stop().await;
}

/// Statement 9 of the checklist: what consumes memory is refused before it does.
#[actix::test]
async fn deep_wide_large_and_packed_bodies_are_refused() {
    let app = TestApp::start(create_app).await;
    let json = [("content-type", "application/json")];
    let post = async |body: String| app.send(Method::POST, "/json", &json, body.into()).await.status.as_u16();
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(post(nested(100)).await, 200);
    assert_eq!(post(nested(129)).await, 400, "too deep");
    assert_eq!(post(nested(400_000)).await, 400, "far too deep");
    assert_eq!(post(format!("[{}1]", "1,".repeat(4_999))).await, 200);
    assert_eq!(post(format!("[{}1]", "1,".repeat(9_999))).await, 413, "too many items");
    assert_eq!(post(format!("{{{}\"z\":1}}", "\"a\":[[],[]],".repeat(4_000))).await, 413, "too many values");
    assert_eq!(post(format!("\"{}\"", ",".repeat(20_000))).await, 200, "commas in a text are none");
    assert_eq!(post(format!("\"{}\"", "x".repeat(2 * 1024 * 1024))).await, 413, "too large");

    // 64 MiB of zeros in 64 KiB.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b'0'; 64 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    let packed = [("content-type", "application/json"), ("content-encoding", "gzip")];
    // Also where a handler reads bytes, which actix would unpack.
    for path in ["/json", "/bytes", "/nowhere"] {
        let answer = app.send(Method::POST, path, &packed, bomb.clone().into()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("accept-encoding")),
            (415, Some("identity")),
            "{path}"
        );
    }
    let empty = app.send(Method::GET, "/address", &packed, Default::default()).await;
    assert_eq!(empty.status.as_u16(), 200, "there is nothing to unpack");
    app.stop().await;
}

/// Statement 10 of the checklist, as far as it is about where a request comes from.
#[actix::test]
async fn only_a_trusted_proxy_says_where_a_request_comes_from() {
    let said = [("x-forwarded-for", "1.1.1.1, 203.0.113.9"), ("forwarded", "for=2.2.2.2")];
    for (trusted, expected) in
        [("none", "127.0.0.1"), ("10.0.0.0/8", "127.0.0.1"), ("127.0.0.1", "203.0.113.9")]
    {
        let app = TestApp::start_with(create_app, [("APP_SERVER__TRUSTED_PROXIES", trusted)]).await;
        let answer = app.send(Method::GET, "/address", &said, Default::default()).await;
        assert_eq!(answer.text(), expected, "{trusted}");
        app.stop().await;
    }
    let everybody = Service::new("edges", "1").environment([("APP_SERVER__TRUSTED_PROXIES", "all")]);
    let error = everybody.prepare().err().unwrap().to_string();
    assert!(error.contains("list the networks of your proxies"), "{error}");
}

#[actix::test]
async fn all_of_it_can_be_left_out() {
    let off = [("APP_EDGE__SECURITY_HEADERS", "false"), ("APP_EDGE__REQUEST_ID", "false")];
    let app = TestApp::start_with(create_app, off).await;
    let answer = app.get("/fine").await;
    assert_eq!(answer.status, 200);
    for name in ["x-content-type-options", "content-security-policy", "x-request-id"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    app.stop().await;
    let bad = Service::new("edges", "1").environment([("APP_EDGE__CONTENT_SECURITY_POLICY", "a\nb")]);
    let error = bad.prepare().err().unwrap().to_string();
    assert!(error.contains("edge.content_security_policy"), "{error}");
}
