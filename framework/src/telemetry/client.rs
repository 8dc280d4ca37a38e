use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;

use flate2::write::GzEncoder;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    Compression, ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::SpanExporter as _;
use parking_lot::Mutex;

use super::TelemetryError;
use super::grpc::GrpcSpans;
use super::target::Target;
use super::worker::Worker;
use crate::config::OtlpProtocol;

// Everything is given to the builders, so that what the process's own variables say does not matter, except for
// the headers: the crate adds those of the process to what it is given.

/// How spans are sent: as bytes, which are written once whatever becomes of them.
#[derive(Debug)]
pub(super) enum SpanClient {
    Grpc(GrpcSpans),
    /// It is given no spans: its requests carry [`BODY`].
    Http(SpanExporter, Option<Compression>),
}

pub(super) fn spans(target: &Target, worker: &Worker, cause: &Cause) -> Result<SpanClient, TelemetryError> {
    if target.protocol == OtlpProtocol::Grpc {
        let client = worker.enter(|| GrpcSpans::new(target));
        return client.map(SpanClient::Grpc).map_err(|error| not_built(target, &chain(&error)));
    }
    let exporter =
        build(target, worker, |_| over_http(SpanExporter::builder().with_http(), target, cause)?.build())?;
    Ok(SpanClient::Http(exporter, target.compression))
}

tokio::task_local! {
    /// What the requests of an export carry, compressed or not, in place of what the exporter would put there.
    static BODY: Bytes;
}

impl SpanClient {
    /// The request as it is sent. Over gRPC it is compressed on its way.
    pub(super) fn packed(&self, request: &Bytes) -> io::Result<Bytes> {
        match self {
            Self::Http(_, Some(Compression::Gzip)) => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(request)?;
                encoder.finish().map(Bytes::from)
            }
            Self::Http(_, Some(Compression::Zstd)) => zstd::bulk::compress(request, 0).map(Bytes::from),
            Self::Http(_, Some(other)) => Err(io::Error::other(format!("{other} is not known"))),
            Self::Http(_, None) | Self::Grpc(_) => Ok(request.clone()),
        }
    }

    pub(super) async fn export(&self, request: Bytes) -> OTelSdkResult {
        match self {
            Self::Grpc(client) => client.export(request).await,
            Self::Http(exporter, _) => BODY.scope(request, exporter.export(Vec::new())).await,
        }
    }
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
    let made = worker.enter(|| make(target.protocol == OtlpProtocol::Grpc));
    made.map_err(|error| not_built(target, &error.to_string()))
}

fn not_built(target: &Target, reason: &str) -> TelemetryError {
    TelemetryError::Exporter {
        signal: target.signal.noun(),
        endpoint: target.endpoint.clone(),
        reason: reason.to_owned(),
    }
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
        mut request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'me: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            if let Ok(body) = BODY.try_with(Bytes::clone) {
                *request.body_mut() = body;
            }
            let answer = self.client.send_bytes(request).await;
            *self.cause.0.lock() = answer.as_ref().err().map(|error| chain(error.as_ref()));
            answer
        })
    }
}

/// The error and what it comes from, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
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
pub(super) fn metadata(headers: &[(String, String)]) -> MetadataMap {
    let mut map = Request::new(());
    for (name, value) in headers {
        let one = Request::builder().header(name, value).body(());
        if let Ok(one) = one {
            map.headers_mut().extend(one.into_parts().0.headers);
        }
    }
    MetadataMap::from_headers(map.into_parts().0.headers)
}
