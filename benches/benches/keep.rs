//! What a trace that is not sampled costs when it may be kept, beside one that is not recorded and one that is sampled.
//!
//! `cargo bench -p benches --bench keep` first prints the cost of one span in each case, measured in turns so that a
//! noisy machine hits all of them alike, and then lets criterion measure each.

use std::time::Instant;

use benches::nowhere::Dropping;
use criterion::Criterion;
use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use spanbox::config::{KeepSettings, TelemetrySettings};
use spanbox::telemetry::{ServiceInfo, Setup, Telemetry, TelemetryError};

/// Spans of one trace: a request and what it asks its database.
const SPANS: u32 = 5;
const TRACES: u32 = 1_000;
const ROUNDS: usize = 100;

struct Case {
    name: &'static str,
    telemetry: Telemetry,
    root: Context,
}

impl Case {
    fn new(name: &'static str, sample_ratio: f64, enabled: bool) -> Result<Self, TelemetryError> {
        let keep = KeepSettings { enabled, ..KeepSettings::default() };
        let telemetry = Setup::new(ServiceInfo::new("bench", "1"))
            .settings(TelemetrySettings { sample_ratio, keep, ..TelemetrySettings::default() })
            .environment([])
            .span_processor(Dropping)
            .build()?;
        let root = telemetry.root();
        Ok(Self { name, telemetry, root })
    }

    fn begin(&self, name: &'static str, kind: SpanKind, parent: &Context, attributes: usize) -> Context {
        let Some(tracer) = self.telemetry.tracer() else { return parent.clone() };
        let span = tracer.build_with_context(SpanBuilder::from_name(name).with_kind(kind), parent);
        let cx = parent.with_span(span);
        if cx.span().is_recording() {
            cx.span().set_attributes(
                (0..attributes).map(|_| KeyValue::new("http.request.method", "a value of some length")),
            );
        }
        cx
    }

    /// One trace, as a service makes it: with attributes if somebody may see them.
    fn trace(&self) {
        let request = self.begin("GET /api/orders/{id}", SpanKind::Server, &self.root, 8);
        for _ in 1..SPANS {
            self.begin("SELECT orders", SpanKind::Client, &request, 6).span().end();
        }
        request.span().end();
    }

    /// Nanoseconds a span.
    fn turn(&self) -> f64 {
        let start = Instant::now();
        (0..TRACES).for_each(|_| self.trace());
        start.elapsed().as_nanos() as f64 / f64::from(TRACES * SPANS)
    }
}

fn main() -> Result<(), TelemetryError> {
    let cases = [
        Case::new("not sampled, not kept", 0.0, false)?,
        Case::new("not sampled, may be kept", 0.0, true)?,
        Case::new("sampled, dropped when ended", 1.0, false)?,
    ];
    let mut turns = cases.each_ref().map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        cases.iter().zip(&mut turns).for_each(|(case, turns)| turns.push(case.turn()));
    }
    for (case, turns) in cases.iter().zip(&mut turns) {
        turns.sort_by(f64::total_cmp);
        let (quiet, median) = (turns[ROUNDS / 10], turns[ROUNDS / 2]);
        println!("{:<30} ns a span: {quiet:.0} (quiet), {median:.0} (median)", case.name);
    }
    let mut criterion = Criterion::default().configure_from_args();
    for case in &cases {
        criterion.bench_function(&format!("a trace of {SPANS}, {}", case.name), |bencher| {
            bencher.iter(|| case.trace());
        });
    }
    criterion.final_summary();
    Ok(())
}
