use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::HttpClient;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::metrics::Temporality;

use super::TelemetryError;
use super::target::Target;
use super::worker::Worker;
use crate::config::OtlpProtocol;

// Everything is given to the builders, so that what the process's own variables say does not matter, except for
// the headers: the crate adds those of the process to what it is given.

pub(super) fn spans(target: &Target, worker: &Worker) -> Result<SpanExporter, TelemetryError> {
    build(target, worker, |grpc| match grpc {
        true => over_grpc(SpanExporter::builder().with_tonic(), target).build(),
        false => over_http(SpanExporter::builder().with_http(), target)?.build(),
    })
}

pub(super) fn logs(target: &Target, worker: &Worker) -> Result<LogExporter, TelemetryError> {
    build(target, worker, |grpc| match grpc {
        true => over_grpc(LogExporter::builder().with_tonic(), target).build(),
        false => over_http(LogExporter::builder().with_http(), target)?.build(),
    })
}

pub(super) fn metrics(
    target: &Target,
    temporality: Temporality,
    worker: &Worker,
) -> Result<MetricExporter, TelemetryError> {
    let builder = || MetricExporter::builder().with_temporality(temporality);
    build(target, worker, |grpc| match grpc {
        true => over_grpc(builder().with_tonic(), target).build(),
        false => over_http(builder().with_http(), target)?.build(),
    })
}

fn build<E>(
    target: &Target,
    worker: &Worker,
    make: impl FnOnce(bool) -> Result<E, ExporterBuildError>,
) -> Result<E, TelemetryError> {
    worker.enter(|| make(target.protocol == OtlpProtocol::Grpc)).map_err(|error| TelemetryError::Exporter {
        signal: target.signal.noun(),
        endpoint: target.endpoint.clone(),
        reason: error.to_string(),
    })
}

fn over_grpc<B: WithExportConfig + WithTonicConfig>(builder: B, target: &Target) -> B {
    let builder = builder
        .with_endpoint(target.url.as_str())
        .with_protocol(Protocol::Grpc)
        .with_timeout(target.timeout)
        .with_metadata(metadata(&target.headers));
    if target.url.scheme() == "https" {
        // Without roots of its own the client trusts nobody.
        builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots())
    } else {
        builder
    }
}

fn over_http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    target: &Target,
) -> Result<B, ExporterBuildError> {
    Ok(builder
        .with_endpoint(target.url.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(target.timeout)
        .with_headers(target.headers.iter().cloned().collect::<HashMap<_, _>>())
        .with_shared_http_client(http_client(target.url.scheme() == "https", target.timeout)?))
}

fn http_client(tls: bool, timeout: Duration) -> Result<Arc<dyn HttpClient>, ExporterBuildError> {
    if !tls {
        return Ok(Arc::new(HyperClient::with_default_connector(timeout, None)));
    }
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(|error| ExporterBuildError::InternalFailure(format!("no root certificates: {error}")))?
        .https_only()
        .enable_http1()
        .build();
    Ok(Arc::new(HyperClient::new(connector, timeout, None)))
}

/// A header that HTTP does not allow is left out, as the HTTP exporter does.
fn metadata(headers: &[(String, String)]) -> MetadataMap {
    let mut map = opentelemetry_http::Request::new(());
    for (name, value) in headers {
        let one = opentelemetry_http::Request::builder().header(name, value).body(());
        if let Ok(one) = one {
            map.headers_mut().extend(one.into_parts().0.headers);
        }
    }
    MetadataMap::from_headers(map.into_parts().0.headers)
}
