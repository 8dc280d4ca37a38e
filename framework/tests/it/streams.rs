//! Answers that go on after their head, and clients that do not read them.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::testing::{Spans, TestApp, raw};
use spanbox::web::Problem;
use spanbox::web::stream::{Download, Event, Hub, Sse, websocket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

type News = Hub<(), String>;

fn events(hub: &News) -> Result<impl Stream<Item = Event> + use<>, Problem> {
    Ok(hub.subscribe(())?.map(|text| Event::new(text).kind("news")))
}

async fn watch(hub: Data<News>) -> Result<Sse<impl Stream<Item = Event>>, Problem> {
    Ok(Sse::new(events(&hub)?).keep_alive(Duration::from_millis(20)))
}

async fn converse(request: HttpRequest, hub: Data<News>, payload: Payload) -> Result<HttpResponse, Problem> {
    websocket(&request, payload, events(&hub)?)
}

/// Lets the rest of a download go on.
#[derive(Clone)]
struct Rest(watch::Receiver<bool>);

/// A download whose second half waits, and one that breaks off.
async fn slow(rest: Data<Rest>) -> Download {
    let pieces = stream::iter(0..20).then(move |number| {
        let mut rest = rest.0.clone();
        async move {
            if number >= 10 {
                rest.wait_for(|goes_on| *goes_on).await.ok();
            }
            Ok::<_, Infallible>(Bytes::from(format!("{number}\n")))
        }
    });
    Download::new("text/plain", "slow.txt", pieces)
}

async fn broken() -> Download {
    let half = stream::iter([Ok(Bytes::from_static(b"half"))]);
    // The server sends what there is while it waits for more, and nothing at all of what breaks off at once.
    let rest = stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("disk on fire"))
    });
    Download::new("text/plain", "broken.txt", half.chain(rest))
}

/// As much as anybody reads of it.
async fn endless() -> Download {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    Download::new("text/plain", "endless.txt", stream::repeat(piece).map(Ok::<_, Infallible>))
}

async fn start(hub: &News, environment: &[(&str, &str)]) -> TestApp {
    // Nothing waits.
    start_with(hub, environment, watch::channel(true).1).await
}

async fn start_with(hub: &News, environment: &[(&str, &str)], rest: watch::Receiver<bool>) -> TestApp {
    let hub = hub.clone();
    let create_app = |profile: Option<&str>| {
        let module = Module::new("news")
            .get("/watch", watch)
            .get("/converse", converse)
            .get("/slow", slow)
            .get("/broken", broken)
            .get("/endless", endless)
            .on_start(async move |boot| {
                boot.provide(hub);
                boot.provide(Rest(rest));
                Ok(())
            });
        Service::new("news", "1").profile(profile).module(module)
    };
    TestApp::start_with(create_app, environment.iter().copied()).await
}

async fn open(app: &TestApp, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.running().addresses()[0]).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

/// Publishes until something is so, or too much was published for it.
async fn publish_until(hub: &News, most: usize, so: impl Fn() -> bool) -> usize {
    let piece = "x".repeat(64 * 1024);
    let mut published = 0;
    while !so() {
        assert!(published < most, "after {published} bytes it is not so");
        published += hub.publish(&(), &piece) * piece.len();
        // Lets the server take it.
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    published
}

#[actix::test]
async fn a_client_that_does_not_read_is_let_go_and_memory_stays_flat() {
    let hub = News::new(8, 100);
    let app = start(&hub, &[]).await;
    let deaf = open(&app, "/watch").await;
    app.eventually("it is there", async || (hub.subscribers() == 1).then_some(())).await;
    // What the system's buffers hold, and eight more.
    let published = publish_until(&hub, 64 * 1024 * 1024, || hub.subscribers() == 0).await;
    println!("{published} bytes were published until it was let go");
    assert_eq!(hub.publish(&(), &"more".to_owned()), 0);
    drop(deaf);
    app.expect_path(&["GET /watch", "web.stream"]).await;
    app.stop().await;
}

#[actix::test]
#[cfg(target_os = "linux")]
async fn the_connection_of_a_client_that_does_not_read_is_cut() {
    let app = start(&News::new(1, 1), &[("APP_SERVER__WRITE_TIMEOUT", "1s")]).await;
    let deaf = open(&app, "/endless").await;
    let stream = app.expect_path(&["GET /endless", "web.stream"]).await;
    assert_eq!(Spans::attribute(&stream, "spanbox.stream.end").as_deref(), Some("client_disconnected"));
    drop(deaf);
    app.stop().await;
}

#[actix::test]
async fn a_silent_stream_gives_signs_of_life() {
    let hub = News::new(8, 100);
    let app = start(&hub, &[]).await;
    let mut client = open(&app, "/watch").await;
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while text.matches("\n:\n\n").count() < 3 {
        let length = client.read(&mut buffer).await.unwrap();
        assert!(length > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(text.contains("retry: 2000\n\n"), "{text}");
    drop(client);
    app.eventually("it is forgotten", async || {
        // The next sign of life finds nobody.
        (hub.subscribers() == 0).then_some(())
    })
    .await;
    app.stop().await;
}

#[actix::test]
async fn head_has_no_stream() {
    let hub = News::new(8, 100);
    let app = start(&hub, &[]).await;
    let head = app.send(actix_web::http::Method::HEAD, "/watch", &[], Default::default()).await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(hub.subscribers(), 0);
    app.stop().await;
}

#[actix::test]
async fn a_download_that_breaks_off_has_no_end() {
    let app = start(&News::new(1, 1), &[]).await;
    let address = app.running().addresses()[0];
    let answer = raw(address, b"GET /broken HTTP/1.1\r\nhost: x\r\n\r\n", Duration::from_secs(20)).await;
    assert!(answer.contains("half") && !answer.contains("\r\n0\r\n"), "{answer}");
    let stream = app.expect_path(&["GET /broken", "web.stream"]).await;
    assert_eq!(Spans::attribute(&stream, "spanbox.stream.end").as_deref(), Some("failed"));
    app.stop().await;
}

#[actix::test]
async fn a_download_goes_on_while_the_service_stops() {
    let (go_on, goes_on) = watch::channel(false);
    let app = start_with(&News::new(1, 1), &[], goes_on).await;
    let mut client = open(&app, "/slow").await;
    let mut answer = vec![0; 16];
    client.read_exact(&mut answer).await.unwrap();
    // One that watches is told when the service begins to stop.
    let mut watching = open(&app, "/watch").await;
    let mut told = vec![0; 16];
    watching.read_exact(&mut told).await.unwrap();
    let rest = async {
        watching.read_to_end(&mut told).await.unwrap();
        go_on.send(true).unwrap();
        client.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let ((_, spans), answer) = futures_util::join!(app.stop(), rest);
    assert!(answer.contains("19\n"), "{answer}");
    let mut ends: Vec<_> = spans
        .named("web.stream")
        .map(|stream| Spans::attribute(stream, "spanbox.stream.end").unwrap())
        .collect();
    ends.sort();
    assert_eq!(ends, ["complete", "draining"]);
}

#[actix::test]
async fn what_is_no_handshake_is_told_the_version() {
    let hub = News::new(8, 100);
    let app = start(&hub, &[]).await;
    for (wrong, said) in [
        (
            "sec-websocket-version: 12\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "unsupported WebSocket version",
        ),
        ("sec-websocket-version: 13", "unknown WebSocket key"),
        ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "WebSocket version header is required"),
    ] {
        let handshake = format!(
            "GET /converse HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n{wrong}\r\n\r\n"
        );
        let answer = raw(app.running().addresses()[0], handshake.as_bytes(), Duration::from_secs(20)).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(said), "{wrong}: {answer}");
        assert!(answer.contains("sec-websocket-version: 13\r\n"), "{wrong}: {answer}");
    }
    app.stop().await;
}

/// A conversation goes on beyond what a body may hold and how long it may take.
#[actix::test]
async fn a_websocket_has_no_body_to_be_limited() {
    let hub = News::new(8, 100);
    let limits = [("APP_SERVER__BODY_TIMEOUT", "100ms"), ("APP_SERVER__MAX_BODY_BYTES", "1024")];
    let app = start(&hub, &limits).await;
    let mut client = TcpStream::connect(app.running().addresses()[0]).await.unwrap();
    let handshake = "GET /converse HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(handshake.as_bytes()).await.unwrap();
    app.eventually("it is there", async || (hub.subscribers() == 1).then_some(())).await;
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        let mut frame = vec![0x81, 0x80 | 100, 0, 0, 0, 0];
        frame.extend([b'x'; 100]);
        client.write_all(&frame).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(hub.publish(&(), &"still there".to_owned()), 1);
    let mut answer = String::new();
    let mut buffer = [0; 1024];
    while !answer.contains("still there") {
        let length = client.read(&mut buffer).await.unwrap();
        assert!(length > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    drop(client);
    app.expect_path(&["GET /converse", "web.stream"]).await;
    app.stop().await;
}
