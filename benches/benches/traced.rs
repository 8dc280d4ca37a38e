//! What a traced function costs that does nothing, sync and `async`, beside one under `tracing::instrument`.
//!
//! `cargo bench -p benches --bench traced`. Each is called where there is no telemetry, below a span that is not sampled,
//! and below one that is: the SDK's batch processor takes it then, and an exporter drops it.

use std::hint::black_box;
use std::io;

use benches::nowhere::Nowhere;
use criterion::Criterion;
use futures_util::future::FutureExt as _;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState, Tracer as _};
use opentelemetry_sdk::trace::BatchSpanProcessor;
use spanbox::telemetry::{ServiceInfo, Setup, Telemetry, TelemetryError};

type Function = fn(u64) -> u64;

fn plain(n: u64) -> u64 {
    black_box(n) + 1
}

#[spanbox::traced]
fn traced(n: u64) -> u64 {
    black_box(n) + 1
}

#[spanbox::traced(args(n))]
fn traced_with_argument(n: u64) -> u64 {
    black_box(n) + 1
}

#[tracing::instrument(skip_all)]
fn instrumented(n: u64) -> u64 {
    black_box(n) + 1
}

#[tracing::instrument]
fn instrumented_with_argument(n: u64) -> u64 {
    black_box(n) + 1
}

async fn plain_later(n: u64) -> u64 {
    black_box(n) + 1
}

#[spanbox::traced]
async fn traced_later(n: u64) -> u64 {
    black_box(n) + 1
}

#[tracing::instrument(skip_all)]
async fn instrumented_later(n: u64) -> u64 {
    black_box(n) + 1
}

/// All functions in one place, named by it.
fn measure(criterion: &mut Criterion, place: &str) {
    let functions: [(&str, Function); 5] = [
        ("plain", plain),
        ("traced", traced),
        ("instrumented", instrumented),
        ("traced, an argument", traced_with_argument),
        ("instrumented, an argument", instrumented_with_argument),
    ];
    for (name, function) in functions {
        criterion.bench_function(&format!("{place}: fn, {name}"), |bencher| {
            bencher.iter(|| function(black_box(7)));
        });
    }
    // Each is ready at its first poll.
    criterion.bench_function(&format!("{place}: async fn, plain"), |bencher| {
        bencher.iter(|| plain_later(black_box(7)).now_or_never());
    });
    criterion.bench_function(&format!("{place}: async fn, traced"), |bencher| {
        bencher.iter(|| traced_later(black_box(7)).now_or_never());
    });
    criterion.bench_function(&format!("{place}: async fn, instrumented"), |bencher| {
        bencher.iter(|| instrumented_later(black_box(7)).now_or_never());
    });
}

fn unsampled(telemetry: &Telemetry) -> Context {
    let parent = SpanContext::new(1.into(), 2.into(), TraceFlags::default(), false, TraceState::NONE);
    telemetry.root().with_remote_span_context(parent)
}

fn sampled(telemetry: &Telemetry) -> Context {
    let root = telemetry.root();
    let span = telemetry.tracer().map(|tracer| tracer.start_with_context("request", &root));
    span.map_or_else(|| root.clone(), |span| root.with_span(span))
}

fn main() -> Result<(), TelemetryError> {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion, "no telemetry");
    let telemetry = Setup::new(ServiceInfo::new("bench", "1.0.0"))
        .environment([])
        .log_writer(io::sink())
        .span_processor(BatchSpanProcessor::builder(Nowhere::default()).build())
        .build()?;
    let _subscriber = telemetry.enter_thread();
    for (place, cx) in [("unsampled", unsampled(&telemetry)), ("sampled", sampled(&telemetry))] {
        let _current = cx.attach();
        measure(&mut criterion, place);
    }
    criterion.final_summary();
    Ok(())
}
