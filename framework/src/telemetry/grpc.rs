use std::error::Error as _;
use std::time::{Duration, Instant};

use opentelemetry_http::Bytes;
use opentelemetry_otlp::Compression;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::client::{chain, metadata};
use super::target::Target;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// After the first attempt, as `opentelemetry-otlp` has it.
const RETRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that a collector may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Sends spans over gRPC that are written already. The exporter of `opentelemetry-otlp` takes spans themselves, and copies all
/// of them for each attempt.
#[derive(Debug)]
pub(super) struct GrpcSpans {
    grpc: Grpc<Channel>,
    metadata: MetadataMap,
    timeout: Duration,
}

impl GrpcSpans {
    /// Nothing is connected before the first export.
    pub(super) fn new(target: &Target) -> Result<Self, tonic::transport::Error> {
        let mut endpoint = Endpoint::from_shared(target.url.to_string())?;
        if target.url.scheme() == "https" {
            endpoint = endpoint.tls_config(target.tls.for_grpc())?;
        }
        let mut grpc = Grpc::new(endpoint.timeout(target.timeout).connect_lazy());
        let encoding = match target.compression {
            Some(Compression::Gzip) => Some(CompressionEncoding::Gzip),
            Some(Compression::Zstd) => Some(CompressionEncoding::Zstd),
            _ => None,
        };
        if let Some(encoding) = encoding {
            grpc = grpc.send_compressed(encoding).accept_compressed(encoding);
        }
        Ok(Self { grpc, metadata: metadata(target.headers.expose()), timeout: target.timeout })
    }

    /// Sends an `ExportTraceServiceRequest`, and again where OTLP says that it may go well then.
    pub(super) async fn export(&self, request: Bytes) -> OTelSdkResult {
        let deadline = Instant::now() + self.timeout;
        let (mut retries, mut pause) = (RETRIES, FIRST_PAUSE);
        loop {
            let Err(status) = self.attempt(request.clone()).await else { return Ok(()) };
            let asked = retry_after(&status).filter(|_| retries > 0);
            let wait = asked.map(|asked| asked.max(pause).mul_f64(1.0 + fastrand::f64()));
            match wait {
                Some(wait) if Instant::now() + wait < deadline => tokio::time::sleep(wait).await,
                _ => return Err(failed(&status)),
            }
            (retries, pause) = (retries - 1, pause * 2);
        }
    }

    async fn attempt(&self, message: Bytes) -> Result<(), Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        grpc.unary(request, PathAndQuery::from_static(EXPORT), Written).await.map(|_| ())
    }
}

/// How long a collector wants to be left alone before the same is sent again; `None` if it is not to be sent again.
///
/// The codes are those of the specification, <https://opentelemetry.io/docs/specs/otlp/#failures>.
fn retry_after(status: &Status) -> Option<Duration> {
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let asked = asked.map(|asked| asked.min(LONGEST_PAUSE));
    match status.code() {
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => Some(asked.unwrap_or_default()),
        Code::ResourceExhausted => asked,
        _ => None,
    }
}

/// The code, and what the connection failed of. What the collector itself says is left out: it may repeat a token.
fn failed(status: &Status) -> OTelSdkError {
    let reason = status.source().map(|error| format!(": {}", chain(error))).unwrap_or_default();
    OTelSdkError::InternalFailure(format!("export failed with gRPC code {:?}{reason}", status.code()))
}

/// The codec of messages that are written already. What comes back is not read.
struct Written;

impl Codec for Written {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Written {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(into, message);
        Ok(())
    }
}

impl Decoder for Written {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        let length = bytes::Buf::remaining(from);
        bytes::Buf::advance(from, length);
        Ok(Some(()))
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    #[test]
    fn what_may_go_well_later_is_sent_again_and_when_the_collector_says() {
        let soon = Some(Duration::ZERO);
        for (code, expected) in [
            (Code::Unavailable, soon),
            (Code::Cancelled, soon),
            (Code::DeadlineExceeded, soon),
            (Code::Aborted, soon),
            (Code::OutOfRange, soon),
            (Code::DataLoss, soon),
            (Code::ResourceExhausted, None),
            (Code::InvalidArgument, None),
            (Code::Unauthenticated, None),
            (Code::Unimplemented, None),
            (Code::Internal, None),
            (Code::Unknown, None),
        ] {
            assert_eq!(retry_after(&Status::new(code, "")), expected, "{code:?}");
        }
        let asking = |code, seconds| {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(seconds)));
            retry_after(&Status::with_error_details(code, "", details))
        };
        assert_eq!(asking(Code::ResourceExhausted, 2), Some(Duration::from_secs(2)));
        assert_eq!(asking(Code::Unavailable, 3600), Some(LONGEST_PAUSE));
        assert_eq!(asking(Code::Unauthenticated, 2), None);
    }

    #[test]
    fn what_the_collector_says_is_not_told_on() {
        let error = failed(&Status::unauthenticated("no such token: s3cret")).to_string();
        assert!(error.contains("gRPC code Unauthenticated") && !error.contains("s3cret"), "{error}");
    }
}
