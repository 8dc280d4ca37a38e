use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::metrics::InMemoryMetricExporter;

use super::super::{ServiceInfo, Setup, Telemetry, TelemetryError, span};
use super::{Captured, unsent};
use crate::config::{LogFormat, LogSettings, TelemetrySettings};
use crate::telemetry::outage::{LateDispatch, Outage};

#[test]
fn without_an_endpoint_spans_have_ids_and_nothing_else_happens() {
    let captured = Captured::default();
    let telemetry = unsent(LogFormat::Json, "trace", &captured).build().unwrap();
    assert!(telemetry.meter().is_none() && telemetry.providers().logs.is_none());
    let _logs = telemetry.enter_thread();
    let _current = telemetry.root().attach();
    span("request").in_scope(|cx| {
        assert!(cx.span().span_context().is_valid());
        assert!(!cx.span().span_context().is_sampled());
    });
    assert!(telemetry.flush(Duration::from_secs(5)));
    assert!(telemetry.shutdown(Duration::from_secs(5)).is_complete());
    assert_eq!(captured.text(), "");
}

#[test]
fn a_second_shutdown_has_nothing_to_do() {
    let telemetry = unsent(LogFormat::Json, "info", &Captured::default()).build().unwrap();
    telemetry.shutdown(Duration::from_secs(5));
    assert!(telemetry.shutdown(Duration::from_secs(5)).is_complete());
}

#[test]
fn telemetry_that_is_switched_off_has_no_providers() {
    let off = TelemetrySettings { enabled: false, ..TelemetrySettings::default() };
    let telemetry = unsent(LogFormat::Json, "info", &Captured::default()).settings(off).build().unwrap();
    assert!(telemetry.tracer().is_none() && telemetry.meter().is_none());
}

#[test]
fn the_share_of_the_settings_is_sampled() {
    let captured = Captured::default();
    let none = TelemetrySettings { sample_ratio: 0.0, ..TelemetrySettings::default() };
    let telemetry = unsent(LogFormat::Json, "info", &captured)
        .settings(none)
        .span_exporter(captured.spans.clone())
        .build()
        .unwrap();
    let _current = telemetry.root().attach();
    span("request").in_scope(|cx| assert!(!cx.span().span_context().is_sampled()));
    assert!(captured.spans.get_finished_spans().unwrap().is_empty());
}

#[test]
fn of_the_baggage_only_what_is_listed_leaves_the_service() {
    let baggage = [KeyValue::new("tenant", "acme"), KeyValue::new("email", "a@b.example")];
    let cx = opentelemetry::Context::new().with_baggage(baggage);
    for (send, expected) in [(&[][..], None), (&["tenant", "region"][..], Some("tenant=acme"))] {
        let mut settings = TelemetrySettings::default();
        settings.baggage.send = send.iter().map(|key| (*key).to_owned()).collect();
        let telemetry =
            unsent(LogFormat::Json, "info", &Captured::default()).settings(settings).build().unwrap();
        let mut headers = actix_web::http::header::HeaderMap::new();
        telemetry.inject(&cx, &mut headers);
        assert_eq!(headers.get("baggage").map(|value| value.to_str().unwrap()), expected);
    }
}

#[test]
fn an_extra_metric_exporter_gets_the_metrics_at_a_flush() {
    let exporter = InMemoryMetricExporter::default();
    let telemetry = unsent(LogFormat::Json, "info", &Captured::default())
        .metric_exporter(exporter.clone())
        .build()
        .unwrap();
    telemetry.meter().unwrap().u64_counter("orders").build().add(1, &[]);
    assert!(telemetry.flush(Duration::from_secs(5)));
    assert!(!exporter.get_finished_metrics().unwrap().is_empty());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let setup = Setup::new(ServiceInfo::new("orders", "1.0.0"))
        .log(LogSettings { level: "inof".to_owned(), format: LogFormat::Json })
        .settings(TelemetrySettings { endpoint: Some("nowhere".to_owned()), ..TelemetrySettings::default() })
        .environment([("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT".to_owned(), "smoke".to_owned())]);
    let wrong: Vec<String> = setup.check().iter().map(ToString::to_string).collect();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].contains("`inof`") && wrong[0].contains("LOG_LEVEL"), "{wrong:?}");
    assert!(wrong[1].starts_with("telemetry.endpoint is `nowhere`"), "{wrong:?}");
    assert!(wrong[2].starts_with("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is `smoke`"), "{wrong:?}");
    assert!(matches!(setup.build(), Err(TelemetryError::LogLevel { .. })));
}

#[test]
fn what_a_variable_says_wrongly_is_logged_once() {
    let captured = Captured::default();
    let telemetry = unsent(LogFormat::Json, "info", &captured)
        .environment([("OTEL_TRACES_SAMPLER".to_owned(), "xray".to_owned())])
        .build()
        .unwrap();
    let lines = captured.json();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0]["message"].as_str().is_some_and(|message| message.contains("OTEL_TRACES_SAMPLER is `xray`"))
    );
    drop(telemetry);
}

#[test]
fn an_outage_is_logged_once_a_minute_with_what_was_lost_since_it_began() {
    let captured = Captured::default();
    let telemetry = unsent(LogFormat::Json, "info", &captured).build().unwrap();
    let logs = LateDispatch::new();
    let guard = telemetry.enter_thread();
    logs.set(tracing::dispatcher::get_default(tracing::Dispatch::downgrade)).unwrap();
    drop(guard);
    let outage = Outage::new("spans", "collector:4317".to_owned());
    let start = Instant::now();
    for second in 0..120 {
        outage.failed(start + Duration::from_secs(second), 10, "refused", &logs);
    }
    outage.succeeded(&logs);
    outage.succeeded(&logs);
    // It fails again within the minute, and is fine again: neither is said.
    outage.failed(start + Duration::from_secs(100), 10, "refused", &logs);
    outage.succeeded(&logs);
    let lost: Vec<_> = captured.json().iter().map(|line| line["fields"]["lost"].clone()).collect();
    assert_eq!(lost, [10, 610, 1200]);
}

#[test]
fn telemetry_from_elsewhere_can_be_shut_down_too() {
    assert!(Telemetry::disabled().shutdown(Duration::from_secs(1)).is_complete());
}
