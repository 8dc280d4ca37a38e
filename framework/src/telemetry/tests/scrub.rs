use std::collections::HashMap;
use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::time::Duration;

use opentelemetry::trace::{Link, SpanContext, Status, TraceContextExt, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

use super::super::{Setup, Telemetry, TelemetryError, record_error};
use super::{Captured, unsent};
use crate::config::{LimitSettings, LogFormat, RedactSettings, TelemetrySettings};
use crate::testing::OtlpReceiver;

const PATIENCE: Duration = Duration::from_secs(20);

/// One of each kind; all of what must not arrive has one of the marks.
const SECRETS: &str =
    "of canary@example.com, 4111-1111-1111-1111, +49 170 7654321, Bearer canaryT0ken, password=canary";
const MARKS: [&str; 4] = ["canary", "4111-1111", "41117654", "7654321"];

fn assert_clean(what: &str, shown: &impl Debug) {
    let shown = format!("{shown:?}");
    for mark in MARKS {
        assert!(!shown.contains(mark), "{mark} in the {what}: {shown}");
    }
}

fn exporting(setup: Setup, receiver: &OtlpReceiver) -> Telemetry {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), receiver.http_endpoint());
    setup.environment([endpoint]).build().unwrap()
}

/// Puts the text wherever a service can put one.
fn record(telemetry: &Telemetry, text: &'static str) {
    let _logs = telemetry.enter_thread();
    let _root = telemetry.root().attach();
    let tracer = telemetry.tracer().unwrap();
    let link = Link::new(SpanContext::empty_context(), vec![KeyValue::new("note", text)], 0);
    let builder = tracer.span_builder(text.to_owned()).with_links(vec![link]);
    let cx = Context::current_with_span(tracer.build(builder));
    let _span = cx.clone().attach();
    let span = cx.span();
    span.set_attribute(KeyValue::new("note", text));
    span.set_attribute(KeyValue::new("db.password", "canary"));
    span.set_attribute(KeyValue::new("card_number", 41_117_654));
    span.set_attribute(KeyValue::new("notes", Value::Array(Array::String(vec![StringValue::from(text); 2]))));
    span.add_event(
        text.to_owned(),
        vec![KeyValue::new("exception.stacktrace", format!("at x.rs:7\n{text}"))],
    );
    record_error(&io::Error::other(text));
    span.set_status(Status::error(text.to_owned()));

    let error = io::Error::other(text);
    tracing::info!(field = text, display = %text, debug = ?Some(text), error = &error as &dyn Error, "{text}");
    tracing::warn!(password = "canary", api_key = 41_117_654, cookie = ?Some("canary"), "{}", "plain");
    tracing::info_span!("inside", note = text).in_scope(|| tracing::error!(note = text, "{text}"));
    span.end();
}

#[test]
fn nothing_that_must_not_be_shown_is_exported_or_written() {
    for format in [LogFormat::Json, LogFormat::Pretty] {
        let (receiver, captured) = (OtlpReceiver::start().unwrap(), Captured::default());
        let setup = unsent(format, "trace", &captured).span_exporter(captured.spans.clone());
        let telemetry = exporting(setup, &receiver);
        record(&telemetry, SECRETS);
        let report = telemetry.shutdown(PATIENCE);
        assert!(report.is_complete(), "{report}");

        let (spans, logs) = (receiver.spans(), receiver.logs());
        assert_eq!((spans.len(), logs.len()), (2, 3));
        assert_clean("spans", &spans);
        assert_clean("logs", &logs);
        assert_clean("spans of another exporter", &captured.spans.get_finished_spans().unwrap());
        assert_clean("lines", &captured.text());
        let shown = "of ***, ***, ***, Bearer ***, password=***";
        let span = spans.iter().find(|span| span.name == shown).unwrap();
        assert_eq!(span.attributes["notes"], format!("[{shown}, {shown}]"));
        assert_eq!((span.attributes["db.password"].as_str(), span.status_message.as_str()), ("***", shown));
        assert_eq!(logs[0].body, shown);
        assert_eq!((&logs[0].trace_id, &logs[0].span_id), (&span.trace_id, &span.span_id));
        assert_eq!(logs[0].severity, "INFO");
        assert!(captured.text().contains(shown), "{}", captured.text());
    }
}

#[test]
fn one_who_switches_it_off_gets_everything() {
    let captured = Captured::default();
    let redact = RedactSettings { enabled: false, ..RedactSettings::default() };
    let telemetry = unsent(LogFormat::Pretty, "trace", &captured)
        .settings(TelemetrySettings { redact, ..TelemetrySettings::default() })
        .span_exporter(captured.spans.clone())
        .build()
        .unwrap();
    record(&telemetry, SECRETS);
    assert!(captured.text().contains(SECRETS));
    assert_eq!(captured.span(SECRETS).name, SECRETS);
}

#[test]
fn a_pattern_that_cannot_be_used_is_an_error_that_names_it() {
    let redact = RedactSettings { patterns: vec!["C-(".to_owned()], ..RedactSettings::default() };
    let setup = unsent(LogFormat::Json, "info", &Captured::default())
        .settings(TelemetrySettings { redact, ..TelemetrySettings::default() });
    let wrong: Vec<_> = setup.check().iter().map(ToString::to_string).collect();
    assert!(wrong[0].starts_with("telemetry.redact.patterns: the pattern `C-(` is no regular"), "{wrong:?}");
    assert!(matches!(setup.build(), Err(TelemetryError::Pattern(_))));
}

#[test]
fn what_is_too_long_or_too_much_is_cut() {
    let limits = LimitSettings { attributes: 3, events: 1, ..LimitSettings::default() };
    let (receiver, captured) = (OtlpReceiver::start().unwrap(), Captured::default());
    let setup = unsent(LogFormat::Json, "off", &captured)
        .log(crate::config::LogSettings { level: "info".to_owned(), format: LogFormat::Json })
        .settings(TelemetrySettings { limits, ..TelemetrySettings::default() });
    let telemetry = exporting(setup, &receiver);
    let long = "é".repeat(512 * 1024);
    {
        let _logs = telemetry.enter_thread();
        let _root = telemetry.root().attach();
        super::super::span("long")
            .attribute("text", long.clone())
            .attribute("a", 1)
            .attribute("b", 2)
            .in_scope(|cx| {
                cx.span().set_attribute(KeyValue::new("one too many", 3));
                cx.span().add_event("first", vec![KeyValue::new("text", long.clone())]);
                cx.span().add_event("second", Vec::new());
                tracing::info!(text = long, a = 1, b = 2, c = 3, "{long}");
            });
    }
    assert!(telemetry.shutdown(PATIENCE).is_complete());
    let span = &receiver.spans()[0];
    assert_eq!((span.attributes["text"].len(), span.attributes.len()), (4096, 3));
    assert_eq!((span.events.len(), span.events[0].attributes["text"].len()), (1, 4096));
    let log = &receiver.logs()[0];
    assert_eq!((log.body.len(), log.attributes["text"].len(), log.attributes.len()), (4096, 4096, 3));
}

/// The sum of each series of a counter, by its attributes.
fn sums(exporter: &InMemoryMetricExporter, name: &str) -> HashMap<String, u64> {
    let exports = exporter.get_finished_metrics().unwrap();
    let metrics = exports.iter().flat_map(|export| export.scope_metrics()).flat_map(|scope| scope.metrics());
    let mut sums = HashMap::new();
    for metric in metrics.filter(|metric| metric.name() == name) {
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else { panic!("{metric:?}") };
        for point in sum.data_points() {
            let mut attributes: Vec<_> =
                point.attributes().map(|it| format!("{}={}", it.key, it.value)).collect();
            // A series has them in any order.
            attributes.sort_unstable();
            sums.insert(attributes.join(","), point.value());
        }
    }
    sums
}

#[test]
fn series_that_become_equal_are_one_with_the_right_sum() {
    let exporter = InMemoryMetricExporter::default();
    let setup = unsent(LogFormat::Json, "info", &Captured::default()).metric_exporter(exporter.clone());
    let telemetry = setup.build().unwrap();
    let meter = telemetry.meter_of("orders").unwrap();
    let counter = meter.u64_counter("logins").with_unit("{login}").build();
    counter.add(1, &[KeyValue::new("who", "canary@example.com"), KeyValue::new("ok", true)]);
    counter.add(2, &[KeyValue::new("who", "canary@example.org"), KeyValue::new("ok", true)]);
    counter.add(4, &[KeyValue::new("who", "nobody"), KeyValue::new("ok", true)]);
    meter
        .f64_histogram("wait")
        .with_boundaries(vec![1.0])
        .build()
        .record(0.5, &[KeyValue::new("token", "canary")]);
    meter
        .i64_observable_gauge("open")
        .with_callback(|observer| observer.observe(1, &[KeyValue::new("who", "canary@example.com")]))
        .build();
    assert!(telemetry.flush(PATIENCE));
    assert_clean("metrics", &exporter.get_finished_metrics().unwrap());
    let sums = sums(&exporter, "logins");
    assert_eq!(
        sums,
        HashMap::from([("ok=true,who=***".to_owned(), 3), ("ok=true,who=nobody".to_owned(), 4)])
    );
}

#[test]
fn an_instrument_has_no_more_series_than_it_may_and_loses_no_measurement() {
    let exporter = InMemoryMetricExporter::default();
    let setup = unsent(LogFormat::Json, "info", &Captured::default()).metric_exporter(exporter.clone());
    let telemetry = setup.build().unwrap();
    let counter = telemetry.meter_of("orders").unwrap().u64_counter("visits").build();
    for visit in 0..100_000 {
        counter.add(1, &[KeyValue::new("page", format!("/{visit:x}"))]);
    }
    assert!(telemetry.flush(PATIENCE));
    let sums = sums(&exporter, "visits");
    assert_eq!((sums.len(), sums.values().sum::<u64>()), (2001, 100_000));
    assert_eq!(sums["otel.metric.overflow=true"], 98_000);
}
