//! The real exporters against the receiver, over both protocols.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::trace::TraceContextExt;
use parking_lot::Mutex;

use super::{OtlpReceiver, ReceivedSpan, ReceiverMode};
use crate::config::{KeepSettings, LogFormat, LogSettings, OtlpProtocol, RecordSettings, TelemetrySettings};
use crate::telemetry::{self, ServiceInfo, Setup, Telemetry};

/// Long enough for any machine; nothing waits for it unless something is wrong.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// What the scheduler of a busy machine may add to a promised bound.
const SLACK: Duration = Duration::from_secs(3);

#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn containing(&self, text: &str) -> Vec<String> {
        let bytes = self.0.lock();
        let all = String::from_utf8_lossy(&bytes);
        all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) type Endpoint = fn(&OtlpReceiver) -> String;

pub(super) fn protocols() -> [(OtlpProtocol, Endpoint); 2] {
    [
        (OtlpProtocol::Grpc, OtlpReceiver::grpc_endpoint),
        (OtlpProtocol::HttpProtobuf, OtlpReceiver::http_endpoint),
    ]
}

pub(super) fn setup(
    endpoint: String,
    protocol: OtlpProtocol,
    variables: &[(&str, &str)],
    lines: &Lines,
) -> Telemetry {
    let settings = TelemetrySettings {
        endpoint: Some(endpoint),
        protocol: Some(protocol),
        // It has metrics of its own.
        keep: KeepSettings { enabled: false, ..KeepSettings::default() },
        logs: RecordSettings { repeats: 0 },
        ..TelemetrySettings::default()
    };
    Setup::new(ServiceInfo::new("orders", "1.2.3").environment("testing"))
        .settings(settings)
        .log(LogSettings { level: "info".to_owned(), format: LogFormat::Json })
        .log_writer(lines.clone())
        .environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .build()
        .unwrap()
}

pub(super) fn record_span(telemetry: &Telemetry, name: &'static str) {
    let _current = telemetry.root().attach();
    telemetry::span(name).in_scope(|_| ());
}

pub(super) fn named<'a>(spans: &'a [ReceivedSpan], name: &str) -> Option<&'a ReceivedSpan> {
    spans.iter().find(|span| span.name == name)
}

#[test]
fn spans_metrics_and_logs_arrive_with_the_resource() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        let telemetry = setup(endpoint(&receiver), protocol, &[], &Lines::default());
        telemetry.meter().unwrap().u64_counter("orders.created").build().add(1, &[]);
        {
            let _current = telemetry.root().attach();
            let _logs = telemetry.enter_thread();
            telemetry::span("request")
                .attribute("order.id", 7)
                .in_scope(|_| tracing::info!(id = 7, "created"));
        }
        let report = telemetry.shutdown(PATIENCE);
        assert!(report.is_complete(), "{protocol:?}: {report}");
        assert_eq!((report.spans.sent, report.metrics.sent, report.logs.sent), (1, 1, 1), "{protocol:?}");

        let spans = receiver.spans();
        let span = named(&spans, "request").unwrap();
        assert_eq!(span.attributes["order.id"], "7");
        assert_eq!(span.resource["service.name"], "orders");
        assert_eq!(span.resource["service.version"], "1.2.3");
        assert_eq!(span.resource["deployment.environment.name"], "testing");
        assert_eq!(span.parent_id, "");
        assert!(receiver.metrics().iter().any(|name| name == "orders.created"), "{:?}", receiver.metrics());
        let log = &receiver.logs()[0];
        assert_eq!((log.body.as_str(), log.severity.as_str()), ("created", "INFO"));
        assert_eq!((&log.trace_id, &log.span_id), (&span.trace_id, &span.span_id));
        assert_eq!(log.resource["service.instance.id"], span.resource["service.instance.id"]);
    }
}

#[test]
fn what_ends_right_before_a_shutdown_inside_an_actix_system_all_arrives() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        let telemetry = setup(endpoint(&receiver), protocol, &[], &Lines::default());
        let report = actix_rt::System::new().block_on(async {
            for _ in 0..1_000 {
                record_span(&telemetry, "last");
            }
            telemetry.shutdown(PATIENCE)
        });
        assert_eq!((report.spans.sent, report.spans.lost), (1_000, 0), "{protocol:?}");
        assert_eq!(receiver.spans().len(), 1_000, "{protocol:?}");
    }
}

#[test]
fn a_shutdown_ends_in_time_whatever_the_collector_does() {
    let timeout = Duration::from_secs(1);
    for mode in [ReceiverMode::Down, ReceiverMode::Hang, ReceiverMode::Error] {
        for (protocol, endpoint) in protocols() {
            let receiver = OtlpReceiver::start().unwrap();
            receiver.set_mode(mode);
            let telemetry = setup(endpoint(&receiver), protocol, &[], &Lines::default());
            telemetry.meter().unwrap().u64_counter("orders.created").build().add(1, &[]);
            for _ in 0..2_000 {
                record_span(&telemetry, "lost");
            }
            let start = Instant::now();
            let report = actix_rt::System::new().block_on(async { telemetry.shutdown(timeout) });
            assert!(start.elapsed() < timeout + SLACK, "{mode:?} over {protocol:?}: {report}");
            assert_eq!((report.spans.sent, report.spans.lost), (0, 2_000), "{mode:?} over {protocol:?}");
            assert!(!report.is_complete());
        }
    }
}

#[test]
fn a_hanging_collector_does_not_hold_a_flush() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        receiver.set_mode(ReceiverMode::Hang);
        let soon = [("OTEL_BSP_SCHEDULE_DELAY", "50")];
        let telemetry = setup(endpoint(&receiver), protocol, &soon, &Lines::default());
        record_span(&telemetry, "waiting");
        let start = Instant::now();
        assert!(!telemetry.flush(Duration::from_millis(300)), "{protocol:?}");
        assert!(start.elapsed() < Duration::from_millis(300) + SLACK, "{protocol:?}");
        // And it goes on by itself once the collector is back.
        receiver.set_mode(ReceiverMode::Up);
        record_span(&telemetry, "after");
        assert!(receiver.wait_for(|spans| named(spans, "after").is_some(), PATIENCE).is_ok(), "{protocol:?}");
        telemetry.shutdown(PATIENCE);
    }
}

#[test]
fn a_collector_that_comes_back_gets_what_is_recorded_then_and_the_log_says_so() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        receiver.set_mode(ReceiverMode::Error);
        let lines = Lines::default();
        let telemetry = setup(endpoint(&receiver), protocol, &[("OTEL_METRICS_EXPORTER", "none")], &lines);
        for _ in 0..5 {
            record_span(&telemetry, "lost");
            assert!(!telemetry.flush(PATIENCE), "{protocol:?}");
        }
        let warnings = lines.containing("spans cannot be exported");
        assert_eq!(warnings.len(), 1, "{protocol:?}: {warnings:?}");
        let host = receiver.http.ip().to_string();
        assert!(warnings[0].contains(&host) && warnings[0].contains("\"lost\":1"), "{warnings:?}");

        receiver.set_mode(ReceiverMode::Up);
        record_span(&telemetry, "kept");
        assert!(telemetry.flush(PATIENCE), "{protocol:?}");
        assert_eq!(receiver.spans().len(), 1);
        let over = lines.containing("spans are exported again");
        assert_eq!(over.len(), 1, "{protocol:?}");
        assert!(over[0].contains("\"lost\":5"), "{over:?}");
        let report = telemetry.shutdown(PATIENCE);
        assert_eq!((report.spans.sent, report.spans.lost), (1, 5), "{protocol:?}");
        // Neither the failures nor their end were sent to the collector.
        assert!(receiver.logs().is_empty(), "{:?}", receiver.logs());
    }
}

#[test]
fn headers_are_sent_and_never_logged() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        receiver.set_mode(ReceiverMode::Error);
        let lines = Lines::default();
        let header = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2,x-tenant=a");
        let telemetry = setup(endpoint(&receiver), protocol, &[header], &lines);
        record_span(&telemetry, "lost");
        assert!(!telemetry.flush(PATIENCE));
        telemetry.shutdown(PATIENCE);
        assert_eq!(receiver.header("authorization").as_deref(), Some("Bearer hunter2"), "{protocol:?}");
        assert_eq!(receiver.header("x-tenant").as_deref(), Some("a"), "{protocol:?}");
        assert!(!lines.containing("cannot be exported").is_empty());
        assert!(lines.containing("hunter2").is_empty());
    }
}

#[test]
fn exporting_records_nothing_about_itself() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        let lines = Lines::default();
        let telemetry = Setup::new(ServiceInfo::new("orders", "1.2.3"))
            .settings(TelemetrySettings { protocol: Some(protocol), ..TelemetrySettings::default() })
            .log(LogSettings { level: "trace".to_owned(), format: LogFormat::Json })
            .log_writer(lines.clone())
            .environment([("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint(&receiver))])
            .build()
            .unwrap();
        // So that the exporters' threads have a subscriber, too, the first time round.
        telemetry.install_globally();
        record_span(&telemetry, "one");
        assert!(telemetry.flush(PATIENCE), "{protocol:?}");
        assert!(telemetry.shutdown(PATIENCE).is_complete(), "{protocol:?}");
        assert_eq!(receiver.spans().len(), 1, "{protocol:?}: {:?}", receiver.spans());
        for library in ["hyper", "h2", "tonic", "tower", "opentelemetry"] {
            let about = lines.containing(&format!("\"target\":\"{library}"));
            assert!(about.is_empty(), "{protocol:?}: {about:?}");
        }
    }
}

#[test]
fn https_never_falls_back_to_plain_text() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        let endpoint = endpoint(&receiver).replace("http://", "https://");
        let telemetry = setup(endpoint, protocol, &[], &Lines::default());
        record_span(&telemetry, "secret");
        let report = telemetry.shutdown(Duration::from_secs(2));
        assert_eq!((report.spans.sent, receiver.requests()), (0, 0), "{protocol:?}");
    }
}

#[test]
fn the_variable_wins_over_the_settings() {
    let (by_settings, by_variable) = (OtlpReceiver::start().unwrap(), OtlpReceiver::start().unwrap());
    let endpoint = by_variable.http_endpoint();
    let telemetry = setup(
        by_settings.grpc_endpoint(),
        OtlpProtocol::Grpc,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
        &Lines::default(),
    );
    record_span(&telemetry, "one");
    assert!(telemetry.shutdown(PATIENCE).is_complete());
    assert_eq!((by_settings.requests(), by_variable.spans().len()), (0, 1));
}

#[test]
fn a_signal_that_is_switched_off_is_not_sent() {
    let receiver = OtlpReceiver::start().unwrap();
    let off = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];
    let telemetry = setup(receiver.http_endpoint(), OtlpProtocol::HttpProtobuf, &off, &Lines::default());
    assert!(telemetry.meter().is_none() && telemetry.providers().logs.is_none());
    record_span(&telemetry, "one");
    assert!(telemetry.shutdown(PATIENCE).is_complete());
    assert_eq!((receiver.spans().len(), receiver.requests()), (1, 1));
}

#[test]
fn a_disabled_sdk_sends_nothing_and_still_logs() {
    let receiver = OtlpReceiver::start().unwrap();
    let lines = Lines::default();
    let disabled = [("OTEL_SDK_DISABLED", "TRUE")];
    let telemetry = setup(receiver.grpc_endpoint(), OtlpProtocol::Grpc, &disabled, &lines);
    assert!(telemetry.tracer().is_none() && telemetry.meter().is_none());
    let _logs = telemetry.enter_thread();
    let _current = telemetry.root().attach();
    telemetry::span("one").in_scope(|cx| {
        assert!(!cx.has_active_span());
        tracing::info!("still here");
    });
    assert!(telemetry.shutdown(PATIENCE).is_complete());
    assert_eq!(receiver.requests(), 0);
    assert_eq!(lines.containing("still here").len(), 1);
}

#[test]
fn two_services_in_one_process_do_not_mix() {
    let receivers = [OtlpReceiver::start().unwrap(), OtlpReceiver::start().unwrap()];
    let lines = [Lines::default(), Lines::default()];
    let services: Vec<Telemetry> = receivers
        .iter()
        .zip(&lines)
        .map(|(receiver, lines)| setup(receiver.http_endpoint(), OtlpProtocol::HttpProtobuf, &[], lines))
        .collect();
    std::thread::scope(|scope| {
        for (number, telemetry) in services.iter().enumerate() {
            scope.spawn(move || {
                let _logs = telemetry.enter_thread();
                let _current = telemetry.root().attach();
                for _ in 0..100 {
                    let _span = tracing::info_span!("work", number).entered();
                    tracing::info!("service {number}");
                }
            });
        }
    });
    for (number, telemetry) in services.iter().enumerate() {
        assert!(telemetry.shutdown(PATIENCE).is_complete());
        let spans = receivers[number].spans();
        assert_eq!(spans.len(), 100);
        assert!(spans.iter().all(|span| span.attributes["number"] == number.to_string()));
        let logs = receivers[number].logs();
        assert_eq!(logs.len(), 100);
        assert!(logs.iter().all(|log| log.body == format!("service {number}")));
        assert_eq!(lines[number].containing(&format!("service {number}")).len(), 100);
        assert_eq!(lines[number].containing("service").len(), 100);
    }
}

#[test]
fn batches_are_as_large_as_the_variable_says() {
    let receiver = OtlpReceiver::start().unwrap();
    let off = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")];
    let telemetry = setup(receiver.http_endpoint(), OtlpProtocol::HttpProtobuf, &off, &Lines::default());
    for _ in 0..100 {
        record_span(&telemetry, "one");
    }
    assert!(telemetry.shutdown(PATIENCE).is_complete());
    assert!(receiver.requests() >= 10, "{}", receiver.requests());
}

#[test]
fn what_a_full_queue_drops_is_counted_as_lost() {
    let receiver = OtlpReceiver::start().unwrap();
    receiver.set_mode(ReceiverMode::Hang);
    let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "10"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")];
    let lines = Lines::default();
    let telemetry = setup(receiver.http_endpoint(), OtlpProtocol::HttpProtobuf, &small, &lines);
    for _ in 0..100 {
        record_span(&telemetry, "one");
    }
    let report = telemetry.shutdown(Duration::from_millis(200));
    assert_eq!((report.spans.sent, report.spans.lost), (0, 100));
    let said = lines.containing("spans are dropped: they come faster than they are exported");
    assert_eq!(said.len(), 1, "once, and not with each export: {said:?}");
}

#[test]
fn what_a_busy_collector_did_not_take_is_sent_again_and_arrives_once() {
    for (protocol, endpoint) in protocols() {
        let receiver = OtlpReceiver::start().unwrap();
        receiver.set_mode(ReceiverMode::Busy);
        let traces_alone = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];
        let telemetry = setup(endpoint(&receiver), protocol, &traces_alone, &Lines::default());
        for name in ["one", "two", "three"] {
            record_span(&telemetry, name);
            assert!(telemetry.flush(PATIENCE), "{protocol:?}");
        }
        let report = telemetry.shutdown(PATIENCE);
        assert_eq!((report.spans.sent, report.spans.lost), (3, 0), "{protocol:?}");
        assert_eq!(receiver.spans().len(), 3, "{protocol:?}");
        assert_eq!(receiver.requests(), 6, "{protocol:?}");
    }
}

#[test]
fn a_connection_that_was_closed_meanwhile_costs_no_spans() {
    for (protocol, endpoint) in protocols() {
        // Whether the client notices in time is a race; a few rounds see both.
        for _ in 0..10 {
            let receiver = OtlpReceiver::start().unwrap();
            let telemetry = setup(endpoint(&receiver), protocol, &[], &Lines::default());
            record_span(&telemetry, "one");
            assert!(telemetry.flush(PATIENCE));
            receiver.set_mode(ReceiverMode::Down);
            receiver.set_mode(ReceiverMode::Up);
            record_span(&telemetry, "two");
            let report = telemetry.shutdown(PATIENCE);
            assert!(report.is_complete(), "{protocol:?}: {report}");
            assert_eq!(receiver.spans().len(), 2, "{protocol:?}");
        }
    }
}
