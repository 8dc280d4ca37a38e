//! Spans as OTLP has them on the wire, written straight from what the SDK recorded.
//!
//! `opentelemetry-proto` copies each span into messages, a text and a list for each of their fields, whose lengths `prost` then
//! counts once for every level around them. That is most of what exporting a span costs (docs/PERFORMANCE.md).
//!
//! Field numbers and types are those of `opentelemetry/proto/{collector/trace,trace,common,resource}/v1`, which are stable:
//! <https://github.com/open-telemetry/opentelemetry-proto>.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

// The types of fields: a number of variable length, eight bytes, a length with so many bytes, four bytes.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

/// Bits of a span's flags beside those of W3C: that it is known where the parent is, and that it is elsewhere.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// A span as one more of the `spans` of a `ScopeSpans`.
pub(super) fn span(span: &SpanData) -> Vec<u8> {
    // Most take less.
    let mut message = Message(Vec::with_capacity(1000));
    message.nested(2, |message| message.span(span));
    message.0
}

/// An `ExportTraceServiceRequest` with one resource: the spans of each instrumentation scope one behind the other, as
/// [`span`] writes them.
pub(super) fn request(resource: &Resource, scopes: &[(InstrumentationScope, Vec<u8>)]) -> Vec<u8> {
    let size = scopes.iter().map(|(_, spans)| spans.len() + 256).sum::<usize>() + 1024;
    let mut request = Message(Vec::with_capacity(size));
    request.nested(1, |message| {
        message.nested(1, |message| {
            for (key, value) in resource {
                message.attribute(1, key.as_str(), value);
            }
        });
        for (scope, spans) in scopes {
            message.nested(2, |message| {
                message.nested(1, |message| message.scope(scope));
                message.0.extend_from_slice(spans);
                message.text(3, scope.schema_url().unwrap_or_default());
            });
        }
        message.text(3, resource.schema_url().unwrap_or_default());
    });
    request.0
}

/// A message that is being written. What has its default is left out, as proto3 does.
struct Message(Vec<u8>);

impl Message {
    #[inline]
    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn number(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.key(field, VARINT);
            self.varint(value.into());
        }
    }

    fn fixed32(&mut self, field: u32, value: u32) {
        self.key(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Of a field whose number is below 16.
    fn fixed64(&mut self, field: u32, value: u64) {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        self.put([tag(field, FIXED64), a, b, c, d, e, f, g, h]);
    }

    /// Bytes whose number the compiler knows.
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }

    /// A message in this one. Its length goes before it and is known after it: one byte is kept for it, which is enough for
    /// most, and the others are written behind it and change places with it.
    fn nested(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.key(field, LENGTH);
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let end = self.0.len();
        let length = end - at - 1;
        if length < 0x80 {
            self.0[at] = length as u8;
            return;
        }
        self.0[at] = length as u8 | 0x80;
        self.varint(length as u64 >> 7);
        let more = self.0.len() - end;
        self.0[at + 1..].rotate_right(more);
    }

    fn scope(&mut self, scope: &InstrumentationScope) {
        self.text(1, scope.name());
        self.text(2, scope.version().unwrap_or_default());
        self.attributes(3, scope.attributes());
    }

    fn span(&mut self, span: &SpanData) {
        self.ids(&span.span_context);
        if span.parent_span_id != SpanId::INVALID {
            self.id(4, span.parent_span_id.to_bytes());
        }
        self.text(5, &span.name);
        self.number(6, kind(&span.span_kind));
        self.fixed64(7, nanos(span.start_time));
        self.fixed64(8, nanos(span.end_time));
        self.attributes(9, &span.attributes);
        self.number(10, span.dropped_attributes_count);
        for event in &span.events.events {
            self.nested(11, |message| {
                message.fixed64(1, nanos(event.timestamp));
                message.text(2, &event.name);
                message.attributes(3, &event.attributes);
                message.number(4, event.dropped_attributes_count);
            });
        }
        self.number(12, span.events.dropped_count);
        for link in &span.links.links {
            self.nested(13, |message| {
                message.ids(&link.span_context);
                message.attributes(4, &link.attributes);
                message.number(5, link.dropped_attributes_count);
                message.fixed32(6, flags(&link.span_context, link.span_context.is_remote()));
            });
        }
        self.number(14, span.links.dropped_count);
        match &span.status {
            Status::Unset => {}
            Status::Ok => self.nested(15, |message| message.number(3, 1)),
            Status::Error { description } => self.nested(15, |message| {
                message.text(2, description);
                message.number(3, 2);
            }),
        }
        self.fixed32(16, flags(&span.span_context, span.parent_span_is_remote));
    }

    fn id<const N: usize>(&mut self, field: u32, id: [u8; N]) {
        self.put([tag(field, LENGTH), N as u8]);
        self.put(id);
    }

    /// What identifies a span, and a link to one.
    fn ids(&mut self, context: &SpanContext) {
        self.id(1, context.trace_id().to_bytes());
        self.id(2, context.span_id().to_bytes());
        self.text(3, &context.trace_state().header());
    }

    fn attributes<'a>(&mut self, field: u32, attributes: impl IntoIterator<Item = &'a KeyValue>) {
        for KeyValue { key, value, .. } in attributes {
            self.attribute(field, key.as_str(), value);
        }
    }

    /// A `KeyValue`.
    fn attribute(&mut self, field: u32, key: &str, value: &Value) {
        // Most are short texts. All their lengths are known and take a byte each, and so do their keys.
        if let Value::String(text) = value {
            let text = text.as_str();
            let of_value = text.len() + 2;
            let of_all = key.len() + of_value + 4;
            if of_all < 0x80 && !key.is_empty() {
                self.put([tag(field, LENGTH), of_all as u8, tag(1, LENGTH), key.len() as u8]);
                self.0.extend_from_slice(key.as_bytes());
                self.put([tag(2, LENGTH), of_value as u8, tag(1, LENGTH), text.len() as u8]);
                return self.0.extend_from_slice(text.as_bytes());
            }
        }
        self.nested(field, |message| {
            message.text(1, key);
            message.nested(2, |message| message.value(value));
        });
    }

    /// An `AnyValue`. Which of its fields is there says what it is, so that a default is written, too.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => self.boolean(*value),
            Value::I64(value) => self.integer(*value),
            Value::F64(value) => self.fixed64(4, value.to_bits()),
            Value::String(value) => self.bytes(1, value.as_str().as_bytes()),
            Value::Array(array) => self.nested(5, |message| match array {
                Array::Bool(values) => message.array(values, |message, value| message.boolean(*value)),
                Array::I64(values) => message.array(values, |message, value| message.integer(*value)),
                Array::F64(values) => {
                    message.array(values, |message, value| message.fixed64(4, value.to_bits()))
                }
                Array::String(values) => {
                    message.array(values, |message, value| message.bytes(1, value.as_str().as_bytes()));
                }
                // A kind that the SDK has yet to get.
                _ => {}
            }),
            _ => {}
        }
    }

    fn array<T>(&mut self, values: &[T], write: impl Fn(&mut Self, &T)) {
        for value in values {
            self.nested(1, |message| write(message, value));
        }
    }

    fn boolean(&mut self, value: bool) {
        self.key(2, VARINT);
        self.0.push(value.into());
    }

    fn integer(&mut self, value: i64) {
        self.key(3, VARINT);
        self.varint(value.cast_unsigned());
    }
}

/// The key of a field whose number is below 16: one byte.
const fn tag(field: u32, kind: u32) -> u8 {
    (field << 3 | kind) as u8
}

fn kind(kind: &SpanKind) -> u32 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn flags(context: &SpanContext, remote: bool) -> u32 {
    let flags = u32::from(context.trace_flags().to_u8()) | HAS_IS_REMOTE;
    if remote { flags | IS_REMOTE } else { flags }
}

/// Since 1970; 0 for before.
fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::{Event, Link, TraceFlags, TraceId, TraceState};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
    use prost::Message as _;

    use super::super::outbox::Batch;
    use super::*;

    /// A text of every length class: none, one byte of length, two, three.
    fn text(random: &mut fastrand::Rng) -> String {
        let length = [0, 1, 5, 126, 127, 128, 200, 16_383, 16_384][random.usize(..9)];
        (0..length).map(|_| if random.bool() { 'a' } else { 'é' }).take(length).collect()
    }

    fn attributes(random: &mut fastrand::Rng) -> Vec<KeyValue> {
        let value = |random: &mut fastrand::Rng| -> Value {
            let few = random.usize(..3);
            match random.u8(..8) {
                0 => random.bool().into(),
                1 => [0, 1, -1, i64::MIN, i64::MAX, 300][random.usize(..6)].into(),
                2 => [0.0, -0.0, f64::MAX, 0.1][random.usize(..4)].into(),
                3 => Value::Array(Array::Bool(vec![random.bool(); few])),
                4 => Value::Array(Array::I64(vec![random.i64(..); few])),
                5 => Value::Array(Array::F64(vec![random.f64(); few])),
                6 => Value::Array(Array::String(vec![text(random).into(); few])),
                _ => text(random).into(),
            }
        };
        (0..random.usize(..6)).map(|_| KeyValue::new(text(random), value(random))).collect()
    }

    fn context(random: &mut fastrand::Rng) -> SpanContext {
        let state = if random.bool() {
            TraceState::from_key_value([("a", "1"), ("b", "2")]).unwrap()
        } else {
            TraceState::NONE
        };
        let flags = TraceFlags::new(random.u8(..2));
        SpanContext::new(
            TraceId::from(random.u128(..)),
            SpanId::from(random.u64(..)),
            flags,
            random.bool(),
            state,
        )
    }

    fn scope(random: &mut fastrand::Rng) -> InstrumentationScope {
        let builder = InstrumentationScope::builder(["orders", "spanbox", ""][random.usize(..3)]);
        match random.u8(..3) {
            0 => builder.build(),
            1 => builder.with_version("1.0.0").with_schema_url("https://example.com/1").build(),
            _ => builder.with_attributes([KeyValue::new("one", 1)]).build(),
        }
    }

    fn span(random: &mut fastrand::Rng) -> SpanData {
        let start = UNIX_EPOCH + Duration::from_nanos(random.u64(..u64::MAX / 8));
        let mut events = SpanEvents::default();
        events.dropped_count = random.u32(..3);
        let mut links = SpanLinks::default();
        links.dropped_count = random.u32(..3);
        for _ in 0..random.usize(..3) {
            events.events.push(Event::new(text(random), start, attributes(random), random.u32(..300)));
            links.links.push(Link::new(context(random), attributes(random), random.u32(..2)));
        }
        let kinds =
            [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer];
        let statuses = [Status::Unset, Status::Ok, Status::error(text(random)), Status::error("")];
        SpanData {
            span_context: context(random),
            parent_span_id: if random.bool() { SpanId::INVALID } else { SpanId::from(random.u64(..)) },
            parent_span_is_remote: random.bool(),
            span_kind: kinds[random.usize(..5)].clone(),
            name: text(random).into(),
            start_time: start,
            end_time: if random.bool() {
                start + Duration::from_millis(3)
            } else {
                UNIX_EPOCH - Duration::from_secs(1)
            },
            attributes: attributes(random),
            dropped_attributes_count: random.u32(..300),
            events,
            links,
            status: statuses[random.usize(..4)].clone(),
            instrumentation_scope: scope(random),
        }
    }

    #[test]
    fn what_is_written_is_what_the_exporter_of_opentelemetry_writes() {
        let resource = Resource::builder_empty()
            .with_schema_url([KeyValue::new("service.name", "orders")], "https://example.com/2")
            .build();
        for seed in 0..300 {
            let random = &mut fastrand::Rng::with_seed(seed);
            let spans: Vec<_> = (0..random.usize(..8)).map(|_| span(random)).collect();
            let mut batch = Batch::default();
            spans.iter().for_each(|span| batch.add(&span.instrumentation_scope, &super::span(span)));
            let mut expected = group_spans_by_resource_and_scope(spans.clone(), &(&resource).into());
            // It writes a status without anything in it, which says as much as none.
            for span in expected.iter_mut().flat_map(|it| &mut it.scope_spans).flat_map(|it| &mut it.spans) {
                span.status = span.status.take().filter(|status| *status != Default::default());
            }
            let written = ExportTraceServiceRequest::decode(&*batch.request(&resource)).unwrap();
            assert_eq!(written.resource_spans, expected, "seed {seed}");
        }
    }
}
