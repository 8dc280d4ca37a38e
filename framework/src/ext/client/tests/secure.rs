//! Over TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Ground;
use super::server::{Reply, exchange};
use crate::context;
use crate::ext::client::ClientError;

#[actix::test]
async fn who_has_a_certificate_of_a_trusted_root_is_asked_and_nobody_else() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = context::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                exchange(stream, Reply::of(200, "over TLS"), |_| ()).await;
            }
        }
    });

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let trusting = Ground::with(|settings| settings.ca_certificate = Some(file));
    let answer = trusting.client.get(&format!("https://localhost:{port}/")).send().await.unwrap();
    assert_eq!(answer.text(), "over TLS");
    // The certificate is not for this name.
    let other = trusting.client.get(&format!("https://127.0.0.1:{port}/")).send().await.unwrap_err();
    assert!(matches!(other, ClientError::Connect { .. }), "{other:?}");

    let error = Ground::new().client.get(&format!("https://localhost:{port}/")).send().await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
    serving.abort();
}

#[test]
fn a_file_of_roots_that_is_none_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.pem");
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "hunter2").unwrap();
    for (file, part) in [(missing, "missing.pem"), (empty, "no certificate")] {
        let error = crate::ext::client::wire::tls(Some(&file)).unwrap_err().to_string();
        assert!(error.starts_with("the HTTP client can not be made: http_client.ca_certificate names"));
        assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
    }
}
