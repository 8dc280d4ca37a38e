//! What it costs to read a caller's trace context from the headers of a request, and to write it for the next.
//!
//! `cargo bench -p benches --bench propagation`.

use std::hint::black_box;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use criterion::Criterion;
use opentelemetry::Context;
use spanbox::context::{extract, inject};

const TRACEPARENT: (&str, &str) = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
const TRACESTATE: (&str, &str) = ("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
const BAGGAGE: (&str, &str) = ("baggage", "tenant=acme,region=eu");

/// What a client sends anyway, and these.
fn headers(more: &[(&'static str, &'static str)]) -> HeaderMap {
    let usual = [("host", "shop.example.com"), ("user-agent", "shop/1.0"), ("accept", "application/json")];
    let pairs = usual.iter().chain(more);
    pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let callers = [
        ("nothing", headers(&[])),
        ("traceparent", headers(&[TRACEPARENT])),
        ("traceparent, tracestate, baggage", headers(&[TRACEPARENT, TRACESTATE, BAGGAGE])),
    ];
    let base = Context::new();
    for (name, headers) in &callers {
        criterion.bench_function(&format!("extract: {name}"), |bencher| {
            bencher.iter(|| extract(black_box(&base), black_box(headers)));
        });
    }
    for (name, headers) in &callers {
        let cx = extract(&base, headers);
        criterion.bench_function(&format!("inject: {name}"), |bencher| {
            bencher.iter(|| {
                let mut written = HeaderMap::new();
                inject(black_box(&cx), &mut written);
                written
            });
        });
    }
    criterion.final_summary();
}
