//! How a service starts, and how it does not.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use spanbox::app::{BootError, Running, Service};
use spanbox::module::Module;
use spanbox::testing::TestApp;

async fn fine() -> &'static str {
    "fine"
}

fn service() -> Service {
    Service::new("small", "1.2.3").environment([
        ("PORT", "0"),
        ("APP_MANAGEMENT__PORT", "0"),
        ("LOG_LEVEL", "off"),
    ])
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
    for part in ["PORT", "server.backlog", "two of this name", "/x/ is taken already by /x of module `a`"] {
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
    // A stop that waited for the grace would never end.
    let grace = [("APP_SERVER__SHUTDOWN_GRACE", "1day"), ("APP_SERVER__KEEP_ALIVE", "1day")];
    let service = |profile: Option<&str>| {
        Service::new("idle", "1").profile(profile).module(Module::new("a").get("/", fine))
    };
    let app = TestApp::start_with(service, grace).await;
    let mut idle = tokio::net::TcpStream::connect(app.running().addresses()[0]).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    idle.read_exact(&mut some).await.unwrap();
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(60), app.stop()).await;
    let (report, _) = stopped.expect("the stop does not wait for the idle connection");
    assert_eq!(report.requests_finished, 0, "{report:?}");
    // The server has closed it.
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"fine"), "{}", String::from_utf8_lossy(&rest));
}

/// Starts a service that serves HTTPS, and gives its certificate.
async fn secure(module: Module, environment: &[(&str, &str)]) -> (Running, CertificateDer<'static>) {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("tls.pem"), directory.path().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = [
        ("APP_SERVER__TLS__CERTIFICATE", certificate.to_str().unwrap()),
        ("APP_SERVER__TLS__PRIVATE_KEY", key.to_str().unwrap()),
    ];
    let service = service().with_environment(files).with_environment(environment.iter().copied());
    let running = service.module(module).prepare().unwrap().start().await.unwrap();
    (running, made.cert.der().clone())
}

#[actix::test]
async fn it_serves_https_with_a_certificate() {
    let (running, certificate) = secure(Module::new("a").get("/", fine), &[]).await;
    let address = running.addresses()[0];
    let answer = actix_web::web::block(move || https_get(address, certificate)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("fine"), "{answer}");
    running.stop().await;
}

#[actix::test]
async fn a_body_over_http2_has_the_same_limit() {
    async fn length(body: actix_web::web::Bytes) -> String {
        body.len().to_string()
    }
    let limit = [("APP_SERVER__MAX_BODY_BYTES", "1000")];
    let (running, certificate) = secure(Module::new("a").post("/", length), &limit).await;
    let port = running.addresses()[0].port();
    let mut config = trusting(certificate);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let client =
        awc::Client::builder().connector(awc::Connector::new().rustls_0_23(Arc::new(config))).finish();
    let post = async |size: usize| {
        // A stream declares no length, and over HTTP/2 no other header tells of a body either.
        let chunks = futures_util::stream::iter(
            (0..size / 100).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100].into())),
        );
        let mut answer = client.post(format!("https://localhost:{port}/")).send_stream(chunks).await.unwrap();
        assert_eq!(answer.version(), actix_web::http::Version::HTTP_2);
        (answer.status().as_u16(), answer.body().await.unwrap())
    };
    assert_eq!(post(1000).await, (200, "1000".into()));
    assert_eq!(post(1100).await.0, 413);
    running.stop().await;
}

/// `GET /` by a client that trusts the one certificate.
fn https_get(address: std::net::SocketAddr, certificate: CertificateDer<'static>) -> String {
    let config = trusting(certificate);
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, std::net::TcpStream::connect(address).unwrap());
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    // The server closes without a TLS goodbye.
    stream.read_to_string(&mut answer).ok();
    answer
}

#[test]
fn a_certificate_that_can_not_be_read_is_named() {
    let environment = [
        ("PORT", "0"),
        ("APP_MANAGEMENT__PORT", "0"),
        ("LOG_LEVEL", "off"),
        ("APP_SERVER__TLS__CERTIFICATE", "missing.pem"),
        ("APP_SERVER__TLS__PRIVATE_KEY", "missing.key"),
    ];
    let error = service().environment(environment).prepare().err().unwrap().to_string();
    assert!(error.contains("missing.pem") && error.contains("server.tls"), "{error}");
}

#[actix::test]
async fn two_values_of_one_type_are_refused() {
    let provide = |name| {
        Module::new(name).on_start(async |boot| {
            boot.provide(7_u8);
            Ok(())
        })
    };
    let ready = service().module(provide("a")).module(provide("b")).prepare().unwrap();
    let error = ready.start().await.err().unwrap().to_string();
    assert!(error.starts_with("provided twice: u8"), "{error}");
}

fn trusting(certificate: CertificateDer<'static>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
