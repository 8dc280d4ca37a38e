//! What it costs to look for what must not be shown: in texts of several kinds, and in a whole span of eight attributes
//! in which there is nothing, from its start to its end, with redaction and without.
//!
//! `cargo bench -p benches --bench redact`

use std::hint::black_box;

use benches::nowhere::Dropping;
use criterion::{BatchSize, Criterion, Throughput};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, Tracer as _};
use spanbox::config::{RedactSettings, TelemetrySettings};
use spanbox::redact::Redactor;
use spanbox::telemetry::{ServiceInfo, Setup, Telemetry};

/// Those of a request.
fn attributes() -> Vec<KeyValue> {
    vec![
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("url.path", "/api/orders/1234567/items".to_owned()),
        KeyValue::new("url.scheme", "https"),
        KeyValue::new("http.route", "/api/orders/{id}/items"),
        KeyValue::new("server.address", "orders.example.com".to_owned()),
        KeyValue::new("http.response.status_code", 201),
        KeyValue::new(
            "user_agent.original",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101".to_owned(),
        ),
        KeyValue::new("order.id", "550e8400-e29b-41d4-a716-446655440000".to_owned()),
    ]
}

fn telemetry(enabled: bool) -> Result<Telemetry, spanbox::telemetry::TelemetryError> {
    let redact = RedactSettings { enabled, ..RedactSettings::default() };
    Setup::new(ServiceInfo::new("bench", "1"))
        .settings(TelemetrySettings { redact, ..TelemetrySettings::default() })
        .environment([])
        .span_processor(Dropping)
        .metric_exporter(benches::nowhere::Nowhere::default())
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let redactor = Redactor::default();
    let mut texts = criterion.benchmark_group("text");
    let long = "the quick brown fox jumps over the lazy dog ".repeat(100);
    for (name, text) in [
        ("method", "POST"),
        ("route", "/api/orders/{id}/items"),
        ("uuid", "550e8400-e29b-41d4-a716-446655440000"),
        ("address", "no account of ann@example.com"),
        ("4 KiB", long.as_str()),
    ] {
        texts.throughput(Throughput::Bytes(text.len() as u64));
        texts.bench_function(name, |b| b.iter(|| black_box(redactor.text(black_box(text)))));
    }
    texts.finish();
    criterion.bench_function("name", |b| b.iter(|| redactor.hides(black_box("http.request.method"))));

    let mut spans = criterion.benchmark_group("span of 8 attributes");
    for (name, enabled) in [("with redaction", true), ("without", false)] {
        let telemetry = telemetry(enabled)?;
        let Some(tracer) = telemetry.tracer() else { continue };
        spans.bench_function(name, |b| {
            b.iter_batched(
                attributes,
                |attributes| tracer.span_builder("request").with_attributes(attributes).start(tracer).end(),
                BatchSize::SmallInput,
            );
        });
    }
    spans.finish();

    let mut counters = criterion.benchmark_group("measurement with 4 attributes");
    let telemetry = telemetry(true)?;
    let plain = telemetry.providers().metrics.as_ref().map(|metrics| metrics.meter("plain"));
    let four = &attributes()[..4];
    for (name, meter) in [("with redaction", telemetry.meter_of("orders")), ("without", plain)] {
        let Some(counter) = meter.map(|meter| meter.u64_counter("orders").build()) else { continue };
        counters.bench_function(name, |b| b.iter(|| counter.add(1, black_box(four))));
    }
    counters.finish();
    criterion.final_summary();
    Ok(())
}
