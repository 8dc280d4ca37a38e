use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::metrics::Temporality;
use parking_lot::Mutex;

use super::TelemetryError;
use super::target::Target;
use super::worker::Worker;
use crate::config::OtlpProtocol;

// Everything is given to the builders, so that what the process's own variables say does not matter, except for
// the headers: the crate adds those of the process to what it is given.

pub(super) fn spans(target: &Target, worker: &Worker, cause: &Cause) -> Result<SpanExporter, TelemetryError> {
    build(target, worker, |grpc| match grpc {
        true => over_grpc(SpanExporter::builder().with_tonic(), target).build(),
        false => over_http(SpanExporter::builder().with_http(), target, cause)?.build(),
    })
}

pub(super) fn logs(target: &Target, worker: &Worker, cause: &Cause) -> Result<LogExporter, TelemetryError> {
    build(target, worker, |grpc| match grpc {
        true => over_grpc(LogExporter::builder().with_tonic(), target).build(),
        false => over_http(LogExporter::builder().with_http(), target, cause)?.build(),
    })
}

pub(super) fn metrics(
    target: &Target,
    temporality: Temporality,
    worker: &Worker,
    cause: &Cause,
) -> Result<MetricExporter, TelemetryError> {
    let builder = || MetricExporter::builder().with_temporality(temporality);
    build(target, worker, |grpc| match grpc {
        true => over_grpc(builder().with_tonic(), target).build(),
        false => over_http(builder().with_http(), target, cause)?.build(),
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
    let mut builder = builder
        .with_endpoint(target.url.as_str())
        .with_protocol(Protocol::Grpc)
        .with_timeout(target.timeout)
        .with_metadata(metadata(target.headers.expose()));
    if let Some(compression) = target.compression {
        builder = builder.with_compression(compression);
    }
    if target.url.scheme() == "https" {
        builder = builder.with_tls_config(target.tls.for_grpc());
    }
    builder
}

fn over_http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    target: &Target,
    cause: &Cause,
) -> Result<B, ExporterBuildError> {
    let builder = builder
        .with_endpoint(target.url.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(target.timeout)
        .with_headers(target.headers.expose().iter().cloned().collect::<HashMap<_, _>>())
        .with_shared_http_client(http_client(target, cause)?);
    Ok(match target.compression {
        Some(compression) => builder.with_compression(compression),
        None => builder,
    })
}

fn http_client(target: &Target, cause: &Cause) -> Result<Arc<dyn HttpClient>, ExporterBuildError> {
    let cause = cause.clone();
    if target.url.scheme() != "https" {
        let client = HyperClient::with_default_connector(target.timeout, None);
        return Ok(Arc::new(Telling { client, cause }));
    }
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(target.tls.for_http().map_err(ExporterBuildError::InternalFailure)?)
        .https_only()
        .enable_http1()
        .build();
    Ok(Arc::new(Telling { client: HyperClient::new(connector, target.timeout, None), cause }))
}

/// Why the last request of an exporter over HTTP got no answer. The exporter itself says only that there was none; over
/// gRPC it says why.
#[derive(Clone, Debug, Default)]
pub(super) struct Cause(Arc<Mutex<Option<String>>>);

impl Cause {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().take()
    }
}

#[derive(Debug)]
struct Telling<C> {
    client: C,
    cause: Cause,
}

impl<C: HttpClient> HttpClient for Telling<C> {
    // As `async_trait` writes it, which the trait was made with.
    fn send_bytes<'me, 'sent>(
        &'me self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'me: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let answer = self.client.send_bytes(request).await;
            *self.cause.0.lock() = answer.as_ref().err().map(|error| chain(error.as_ref()));
            answer
        })
    }
}

/// The error and what it comes from, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// A header that HTTP does not allow is left out, as the HTTP exporter does.
fn metadata(headers: &[(String, String)]) -> MetadataMap {
    let mut map = Request::new(());
    for (name, value) in headers {
        let one = Request::builder().header(name, value).body(());
        if let Ok(one) = one {
            map.headers_mut().extend(one.into_parts().0.headers);
        }
    }
    MetadataMap::from_headers(map.into_parts().0.headers)
}
