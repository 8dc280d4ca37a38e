//! Says hello, shows an order and takes one, on actix-web: `actix-peer [official|tracing]`.
//!
//! `official` is opentelemetry-instrumentation-actix-web, `tracing` is tracing-actix-web with tracing-opentelemetry; with
//! neither nothing is recorded. `SAMPLED` is the share of the traces that are, `MEASURED` asks `official` for its metrics
//! too. All of it is batched to nowhere. `actix-peer versions` says what of what it is.

mod nowhere;
mod orders;

use std::env;
use std::io;

use actix_web::{App, HttpServer, web};
use opentelemetry_0_32::trace::TracerProvider as _;
use opentelemetry_instrumentation_actix_web::{RequestMetrics, RequestTracing};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_actix_web::TracingLogger;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

async fn hello() -> &'static str {
    "Hello, world!"
}

macro_rules! serve {
    ($pool:ident $(, $middleware:expr)*) => {{
        let server = HttpServer::new(move || {
            let pool = $pool.clone();
            App::new()
                $(.wrap($middleware))*
                .route("/hello", web::get().to(hello))
                .configure(move |config| orders::routes(config, pool))
        });
        let server = server.workers(1).bind(("127.0.0.1", 0))?;
        for address in server.addrs() {
            eprintln!("ready on http://{address}");
        }
        server.run()
    }};
}

fn main() -> io::Result<()> {
    let variant = env::args().nth(1).unwrap_or_default();
    if variant == "versions" {
        println!("{}", versions());
        return Ok(());
    }
    let sampled = env::var("SAMPLED").ok().and_then(|ratio| ratio.parse().ok()).unwrap_or(1.0);
    let measured = env::var("MEASURED").is_ok();
    let file = env::var("DATABASE").unwrap_or_else(|_| "orders.db".to_owned());
    let pool = orders::open(&file).map_err(io::Error::other)?;
    actix_web::rt::System::new().block_on(async move {
        match (variant.as_str(), measured) {
            ("", _) => serve!(pool),
            ("official", false) => {
                trace(sampled);
                serve!(pool, RequestTracing::new())
            }
            ("official", true) => {
                trace(sampled);
                let reader = PeriodicReader::builder(nowhere::Nowhere).build();
                opentelemetry::global::set_meter_provider(
                    SdkMeterProvider::builder().with_reader(reader).build(),
                );
                serve!(pool, RequestMetrics::default(), RequestTracing::new())
            }
            ("tracing", _) => {
                subscribe(sampled)?;
                serve!(pool, TracingLogger::default())
            }
            (other, _) => {
                return Err(io::Error::other(format!("`{other}`: it is nothing, official or tracing")));
            }
        }
        .await
    })
}

fn trace(sampled: f64) {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(nowhere::Nowhere)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sampled))))
        .build();
    opentelemetry::global::set_tracer_provider(provider);
    opentelemetry::global::set_text_map_propagator(
        opentelemetry_sdk::propagation::TraceContextPropagator::new(),
    );
}

fn subscribe(sampled: f64) -> io::Result<()> {
    use opentelemetry_sdk_0_32::propagation::TraceContextPropagator;
    use opentelemetry_sdk_0_32::trace::{Sampler, SdkTracerProvider};

    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(nowhere::Nowhere032)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sampled))))
        .build();
    opentelemetry_0_32::global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("actix-peer"));
    opentelemetry_0_32::global::set_tracer_provider(provider);
    tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).try_init().map_err(io::Error::other)
}

/// By what this was built with.
fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let found = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1);
        format!("{name} {}", found.and_then(|rest| rest.split('"').next()).unwrap_or("?"))
    };
    let names = [
        "actix-web",
        "diesel",
        "opentelemetry-instrumentation-actix-web",
        "tracing-actix-web",
        "tracing-opentelemetry",
    ];
    names.map(version).join(", ")
}
