//! The real exporters against a receiver that takes encrypted connections alone, and compressed ones.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;

use super::tests::{Endpoint, Lines, PATIENCE, named, protocols, record_span, setup};
use super::{OtlpReceiver, ReceiverMode};
use crate::config::OtlpProtocol;

/// A certificate authority of nobody else's, and the files it hands out.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, directory: tempfile::tempdir().unwrap() };
        std::fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        let (certificate, key) = authority.issue(ExtendedKeyUsagePurpose::ClientAuth);
        std::fs::write(authority.path("client.pem"), certificate.pem()).unwrap();
        std::fs::write(authority.path("client.key"), key.serialize_pem()).unwrap();
        authority
    }

    fn issue(&self, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A receiver with a certificate of this authority, for all who call or for its clients alone.
    fn receiver(&self, clients_alone: bool) -> OtlpReceiver {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if clients_alone {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = self.issue(ExtendedKeyUsagePurpose::ServerAuth);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        OtlpReceiver::start_tls(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
            .unwrap()
    }
}

const SPANS_ALONE: [(&str, &str); 2] = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];

/// How many spans arrive of one that is sent with these variables, and what is logged.
fn sent(
    receiver: &OtlpReceiver,
    (protocol, endpoint): (OtlpProtocol, Endpoint),
    variables: &[(&str, &str)],
) -> (u64, Lines) {
    let lines = Lines::default();
    let variables = [&SPANS_ALONE[..], variables].concat();
    let telemetry = setup(endpoint(receiver), protocol, &variables, &lines);
    record_span(&telemetry, "one");
    let sent = telemetry.flush(PATIENCE);
    assert_eq!(telemetry.shutdown(PATIENCE).spans.sent, u64::from(sent));
    (u64::from(sent), lines)
}

#[test]
fn a_collector_with_a_certificate_of_a_private_authority_is_trusted_by_its_file() {
    let authority = Authority::new();
    let ca = authority.file("ca.pem");
    for protocol in protocols() {
        for name in ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"] {
            let receiver = authority.receiver(false);
            assert_eq!(sent(&receiver, protocol, &[(name, &ca)]).0, 1, "{name}, {:?}", protocol.0);
            assert!(named(&receiver.spans(), "one").is_some());
        }
    }
}

#[test]
fn a_collector_of_another_authority_gets_nothing_and_the_log_says_why_once() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = other.file("ca.pem");
    for protocol in protocols() {
        let receiver = authority.receiver(false);
        let (sent, lines) = sent(&receiver, protocol, &[("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca)]);
        assert_eq!((sent, receiver.requests()), (0, 0), "{:?}", protocol.0);
        let warnings = lines.containing("cannot be exported");
        assert_eq!(warnings.len(), 1, "{:?}: {warnings:?}", protocol.0);
        assert!(warnings[0].contains("invalid peer certificate"), "{:?}: {warnings:?}", protocol.0);
    }
}

#[test]
fn a_collector_that_asks_who_calls_is_shown_the_clients_certificate() {
    let authority = Authority::new();
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(|name| authority.file(name));
    let trusting = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str());
    for protocol in protocols() {
        let receiver = authority.receiver(true);
        let (nothing, lines) = sent(&receiver, protocol, &[trusting]);
        assert_eq!(nothing, 0, "{:?}", protocol.0);
        assert_eq!(lines.containing("cannot be exported").len(), 1, "{:?}", protocol.0);
        let identity = [
            trusting,
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate.as_str()),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str()),
        ];
        assert_eq!(sent(&receiver, protocol, &identity).0, 1, "{:?}", protocol.0);
        assert_eq!(receiver.spans().len(), 1, "{:?}", protocol.0);
    }
}

#[test]
fn an_endpoint_without_a_scheme_is_encrypted_unless_it_is_said_to_be_insecure() {
    let authority = Authority::new();
    let ca = authority.file("ca.pem");
    let grpc = protocols()[0].0;
    let bare: Endpoint = |receiver| receiver.grpc_endpoint().split_once("://").unwrap().1.to_owned();
    // Settings want a URL, so the variable names it.
    let send = |receiver: &OtlpReceiver, variables: &[(&str, &str)]| {
        let endpoint = bare(receiver);
        let variables = [variables, &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())]].concat();
        sent(receiver, (grpc, OtlpReceiver::grpc_endpoint), &variables).0
    };
    let secure = authority.receiver(false);
    assert_eq!(send(&secure, &[("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca)]), 1);
    let plain = OtlpReceiver::start().unwrap();
    assert_eq!(send(&plain, &[("OTEL_EXPORTER_OTLP_INSECURE", "true")]), 1);
}

#[test]
fn what_is_compressed_arrives_and_says_how() {
    for protocol in protocols() {
        let header = if protocol.0 == OtlpProtocol::Grpc { "grpc-encoding" } else { "content-encoding" };
        for (compression, expected) in
            [("gzip", Some("gzip")), ("zstd", Some("zstd")), ("none", None), ("brotli", None)]
        {
            let receiver = OtlpReceiver::start().unwrap();
            let variable = ("OTEL_EXPORTER_OTLP_COMPRESSION", compression);
            let (sent, lines) = sent(&receiver, protocol, &[variable]);
            assert_eq!(sent, 1, "{compression} over {:?}", protocol.0);
            assert!(named(&receiver.spans(), "one").is_some(), "{compression} over {:?}", protocol.0);
            assert_eq!(receiver.header(header).as_deref(), expected, "{compression} over {:?}", protocol.0);
            let noted = lines.containing("OTEL_EXPORTER_OTLP_COMPRESSION is `brotli`").len();
            assert_eq!(noted, usize::from(compression == "brotli"), "{:?}", protocol.0);
        }
    }
}

#[test]
fn each_signal_goes_where_its_own_variables_say_with_its_own_headers() {
    let [all, own] = [OtlpReceiver::start().unwrap(), OtlpReceiver::start().unwrap()];
    let endpoint = format!("{}/v1/traces", own.http_endpoint());
    let lines = Lines::default();
    let telemetry = setup(
        all.grpc_endpoint(),
        OtlpProtocol::Grpc,
        &[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant=traces"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=all"),
            ("SCOUT_API_KEY", "hunter2"),
        ],
        &lines,
    );
    telemetry.meter().unwrap().u64_counter("orders.created").build().add(1, &[]);
    record_span(&telemetry, "one");
    assert!(telemetry.shutdown(PATIENCE).is_complete());
    let has_metric = |receiver: &OtlpReceiver| receiver.metrics().iter().any(|name| name == "orders.created");
    assert_eq!((own.spans().len(), own.metrics().len()), (1, 0));
    assert_eq!((all.spans().len(), has_metric(&all)), (0, true));
    for (receiver, tenant) in [(&own, "traces"), (&all, "all")] {
        assert_eq!(receiver.header("x-tenant").as_deref(), Some(tenant));
        assert_eq!(receiver.header("authorization").as_deref(), Some("Bearer hunter2"));
    }
    assert!(lines.containing("hunter2").is_empty());
}

#[test]
fn an_export_ends_at_the_timeout_of_its_processor() {
    let receiver = OtlpReceiver::start().unwrap();
    receiver.set_mode(ReceiverMode::Hang);
    for protocol in protocols() {
        // The exporter's own would outlast the test's patience.
        let variables = [("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"), ("OTEL_BSP_EXPORT_TIMEOUT", "50")];
        let (sent, lines) = sent(&receiver, protocol, &variables);
        assert_eq!(sent, 0, "{:?}", protocol.0);
        assert_eq!(lines.containing("cannot be exported").len(), 1, "{:?}", protocol.0);
    }
}
