use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::config::TlsSettings;

/// Reads the certificate and its key.
pub(super) fn server_config(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let chain = CertificateDer::pem_file_iter(&settings.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(&settings.certificate, error))?;
    if chain.is_empty() {
        return Err(wrong(&settings.certificate, "holds no certificate in PEM"));
    }
    let key = PrivateKeyDer::from_pem_file(&settings.private_key)
        .map_err(|error| wrong(&settings.private_key, error))?;
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| wrong(&settings.private_key, format!("does not go with the certificate: {error}")))
}

fn wrong(path: &Path, error: impl std::fmt::Display) -> TlsError {
    TlsError { path: path.to_owned(), message: error.to_string() }
}
