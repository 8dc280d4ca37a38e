//! How a service starts, and how it does not.

use spanbox::app::{BootError, Service};
use spanbox::module::Module;
use spanbox::testing::TestApp;

async fn fine() -> &'static str {
    "fine"
}

fn service() -> Service {
    Service::new("small", "1.2.3").environment([("PORT", "0"), ("LOG_LEVEL", "off")])
}

#[test]
fn wrong_settings_and_clashing_routes_are_told_together() {
    let errors = service()
        .environment([("PORT", "x"), ("APP_SERVER__BACKLOG", "0")])
        .module(Module::new("a").get("/x", fine))
        .module(Module::new("a").get("/x/", fine))
        .prepare()
        .err()
        .unwrap()
        .to_string();
    for part in ["PORT", "server.backlog", "two of this name", "GET /x/ is taken already by /x of module `a`"]
    {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
}

#[actix::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ready = service().environment([("PORT", port.as_str()), ("LOG_LEVEL", "off")]).prepare().unwrap();
    let error = ready.start().await.err().unwrap();
    assert!(matches!(error, BootError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&port), "{error}");
}

#[actix::test]
async fn a_start_hook_that_fails_stops_the_start_and_names_its_module() {
    let ready = service()
        .module(Module::new("cellar").on_start(async |_boot| Err("the door is locked".into())))
        .prepare()
        .unwrap();
    let error = ready.start().await.err().unwrap().to_string();
    assert_eq!(error, "the module `cellar` could not start: the door is locked");
}

#[actix::test]
async fn the_routes_are_known_before_anything_runs() {
    let ready =
        service().module(Module::new("a").prefix("/a").get("/{id}", fine).post("/", fine)).prepare().unwrap();
    let routes: Vec<_> =
        ready.routes().iter().map(|route| format!("{} {}", route.method, route.pattern)).collect();
    assert_eq!(routes, ["POST /a/", "GET /a/{id}", "GET /health/", "GET /health/ready"]);
}

#[actix::test]
async fn an_idle_connection_does_not_hold_up_the_stop() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = TestApp::start(|profile| {
        Service::new("idle", "1").profile(profile).module(Module::new("a").get("/", fine))
    })
    .await;
    let mut idle = tokio::net::TcpStream::connect(app.running().addresses()[0]).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    idle.read_exact(&mut some).await.unwrap();
    let began = std::time::Instant::now();
    app.stop().await;
    // The grace of the profile is longer than this.
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
}

#[actix::test]
async fn it_serves_https_with_a_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.pem");
    let path = missing.to_str().unwrap();
    let ready = service()
        .environment([
            ("PORT", "0"),
            ("LOG_LEVEL", "off"),
            ("APP_SERVER__TLS__CERTIFICATE", path),
            ("APP_SERVER__TLS__PRIVATE_KEY", path),
        ])
        .prepare()
        .unwrap();
    let error = ready.start().await.err().unwrap().to_string();
    assert!(error.contains("missing.pem") && error.contains("server.tls"), "{error}");
}
