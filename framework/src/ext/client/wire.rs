//! The HTTP client of the library as it is set up here.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::ClientError;

/// What we say we are.
const USER_AGENT: &str = concat!("spanbox/", env!("CARGO_PKG_VERSION"));

/// TLS by ring that trusts the system's roots, and those of a file besides.
pub(super) fn tls(file: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = file {
        let wrong = |error: &dyn Display| {
            ClientError::Setup(format!("http_client.ca_certificate names {}: {error}", file.display()))
        };
        let mut any = false;
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
            any = true;
        }
        if !any {
            return Err(wrong(&"it holds no certificate in PEM"));
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            "the system has no root certificates (ca-certificates), so nobody can be asked over https"
        );
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A client with connections of its own. It follows no redirect, asks no proxy of the environment, keeps no cookies, and
/// sends nothing twice by itself.
pub(super) fn client(
    tls: &ClientConfig,
    connect_timeout: Duration,
    resolver: Option<Arc<dyn Resolve>>,
) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .connect_timeout(connect_timeout)
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy();
    if let Some(resolver) = resolver {
        builder = builder.dns_resolver(resolver);
    }
    builder.build().map_err(|error| ClientError::Setup(error.to_string()))
}
