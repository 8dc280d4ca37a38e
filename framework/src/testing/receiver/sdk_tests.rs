//! What the telemetry says of itself.

use super::tests::{Lines, PATIENCE, protocols, record_span};
use super::{OtlpReceiver, ReceiverMode};
use crate::config::{OtlpProtocol, TelemetrySettings};
use crate::telemetry::{Exposition, ServiceInfo, Setup, Telemetry};

fn scraped(endpoint: String, protocol: OtlpProtocol, variables: &[(&str, &str)]) -> Telemetry {
    Setup::new(ServiceInfo::new("orders", "1.0.0"))
        .settings(TelemetrySettings {
            endpoint: Some(endpoint),
            protocol: Some(protocol),
            ..TelemetrySettings::default()
        })
        .log_writer(Lines::default())
        .environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .scraped(true)
        .build()
        .unwrap()
}

/// The value of the one series of this name that has this in its labels, and no other error than that.
fn value(telemetry: &Telemetry, name: &str, label: &str) -> Option<u64> {
    let text = telemetry.exposition(Exposition::Prometheus).unwrap();
    let series = text.lines().filter(|line| {
        let own = line.split('{').next() == Some(name) && line.contains(label);
        own && line.contains("error_type") == label.contains("error_type")
    });
    let values: Vec<u64> = series.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(values.len() <= 1, "{name}: {values:?}");
    values.first().copied()
}

#[test]
fn what_was_dropped_what_waits_and_what_was_taken_add_up_to_what_was_recorded() {
    let receiver = OtlpReceiver::start().unwrap();
    receiver.set_mode(ReceiverMode::Hang);
    let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "10"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")];
    let telemetry = scraped(receiver.grpc_endpoint(), OtlpProtocol::Grpc, &small);
    (0..100).for_each(|_| record_span(&telemetry, "one"));
    let processor = "otel_component_name=\"batching_span_processor/0\"";
    let dropped = value(&telemetry, "otel_sdk_processor_span_processed_total", "error_type=\"queue_full\"");
    // All but a queue's and a batch's.
    assert!(dropped.unwrap() >= 80, "{dropped:?}");
    assert_eq!(value(&telemetry, "otel_sdk_processor_span_queue_capacity", processor), Some(10));
    let started = "otel_span_parent_origin=\"none\",otel_span_sampling_result=\"RECORD_AND_SAMPLE\"";
    assert_eq!(value(&telemetry, "otel_sdk_span_started_total", started), Some(100));
    // Those that wait may be taken between two looks.
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let taken = value(&telemetry, "otel_sdk_processor_span_processed_total", processor).unwrap();
        let waiting = value(&telemetry, "otel_sdk_processor_span_queue_size", processor).unwrap();
        if dropped.unwrap() + taken + waiting == 100 {
            break;
        }
        assert!(std::time::Instant::now() < end, "{dropped:?} dropped, {taken} taken, {waiting} waiting");
    }
    telemetry.shutdown(std::time::Duration::from_millis(200));
    let failed = value(&telemetry, "otel_sdk_exporter_span_exported_total", "error_type=\"_OTHER\"").unwrap();
    assert_eq!(dropped.unwrap() + failed, 100);
    assert_eq!(value(&telemetry, "otel_sdk_exporter_span_exported_total", "exporter"), Some(0));
}

#[test]
fn each_exporter_tells_what_it_has_sent_and_how_long_it_took() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        let telemetry = scraped(endpoint(&receiver), protocol, &[]);
        {
            let _logs = telemetry.enter_thread();
            tracing::warn!("a line");
        }
        (0..5).for_each(|_| record_span(&telemetry, "one"));
        assert!(telemetry.flush(PATIENCE), "{protocol:?}");
        let over = if protocol == OtlpProtocol::Grpc { "grpc" } else { "http" };
        let label = |signal: &str| format!("otel_component_type=\"otlp_{over}_{signal}_exporter\"");
        let count = |name: &str, signal: &str| value(&telemetry, name, &label(signal)).unwrap();
        assert_eq!(count("otel_sdk_exporter_span_exported_total", "span"), 5, "{protocol:?}");
        assert_eq!(count("otel_sdk_exporter_log_exported_total", "log"), 1, "{protocol:?}");
        assert!(count("otel_sdk_exporter_metric_data_point_exported_total", "metric") > 5, "{protocol:?}");
        for (signal, kind) in [("span", "span"), ("log", "log"), ("metric_data_point", "metric")] {
            assert_eq!(
                count(&format!("otel_sdk_exporter_{signal}_inflight"), kind),
                0,
                "{protocol:?} {signal}"
            );
            let took = count("otel_sdk_exporter_operation_duration_seconds_count", kind);
            assert_eq!(took, 1, "{protocol:?} {signal}");
        }
        assert!(telemetry.shutdown(PATIENCE).is_complete());
    }
}
