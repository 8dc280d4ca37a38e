//! Spans as OTLP has them on the wire, written straight from what the SDK recorded.
//!
//! `opentelemetry-proto` copies each span into messages, a text and a list for each of their fields, whose lengths `prost` then
//! counts once for every level around them. That is most of what exporting a span costs (docs/PERFORMANCE.md).
//!
//! Field numbers and types are those of `opentelemetry/proto/{collector/trace,trace,common,resource}/v1`, which are stable:
//! <https://github.com/open-telemetry/opentelemetry-proto>.

mod batch;

#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

pub(super) use batch::{Batch, ROOM, head};

// The types of fields: a number of variable length, eight bytes, a length with so many bytes, four bytes.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

/// Bytes of a length that is written last, in room that was kept for it.
const LONG: usize = 5;

/// Bits of a span's flags beside those of W3C: that it is known where the parent is, and that it is elsewhere.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Writes a span as one more of the `spans` of a `ScopeSpans`.
pub(super) fn span(span: &SpanData, into: &mut Vec<u8>) {
    Message(into).nested_with_room(2, 2, |message| message.span(span));
}

/// A message that is being written. What has its default is left out, as proto3 does.
struct Message<'a>(&'a mut Vec<u8>);

impl Message<'_> {
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

    /// A message in this one, that most often is shorter than 128 bytes.
    fn nested(&mut self, field: u32, write: impl FnOnce(&mut Message<'_>)) {
        self.nested_with_room(field, 1, write);
    }

    /// A message in this one. Its length goes before it and is known after it: `room` bytes are kept for it. One that takes
    /// more or fewer moves what is behind it.
    fn nested_with_room(&mut self, field: u32, room: usize, write: impl FnOnce(&mut Message<'_>)) {
        self.key(field, LENGTH);
        let at = self.0.len();
        self.0.resize(at + room, 0);
        write(&mut Message(self.0));
        let mut length = self.0.len() - at - room;
        if varint_len(length) != room {
            self.0.splice(at..at + room, std::iter::repeat_n(0, varint_len(length)));
        }
        for byte in &mut self.0[at..] {
            *byte = length as u8 | 0x80;
            length >>= 7;
            if length == 0 {
                *byte &= 0x7f;
                break;
            }
        }
    }

    /// A message in this one, that is written by and by. Answers where it begins, for [`Message::close`].
    fn open(&mut self, field: u32) -> usize {
        self.key(field, LENGTH);
        self.0.extend_from_slice(&[0; LONG]);
        self.0.len()
    }

    /// Ends a message that was opened. Its length takes all the room that was kept for it: a number may have more bytes than
    /// it needs, which decoders read as any other (so does Perfetto's ProtoZero).
    fn close(&mut self, begin: usize) {
        let length = self.0.len() - begin;
        for (n, byte) in self.0[begin - LONG..begin].iter_mut().enumerate() {
            let more = if n + 1 < LONG { 0x80 } else { 0 };
            *byte = (length >> (7 * n)) as u8 & 0x7f | more;
        }
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
        // Most are texts. All their lengths are known, and those of short ones take a byte each, as their keys do.
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
            let of_value = sized(text.len());
            let of_key = if key.is_empty() { 0 } else { sized(key.len()) };
            self.key(field, LENGTH);
            self.varint((of_key + sized(of_value)) as u64);
            self.text(1, key);
            self.key(2, LENGTH);
            self.varint(of_value as u64);
            return self.bytes(1, text.as_bytes());
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

    fn array<T>(&mut self, values: &[T], write: impl Fn(&mut Message<'_>, &T)) {
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

/// The bytes of a field with so many bytes in it, whose number is below 16.
const fn sized(bytes: usize) -> usize {
    1 + varint_len(bytes) + bytes
}

/// The bytes that a number takes.
const fn varint_len(number: usize) -> usize {
    let bits = usize::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
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
