use std::mem::size_of;

use opentelemetry::trace::{Event, Link, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// About how many bytes a span takes. Texts that are shared or built in count as if they were its own: too much rather
/// than too little.
pub(super) fn of(span: &SpanData) -> usize {
    let status = match &span.status {
        Status::Error { description } => description.len(),
        _ => 0,
    };
    let links = span.links.links.iter().map(|link| size_of::<Link>() + attributes(&link.attributes));
    let events = span
        .events
        .events
        .iter()
        .map(|event| size_of::<Event>() + event.name.len() + attributes(&event.attributes));
    size_of::<SpanData>()
        + span.name.len()
        + attributes(&span.attributes)
        + links.sum::<usize>()
        + events.sum::<usize>()
        + status
}

fn attributes(attributes: &[KeyValue]) -> usize {
    let each = attributes.iter().map(|attribute| attribute.key.as_str().len() + value(&attribute.value));
    size_of_val(attributes) + each.sum::<usize>()
}

fn value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::Bool(values)) => values.len(),
        Value::Array(Array::I64(values)) => size_of_val(values.as_slice()),
        Value::Array(Array::F64(values)) => size_of_val(values.as_slice()),
        Value::Array(Array::String(texts)) => {
            size_of_val(texts.as_slice()) + texts.iter().map(|text| text.as_str().len()).sum::<usize>()
        }
        _ => 0,
    }
}
