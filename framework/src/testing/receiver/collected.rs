use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

/// Attributes by name, their values as text.
pub(super) type Attributes = BTreeMap<String, String>;

/// A span as it arrived. Ids are lower-case hex, empty when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedSpan {
    /// 32 digits.
    pub trace_id: String,
    /// 16 digits.
    pub span_id: String,
    /// 16 digits, or empty for a root.
    pub parent_id: String,
    /// The name.
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: &'static str,
    /// Attributes by name, their values as text.
    pub attributes: BTreeMap<String, String>,
    /// Trace and span id of each linked span.
    pub links: Vec<(String, String)>,
    /// Events, in their order.
    pub events: Vec<ReceivedEvent>,
    /// `unset`, `ok` or `error`.
    pub status: &'static str,
    /// The status' description.
    pub status_message: String,
    /// Start, in nanoseconds since 1970.
    pub start_nanos: u64,
    /// End, in nanoseconds since 1970.
    pub end_nanos: u64,
    /// The instrumentation scope's name.
    pub scope: String,
    /// The resource's attributes.
    pub resource: BTreeMap<String, String>,
}

/// An event of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedEvent {
    /// The name.
    pub name: String,
    /// Attributes by name, their values as text.
    pub attributes: BTreeMap<String, String>,
}

/// A log record as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedLog {
    /// The severity's text, e.g. `INFO`.
    pub severity: String,
    /// The message.
    pub body: String,
    /// The trace it belongs to, 32 digits of hex, or empty.
    pub trace_id: String,
    /// The span it belongs to, 16 digits of hex, or empty.
    pub span_id: String,
    /// Attributes by name, their values as text.
    pub attributes: BTreeMap<String, String>,
    /// The resource's attributes.
    pub resource: BTreeMap<String, String>,
}

/// All that a receiver has taken in.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) spans: Vec<ReceivedSpan>,
    pub(super) logs: Vec<ReceivedLog>,
    /// By name, with the resource of the last export.
    pub(super) metrics: BTreeMap<String, Attributes>,
    pub(super) requests: usize,
    /// Of the last request.
    pub(super) headers: Attributes,
}

/// A request of one of the three services.
pub(super) trait Intake {
    fn take_into(self, collected: &mut Collected);
}

impl Intake for ExportTraceServiceRequest {
    fn take_into(self, collected: &mut Collected) {
        for group in self.resource_spans {
            let resource = of_resource(group.resource);
            for scoped in group.scope_spans {
                let scope = scoped.scope.map(|scope| scope.name).unwrap_or_default();
                collected.spans.extend(scoped.spans.into_iter().map(|span| {
                    let kind = span.kind();
                    let status = span.status.unwrap_or_default();
                    ReceivedSpan {
                        trace_id: hex(&span.trace_id),
                        span_id: hex(&span.span_id),
                        parent_id: hex(&span.parent_span_id),
                        kind: kind_name(kind),
                        attributes: attributes(span.attributes),
                        links: span
                            .links
                            .iter()
                            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                            .collect(),
                        events: span
                            .events
                            .into_iter()
                            .map(|event| ReceivedEvent {
                                name: event.name,
                                attributes: attributes(event.attributes),
                            })
                            .collect(),
                        status: match status.code() {
                            StatusCode::Unset => "unset",
                            StatusCode::Ok => "ok",
                            StatusCode::Error => "error",
                        },
                        status_message: status.message,
                        start_nanos: span.start_time_unix_nano,
                        end_nanos: span.end_time_unix_nano,
                        name: span.name,
                        scope: scope.clone(),
                        resource: resource.clone(),
                    }
                }));
            }
        }
    }
}

impl Intake for ExportLogsServiceRequest {
    fn take_into(self, collected: &mut Collected) {
        for group in self.resource_logs {
            let resource = of_resource(group.resource);
            let records = group.scope_logs.into_iter().flat_map(|scoped| scoped.log_records);
            collected.logs.extend(records.map(|record| ReceivedLog {
                severity: record.severity_text,
                body: record.body.map(text).unwrap_or_default(),
                trace_id: hex(&record.trace_id),
                span_id: hex(&record.span_id),
                attributes: attributes(record.attributes),
                resource: resource.clone(),
            }));
        }
    }
}

impl Intake for ExportMetricsServiceRequest {
    fn take_into(self, collected: &mut Collected) {
        for group in self.resource_metrics {
            let resource = of_resource(group.resource);
            let metrics = group.scope_metrics.into_iter().flat_map(|scoped| scoped.metrics);
            collected.metrics.extend(metrics.map(|metric| (metric.name, resource.clone())));
        }
    }
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn of_resource(resource: Option<Resource>) -> Attributes {
    attributes(resource.unwrap_or_default().attributes)
}

fn attributes(list: Vec<KeyValue>) -> Attributes {
    list.into_iter().map(|pair| (pair.key, pair.value.map(text).unwrap_or_default())).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(Value::ArrayValue(list)) => {
            let items: Vec<String> = list.values.into_iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
