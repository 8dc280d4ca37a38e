//! Bytes that no client of good will sends. Statement 21 of the checklist, and what belongs to it.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::HttpResponse;
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::testing::TestApp;
use spanbox::web::Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far longer than any answer takes, and far shorter than an idle connection is kept.
const LONG: Duration = Duration::from_secs(20);

fn create_app(profile: Option<&str>) -> Service {
    let module = Module::new("all")
        .get("/fine", async || "fine")
        .post("/json", async |Json(value): Json<serde_json::Value>| Json(value))
        .post("/none", async || HttpResponse::NoContent())
        .post("/unread", async || "unread");
    Service::new("wire", "1").profile(profile).module(module)
}

/// All that comes until the server closes the connection, which it has to.
async fn to_the_end(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset ends it as well as a close does.
    match tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await {
        Ok(_) => String::from_utf8_lossy(&answer).into_owned(),
        Err(_) => panic!("the connection was kept after {answer:?}"),
    }
}

#[actix::test]
async fn a_request_that_two_servers_would_read_differently_is_400_and_ends_the_connection() {
    let app = TestApp::start(create_app).await;
    let address = app.running().addresses()[0];
    for (what, request) in [
        (
            "a length and chunks",
            "POST /json HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG",
        ),
        (
            "chunks and a length",
            "POST /json HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\nG",
        ),
        ("two lengths", "POST /json HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}"),
        ("two lengths in one", "POST /json HTTP/1.1\r\nhost: x\r\ncontent-length: 2, 2\r\n\r\n{}"),
        ("a length with a sign", "POST /json HTTP/1.1\r\nhost: x\r\ncontent-length: +2\r\n\r\n{}"),
        ("a negative length", "POST /json HTTP/1.1\r\nhost: x\r\ncontent-length: -2\r\n\r\n{}"),
        (
            "two encodings",
            "POST /json HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        ),
        (
            "an unknown encoding",
            "POST /json HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunks in HTTP/1.0",
            "POST /json HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two hosts", "GET /fine HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n"),
        ("the same host twice", "GET /fine HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n"),
        ("no host", "GET /fine HTTP/1.1\r\n\r\n"),
        ("a space in the host", "GET /fine HTTP/1.1\r\nhost: x y\r\n\r\n"),
        ("a path in the host", "GET /fine HTTP/1.1\r\nhost: x/y\r\n\r\n"),
        ("a user in the host", "GET /fine HTTP/1.1\r\nhost: u@x\r\n\r\n"),
        ("no ASCII in the host", "GET /fine HTTP/1.1\r\nhost: \u{e4}\r\n\r\n"),
        ("a folded header", "GET /fine HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c\r\n\r\n"),
        ("a space before the colon", "GET /fine HTTP/1.1\r\nhost: x\r\nx-a : b\r\n\r\n"),
        ("a NUL in a value", "GET /fine HTTP/1.1\r\nhost: x\r\nx-a: b\0c\r\n\r\n"),
        ("a NUL in a name", "GET /fine HTTP/1.1\r\nhost: x\r\nx\0a: b\r\n\r\n"),
        ("a NUL in the target", "GET /fi\0ne HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("a bare CR in a value", "GET /fine HTTP/1.1\r\nhost: x\r\nx-a: b\rc\r\n\r\n"),
        ("another host in the target", "GET http://evil.example/fine HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("another version", "GET /fine HTTP/3.7\r\nhost: x\r\n\r\n"),
        ("no HTTP", "\x16\x03\x01\x02\0\x01\0\x01\u{7f}\r\n\r\n"),
    ] {
        let answer = to_the_end(address, request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"),
            "{what}: {answer:?}"
        );
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "one answer to {what}: {answer:?}");
    }
    assert_eq!(app.get("/fine").await.status, 200);
    app.stop().await;
}

#[actix::test]
async fn a_target_that_names_this_host_is_answered() {
    let app = TestApp::start(create_app).await;
    let request = b"GET http://x/fine HTTP/1.1\r\nhost: X\r\nconnection: close\r\n\r\n";
    let answer = to_the_end(app.running().addresses()[0], request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    app.stop().await;
}

/// Statement 20 of the checklist; `TRACE` is in `edges.rs`.
#[actix::test]
async fn connect_makes_no_proxy_of_the_service() {
    let app = TestApp::start(create_app).await;
    for target in ["example.com:443", "/fine", "/nowhere"] {
        let request =
            format!("CONNECT {target} HTTP/1.1\r\nhost: example.com:443\r\nconnection: close\r\n\r\n");
        let answer = to_the_end(app.running().addresses()[0], request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{target}: {answer}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_target_that_is_no_path_is_answered_as_any_other_that_is_not_there() {
    let app = TestApp::start(create_app).await;
    let request = b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = to_the_end(app.running().addresses()[0], request).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    for part in ["application/problem+json", "x-content-type-options: nosniff", "there is nothing at *"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    app.stop().await;
}

#[actix::test]
async fn a_bad_chunk_is_400_and_what_follows_it_is_no_request() {
    let app = TestApp::start(create_app).await;
    let address = app.running().addresses()[0];
    let smuggled = "GET /fine HTTP/1.1\r\nhost: x\r\n\r\n";
    let huge = format!("{}\r\n", "f".repeat(40));
    for (what, chunk) in [
        ("no number", "zz\r\n{}\r\n0\r\n\r\n"),
        ("a negative number", "-2\r\n{}\r\n0\r\n\r\n"),
        ("a number too large", huge.as_str()),
        ("more than was said", "1\r\n{}\r\n0\r\n\r\n"),
    ] {
        for path in ["/json", "/unread"] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            );
            let answer = to_the_end(address, format!("{head}{chunk}{smuggled}").as_bytes()).await;
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what} to {path}: {answer:?}");
            assert!(path == "/unread" || answer.starts_with("HTTP/1.1 400"), "{what}: {answer:?}");
        }
    }
    app.stop().await;
}

#[actix::test]
async fn a_body_that_nobody_reads_is_no_request() {
    let app = TestApp::start(create_app).await;
    let body = "GET /fine HTTP/1.1\r\nhost: x\r\n\r\n";
    let request = format!(
        "POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let answer = to_the_end(app.running().addresses()[0], request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("\r\n\r\nfine"), "the body was answered: {answer}");
    app.stop().await;
}

/// Statement 11 of the checklist.
#[actix::test]
async fn a_slow_head_is_408_and_a_slow_body_is_408_and_both_connections_end() {
    let limits = [("APP_SERVER__HEAD_TIMEOUT", "300ms"), ("APP_SERVER__BODY_TIMEOUT", "300ms")];
    let app = TestApp::start_with(create_app, limits).await;
    let address = app.running().addresses()[0];
    let body =
        "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    let chunked = body.replace("content-length: 9\r\n\r\n", "transfer-encoding: chunked\r\n\r\n9\r\n");
    for request in ["GET /fine HTTP/1.1\r\nhost: x\r\nx-a: ", "G", body, &chunked] {
        let answer = to_the_end(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{request:?}: {answer:?}");
    }
    app.stop().await;
}

/// Also of chunks, of which nobody knows how many come, and whatever the answer is.
#[actix::test]
async fn what_is_left_of_a_body_keeps_no_connection() {
    let app = TestApp::start(create_app).await;
    let address = app.running().addresses()[0];
    for (request, status) in [
        ("POST /unread", 200),
        ("POST /none", 204),
        ("POST /nowhere", 404),
        ("PUT /fine", 405),
        ("HEAD /fine", 200),
        ("GET /fine", 200),
    ] {
        for body in ["content-length: 9\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n9\r\n{"] {
            for more in ["", "expect: 100-continue\r\n", "connection: upgrade\r\nupgrade: x\r\n"] {
                let sent = format!("{request} HTTP/1.1\r\nhost: x\r\n{more}{body}");
                let answer = to_the_end(address, sent.as_bytes()).await;
                assert!(answer.contains(&format!("HTTP/1.1 {status}")), "{sent:?}: {answer:?}");
            }
        }
    }
    app.stop().await;
}

#[actix::test]
async fn chunks_without_end_are_not_read_without_end() {
    let app = TestApp::start(create_app).await;
    let mut stream = TcpStream::connect(app.running().addresses()[0]).await.unwrap();
    let head = b"POST /unread HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 8192, "x".repeat(8192));
    let sent = async { while stream.write_all(chunk.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(LONG, sent).await.expect("it is cut");
    app.stop().await;
}

/// One byte now and then is as slow as none.
#[actix::test]
async fn a_body_that_trickles_is_cut_all_the_same() {
    let app = TestApp::start_with(create_app, [("APP_SERVER__BODY_TIMEOUT", "400ms")]).await;
    let mut stream = TcpStream::connect(app.running().addresses()[0]).await.unwrap();
    let head =
        b"POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n[";
    stream.write_all(head).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let trickle = spanbox::context::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            if write.write_all(b" ").await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, read.read_to_end(&mut answer)).await.expect("it is cut").ok();
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    trickle.abort();
    app.stop().await;
}

#[actix::test]
async fn a_head_without_end_is_refused() {
    let app = TestApp::start(create_app).await;
    let address = app.running().addresses()[0];
    let many = format!("GET /fine HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(200));
    let long = format!("GET /fine HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "b".repeat(512 * 1024));
    for request in [many, long] {
        let answer = to_the_end(address, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    }
    assert_eq!(app.get("/fine").await.status, 200);
    app.stop().await;
}
