use std::borrow::Cow;
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::collected::{Attributes as Headers, Intake};
use super::gate::Gate;
use super::{ReceiverMode, Store};

/// The largest export over HTTP, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

type Addresses = io::Result<(SocketAddr, SocketAddr)>;

/// A collector's answer to an export, for each of the protocols.
#[derive(Clone)]
struct Collector {
    store: Arc<Store>,
    mode: watch::Receiver<ReceiverMode>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reply {
    Taken,
    Busy,
    Failed,
}

impl Collector {
    /// What the request is to be answered with.
    fn take(&self, request: impl Intake, headers: Headers) -> Reply {
        let mut collected = self.store.collected.lock();
        collected.requests += 1;
        collected.headers = headers;
        let reply = match *self.mode.borrow() {
            ReceiverMode::Error => Reply::Failed,
            ReceiverMode::Busy if collected.requests % 2 == 1 => Reply::Busy,
            _ => Reply::Taken,
        };
        if reply == Reply::Taken {
            request.take_into(&mut collected);
        }
        self.store.changed.notify_all();
        reply
    }

    fn grpc<T>(&self, request: Request<impl Intake>, answer: T) -> Result<Response<T>, Status> {
        let headers = request.metadata().clone().into_headers();
        let headers = headers.iter().map(|(name, value)| pair(name.as_str(), value.as_bytes())).collect();
        match self.take(request.into_inner(), headers) {
            Reply::Taken => Ok(Response::new(answer)),
            Reply::Busy => Err(Status::unavailable("this collector is told to be busy")),
            Reply::Failed => Err(Status::internal("this collector is told to fail")),
        }
    }

    fn http<T: Intake + Message + Default>(&self, head: &HttpRequest, body: &web::Bytes) -> HttpResponse {
        let headers =
            head.headers().iter().map(|(name, value)| pair(name.as_str(), value.as_bytes())).collect();
        let encoding = head.headers().get("content-encoding").map(|value| value.as_bytes());
        match unpacked(encoding, body).and_then(|body| Ok(T::decode(&*body)?)) {
            Err(error) => HttpResponse::BadRequest().body(error.to_string()),
            Ok(request) => match self.take(request, headers) {
                Reply::Taken => HttpResponse::Ok().content_type("application/x-protobuf").finish(),
                Reply::Busy => HttpResponse::ServiceUnavailable().finish(),
                Reply::Failed => HttpResponse::InternalServerError().finish(),
            },
        }
    }
}

/// The receiver's thread: runs both servers and their gates until it is told to stop.
pub(super) fn run(
    store: Arc<Store>,
    mode: &watch::Sender<ReceiverMode>,
    reached: &mpsc::Sender<ReceiverMode>,
    started: &mpsc::Sender<Addresses>,
    stopped: oneshot::Receiver<()>,
    tls: Option<rustls::ServerConfig>,
) {
    // A receiver is not part of what it observes.
    let _silence = tracing::dispatcher::set_default(&tracing::Dispatch::none());
    actix_rt::System::new().block_on(async move {
        let collector = Collector { store, mode: mode.subscribe() };
        match serve(collector, tls) {
            Err(error) => drop(started.send(Err(error))),
            Ok(gates) => {
                let addresses = (gates[0].address(), gates[1].address());
                for gate in gates {
                    start(gate.keep(mode.subscribe(), reached.clone()));
                }
                let _ = started.send(Ok(addresses));
                let _ = stopped.await;
            }
        }
    });
}

fn serve(collector: Collector, tls: Option<rustls::ServerConfig>) -> io::Result<[Gate; 2]> {
    let grpc = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let grpc_address = grpc.local_addr()?;
    let services = Server::builder()
        .add_service(
            TraceServiceServer::new(collector.clone()).accept_compressed(Gzip).accept_compressed(Zstd),
        )
        .add_service(
            MetricsServiceServer::new(collector.clone()).accept_compressed(Gzip).accept_compressed(Zstd),
        )
        .add_service(
            LogsServiceServer::new(collector.clone()).accept_compressed(Gzip).accept_compressed(Zstd),
        );
    start(async move { drop(services.serve_with_incoming(grpc).await) });

    let http = TcpListener::bind("127.0.0.1:0")?;
    let http_address = http.local_addr()?;
    let server = HttpServer::new(move || {
        let [traces, metrics, logs] = [(); 3].map(|()| collector.clone());
        App::new()
            .route(
                "/v1/traces",
                web::post()
                    .to(move |head, body| answer::<ExportTraceServiceRequest>(traces.clone(), head, body)),
            )
            .route(
                "/v1/metrics",
                web::post()
                    .to(move |head, body| answer::<ExportMetricsServiceRequest>(metrics.clone(), head, body)),
            )
            .route(
                "/v1/logs",
                web::post()
                    .to(move |head, body| answer::<ExportLogsServiceRequest>(logs.clone(), head, body)),
            )
    });
    start(async move {
        drop(server.workers(1).disable_signals().listen(http)?.run().await);
        io::Result::Ok(())
    });
    let [grpc, http] = [&[b"h2".to_vec()][..], &[]].map(|protocols| {
        tls.clone().map(|mut tls| {
            tls.alpn_protocols = protocols.to_vec();
            TlsAcceptor::from(Arc::new(tls))
        })
    });
    Ok([Gate::open(grpc_address, grpc)?, Gate::open(http_address, http)?])
}

/// The body without its compression.
fn unpacked<'a>(encoding: Option<&[u8]>, body: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
    match encoding {
        None => Ok(Cow::Borrowed(body)),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain)?;
            Ok(Cow::Owned(plain))
        }
        Some(b"zstd") => zstd::decode_all(body).map(Cow::Owned),
        Some(_) => Err(io::Error::other("this encoding is not known")),
    }
}

fn pair(name: &str, value: &[u8]) -> (String, String) {
    (name.to_owned(), String::from_utf8_lossy(value).into_owned())
}

async fn answer<T: Intake + Message + Default>(
    collector: Collector,
    head: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    // As it was sent: which compressions `web::Bytes` takes off depends on the features that actix-web is built with.
    match body.to_bytes_limited(LARGEST).await {
        Ok(Ok(body)) => collector.http::<T>(&head, &body),
        _ => HttpResponse::BadRequest().finish(),
    }
}

#[allow(clippy::disallowed_methods, reason = "a receiver carries nobody's trace")]
fn start(task: impl Future + 'static) {
    actix_rt::spawn(async move { drop(task.await) });
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.grpc(request, ExportTraceServiceResponse::default())
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.grpc(request, ExportMetricsServiceResponse::default())
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.grpc(request, ExportLogsServiceResponse::default())
    }
}
