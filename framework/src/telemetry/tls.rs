use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use opentelemetry_otlp::tonic_types::transport::{ClientTlsConfig, Identity as GrpcIdentity};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

use super::TelemetryError;
use crate::redact::Secret;

/// Whom an exporter trusts, and who it says it is. Default: the system's roots, and nobody.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    roots: Option<RootCertStore>,
    identity: Option<Secret<Identity>>,
}

/// A certificate chain and its key, each as PEM, of which it is known that they go together.
#[derive(Clone)]
struct Identity {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files that `…_CERTIFICATE`, `…_CLIENT_CERTIFICATE` and `…_CLIENT_KEY` name, where `variable` finds the
    /// name and the value of each.
    pub(super) fn read(variable: impl Fn(&str) -> Option<(String, String)>) -> Result<Self, TelemetryError> {
        let roots = variable("CERTIFICATE").map(|file| roots_of(&file)).transpose()?;
        let identity = match (variable("CLIENT_CERTIFICATE"), variable("CLIENT_KEY")) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some(Secret::new(identity_of(&chain, &key)?)),
            (Some(alone), None) => {
                return Err(wrong(&alone, "needs the key beside it: set …_CLIENT_KEY too"));
            }
            (None, Some(alone)) => {
                return Err(wrong(&alone, "needs its certificate: set …_CLIENT_CERTIFICATE too"));
            }
        };
        Ok(Self { roots, identity })
    }

    pub(super) fn for_grpc(&self) -> ClientTlsConfig {
        let config = match &self.roots {
            Some(roots) => ClientTlsConfig::new().trust_anchors(roots.roots.clone()),
            // Without roots of its own the client trusts nobody.
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        match self.identity.as_ref().map(Secret::expose) {
            Some(Identity { chain, key }) => config.identity(GrpcIdentity::from_pem(chain, key)),
            None => config,
        }
    }

    pub(super) fn for_http(&self) -> Result<ClientConfig, String> {
        let text = |error: &dyn Display| error.to_string();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| text(&error))?
            .with_root_certificates(match &self.roots {
                Some(roots) => roots.clone(),
                None => system_roots()?,
            });
        match self.identity.as_ref().map(Secret::expose) {
            Some(identity) => {
                let chain = chain_of(&identity.chain).map_err(|error| text(&error))?;
                let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|error| text(&error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| text(&error))
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("the system has no root certificates (ca-certificates)".to_owned());
    }
    Ok(roots)
}

fn roots_of(file: &(String, String)) -> Result<RootCertStore, TelemetryError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, &content(file)?)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(file, format_args!("is of no use as a root: {error}")))?;
    }
    Ok(roots)
}

fn identity_of(chain: &(String, String), key: &(String, String)) -> Result<Identity, TelemetryError> {
    let identity = Identity { chain: content(chain)?, key: content(key)? };
    let certificates = certificates(chain, &identity.chain)?;
    let private = PrivateKeyDer::from_pem_slice(&identity.key)
        .map_err(|_| wrong(key, "holds no private key in PEM"))?;
    // What the library says of a key is not repeated: it may be a part of it.
    CertifiedKey::from_der(certificates, private, &provider())
        .map_err(|_| wrong(key, format_args!("is not the key of the certificate in {}", chain.1)))?;
    Ok(identity)
}

fn certificates(file: &(String, String), pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TelemetryError> {
    match chain_of(pem) {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(wrong(file, "holds no certificate in PEM")),
    }
}

fn chain_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    CertificateDer::pem_slice_iter(pem).collect()
}

fn content(file: &(String, String)) -> Result<Vec<u8>, TelemetryError> {
    std::fs::read(Path::new(&file.1)).map_err(|error| wrong(file, format_args!("cannot be read ({error})")))
}

fn wrong((variable, path): &(String, String), reason: impl Display) -> TelemetryError {
    TelemetryError::Certificate { variable: variable.clone(), path: path.into(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said when the variables name files with these contents.
    fn refused(files: &[(&str, Option<&str>)]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = |what: &str| directory.path().join(what);
        for (what, content) in files {
            if let Some(content) = content {
                std::fs::write(path(what), content).unwrap();
            }
        }
        let error = Tls::read(|what| {
            let named = files.iter().any(|(name, _)| *name == what);
            named.then(|| (format!("OTEL_EXPORTER_OTLP_{what}"), path(what).display().to_string()))
        });
        error.unwrap_err().to_string().replace(&directory.path().display().to_string(), "DIR")
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_variable() {
        let message = refused(&[("CERTIFICATE", None)]);
        assert!(
            message
                .starts_with("OTEL_EXPORTER_OTLP_CERTIFICATE names DIR/CERTIFICATE, which cannot be read (")
        );
    }

    #[test]
    fn what_is_no_pem_or_goes_with_nothing_is_refused() {
        let ((chain, key), (_, other)) = (made(), made());
        for (files, expected) in [
            (vec![("CERTIFICATE", Some("hunter2"))], "CERTIFICATE, which holds no certificate in PEM"),
            (vec![("CERTIFICATE", Some(&*key))], "CERTIFICATE, which holds no certificate in PEM"),
            (
                vec![("CLIENT_CERTIFICATE", Some(&*chain))],
                "which needs the key beside it: set …_CLIENT_KEY too",
            ),
            (vec![("CLIENT_KEY", Some(&*key))], "which needs its certificate: set …_CLIENT_CERTIFICATE too"),
            (
                vec![("CLIENT_CERTIFICATE", Some(&*chain)), ("CLIENT_KEY", Some("hunter2"))],
                "CLIENT_KEY, which holds no private key in PEM",
            ),
            (
                vec![("CLIENT_CERTIFICATE", Some(&*chain)), ("CLIENT_KEY", Some(&*other))],
                "CLIENT_KEY, which is not the key of the certificate in DIR/CLIENT_CERTIFICATE",
            ),
        ] {
            let message = refused(&files);
            assert!(message.ends_with(expected), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
