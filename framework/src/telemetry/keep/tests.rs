use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};

use super::Held;
use crate::config::{KeepSettings, TelemetrySettings};
use crate::telemetry::{ServiceInfo, Setup, Telemetry};

/// A service that exports to memory.
struct Rig {
    telemetry: Telemetry,
    exporter: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
}

impl Rig {
    fn new(sample_ratio: f64, keep: KeepSettings) -> Self {
        let (exporter, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let telemetry = Setup::new(ServiceInfo::new("orders", "1.0.0"))
            .settings(TelemetrySettings { sample_ratio, keep, ..TelemetrySettings::default() })
            .environment([])
            .span_exporter(exporter.clone())
            .metric_exporter(metrics.clone())
            .build()
            .unwrap();
        Self { telemetry, exporter, metrics }
    }

    fn begin(&self, name: &'static str, parent: &Context) -> Context {
        let tracer = self.telemetry.tracer().unwrap();
        parent.with_span(tracer.start_with_context(name, parent))
    }

    fn root(&self, name: &'static str) -> Context {
        self.begin(name, &self.telemetry.root())
    }

    fn held(&self) -> &Arc<Held> {
        self.telemetry.pipeline().unwrap().held.as_ref().unwrap()
    }

    fn spans(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }

    /// The names of what was exported, in that order, each with why it was kept.
    fn arrived(&self) -> Vec<String> {
        self.spans().iter().map(|span| format!("{} {}", span.name, kept(span)).trim().to_owned()).collect()
    }
}

/// On a busy machine anything may be slow.
fn keep() -> KeepSettings {
    KeepSettings { slower_than: Duration::ZERO, ..KeepSettings::default() }
}

fn kept(span: &SpanData) -> String {
    let attribute = span.attributes.iter().find(|attribute| attribute.key.as_str() == "spanbox.kept");
    attribute.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

fn fail(cx: &Context) {
    cx.span().set_status(Status::error("broken"));
    cx.span().end();
}

fn trace_of(cx: &Context) -> TraceId {
    cx.span().span_context().trace_id()
}

/// What the sampler of 1 % takes: the lowest hundredth of the 63 bits that it looks at.
fn is_sampled_by_id(trace: TraceId) -> bool {
    let low = u128::from_be_bytes(trace.to_bytes()) as u64;
    (low >> 1) < (0.01 * (1_u64 << 63) as f64) as u64
}

#[test]
fn all_traces_with_an_error_arrive_whole_and_of_the_others_the_share() {
    let rig = Rig::new(0.01, keep());
    let (mut expected, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..20_000 {
        let root = rig.root("request");
        let trace = trace_of(&root);
        let work = rig.begin("work", &root);
        let statement = rig.begin("statement", &work);
        if number % 100 == 0 {
            statement.span().set_status(Status::error("broken"));
            failed.insert(trace.to_bytes());
        }
        statement.span().end();
        work.span().end();
        rig.begin("render", &root).span().end();
        root.span().end();
        if number % 100 == 0 || is_sampled_by_id(trace) {
            expected.insert(trace.to_bytes());
        }
    }
    let mut traces: BTreeMap<_, Vec<SpanData>> = BTreeMap::new();
    for span in rig.spans() {
        traces.entry(span.span_context.trace_id().to_bytes()).or_default().push(span);
    }
    assert_eq!(failed.len(), 200);
    assert!(traces.keys().eq(expected.iter()), "{} of {}", traces.len(), expected.len());
    for (trace, spans) in &traces {
        let one = |name: &str| {
            let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
            assert_eq!(found.len(), 1, "{name} in {spans:?}");
            found[0]
        };
        let (root, work, statement, render) = (one("request"), one("work"), one("statement"), one("render"));
        assert_eq!(spans.len(), 4);
        assert_eq!(root.parent_span_id, SpanId::INVALID);
        for (child, parent) in [(work, root), (statement, work), (render, root)] {
            assert_eq!(child.parent_span_id, parent.span_context.span_id());
        }
        assert!(spans.iter().all(|span| span.span_context.is_sampled()));
        let by_id = is_sampled_by_id(TraceId::from_bytes(*trace));
        let expected = if failed.contains(trace) && !by_id { "error" } else { "" };
        assert_eq!(kept(root), expected);
    }
    assert_eq!(rig.held().bytes(), 0);
    assert_eq!(rig.held().traces(), 0);
}

#[test]
fn a_panic_and_a_slow_beginning_are_reasons_too() {
    let rig = Rig::new(0.0, KeepSettings { slower_than: Duration::from_secs(2), ..keep() });
    let root = rig.root("panicked");
    root.span().set_attribute(KeyValue::new("error.type", "panic"));
    fail(&root);
    let since = |seconds| SystemTime::now() - Duration::from_secs(seconds);
    let tracer = rig.telemetry.tracer().unwrap();
    for (name, seconds) in [("slow", 3), ("fast", 1)] {
        let builder = tracer.span_builder(name).with_start_time(since(seconds));
        let root = rig.telemetry.root();
        tracer.build_with_context(builder, &root).end();
    }
    // A part of a trace may take as long as it likes.
    let root = rig.root("root");
    tracer.build_with_context(tracer.span_builder("part").with_start_time(since(9)), &root).end();
    root.span().end();
    assert_eq!(rig.arrived(), ["panicked panic", "slow slow"]);

    let rig = Rig::new(0.0, keep());
    let builder = SpanBuilder::from_name("slow").with_start_time(since(9));
    rig.telemetry.tracer().unwrap().build_with_context(builder, &rig.telemetry.root()).end();
    assert!(rig.spans().is_empty(), "a limit of zero is none");
}

#[test]
fn what_is_kept_is_redacted_like_all_else() {
    let rig = Rig::new(0.0, keep());
    let root = rig.root("root");
    let part = rig.begin("part", &root);
    part.span().set_attribute(KeyValue::new("note", "no account of ann@example.com"));
    part.span().end();
    root.span().set_status(Status::error("refused ann@example.com".to_owned()));
    root.span().end();
    assert_eq!(rig.arrived(), ["part", "root error"]);
    assert!(!format!("{:?}", rig.spans()).contains("ann@example.com"));
}

#[test]
fn what_fails_after_the_root_has_ended_keeps_all_of_the_trace() {
    let rig = Rig::new(0.0, keep());
    let root = rig.root("root");
    let task = rig.begin("task", &root);
    root.span().end();
    assert!(rig.spans().is_empty());
    fail(&task);
    assert_eq!(rig.arrived(), ["root error", "task"]);
    assert_eq!(rig.held().traces(), 0);
}

#[test]
fn a_message_that_is_under_way_leaves_the_trace_undecided() {
    for fails in [true, false] {
        let rig = Rig::new(0.0, keep());
        let root = rig.root("root");
        let hold = rig.telemetry.hold(trace_of(&root)).unwrap();
        root.span().end();
        assert_eq!(rig.held().traces(), 1);
        if fails {
            fail(&rig.begin("handler", &root));
        }
        drop(hold);
        assert_eq!(rig.arrived().len(), if fails { 2 } else { 0 });
        assert_eq!((rig.held().traces(), rig.held().bytes()), (0, 0));
        // Now it is too late: the sender's span has ended, and its trace is gone.
        assert!(!rig.begin("later", &root).span().is_recording());
    }
}

#[test]
fn others_are_told_that_a_trace_is_not_sampled_and_their_traces_are_kept_here() {
    let rig = Rig::new(1.0, keep());
    let caller = SpanContext::new(
        TraceId::from(7),
        SpanId::from(9),
        TraceFlags::default(),
        true,
        TraceState::default(),
    );
    let tracer = rig.telemetry.tracer().unwrap();
    let parent = rig.telemetry.root().with_remote_span_context(caller);
    let span = tracer.build_with_context(tracer.span_builder("job").with_kind(SpanKind::Consumer), &parent);
    let cx = parent.with_span(span);
    assert!(cx.span().is_recording());
    let mut headers = actix_web::http::header::HeaderMap::new();
    rig.telemetry.inject(&cx, &mut headers);
    assert!(headers.get("traceparent").unwrap().to_str().unwrap().ends_with("-00"));
    fail(&cx);
    assert_eq!(rig.arrived(), ["job error"]);
    assert_eq!(rig.spans()[0].parent_span_id, SpanId::from(9));
}

#[test]
fn beyond_the_budget_the_oldest_are_thrown_away_and_counted() {
    let max_bytes = 64 * 1024;
    let rig = Rig::new(0.0, KeepSettings { max_bytes, ..keep() });
    let mut roots = Vec::new();
    for number in 0..100 {
        let root = rig.root("root");
        let part = rig.begin("part", &root);
        part.span().set_attribute(KeyValue::new("text", "x".repeat(2_000)));
        let end = SystemTime::now() + Duration::from_millis(number);
        part.span().end_with_timestamp(end);
        assert!(rig.held().bytes() <= max_bytes, "{}", rig.held().bytes());
        roots.push(root);
    }
    let (over_budget, waited) = rig.held().dropped();
    assert!((70..100).contains(&over_budget) && waited == 0, "{over_budget} {waited}");
    fail(&roots[0]);
    fail(&roots[99]);
    assert_eq!(rig.arrived(), ["root error", "part", "root error"]);
    roots[1..99].iter().for_each(|root| root.span().end());
    assert_eq!((rig.held().traces(), rig.held().bytes()), (0, 0));
    assert!(rig.telemetry.flush(Duration::from_secs(5)));
    let metrics = format!("{:?}", rig.metrics.get_finished_metrics().unwrap());
    for name in ["spanbox.keep.held", "spanbox.keep.traces", "spanbox.keep.dropped"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

#[test]
fn a_trace_that_does_not_end_is_thrown_away_in_time_and_counted() {
    let rig = Rig::new(0.0, KeepSettings { max_wait: Duration::from_secs(60), ..keep() });
    let endless = rig.root("endless");
    let now = SystemTime::now();
    rig.begin("old", &endless).span().end_with_timestamp(now);
    rig.begin("young", &rig.root("other")).span().end_with_timestamp(now + Duration::from_secs(50));
    assert_eq!(rig.held().dropped(), (0, 0));
    rig.begin("next", &endless).span().end_with_timestamp(now + Duration::from_secs(61));
    assert_eq!(rig.held().dropped(), (0, 2), "with it what was added meanwhile");
    fail(&endless);
    assert_eq!(rig.arrived(), ["endless error"]);
}

#[test]
fn many_threads_leave_nothing_behind() {
    let rig = Rig::new(0.0, keep());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..500 {
                    let root = rig.root("root");
                    let part = rig.begin("part", &root);
                    root.span().end();
                    if number % 50 == 0 { fail(&part) } else { part.span().end() }
                }
            });
        }
    });
    assert_eq!(rig.spans().len(), 8 * 10 * 2);
    assert_eq!((rig.held().traces(), rig.held().bytes()), (0, 0));
}

#[test]
fn where_nothing_is_kept_nothing_is_recorded() {
    let rig = Rig::new(0.0, KeepSettings { enabled: false, ..keep() });
    assert!(!rig.root("root").span().is_recording());
    assert!(rig.telemetry.pipeline().unwrap().held.is_none());
}
