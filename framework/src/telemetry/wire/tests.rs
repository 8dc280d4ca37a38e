use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{Event, Link, TraceFlags, TraceId, TraceState};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use prost::Message as _;

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
fn a_batch_is_written_where_one_was_that_is_sent() {
    let (mut batch, mut written) = (Batch::new(head(&Resource::builder_empty().build())), Vec::new());
    let span = span(&mut fastrand::Rng::with_seed(7));
    super::span(&span, &mut written);
    batch.add(&span.instrumentation_scope, &written);
    let mut room = batch.take(Vec::new()).into_request();
    let (request, place) = (room.clone(), room.as_ptr());
    room.clear();
    // It had none, and makes room for those that follow.
    assert_eq!(batch.take(room).spans(), 0);
    batch.add(&span.instrumentation_scope, &written);
    let again = batch.take(Vec::new()).into_request();
    assert_eq!((again.as_ptr(), &again), (place, &request));
}

#[test]
fn what_is_written_is_what_the_exporter_of_opentelemetry_writes() {
    let resource = Resource::builder_empty()
        .with_schema_url([KeyValue::new("service.name", "orders")], "https://example.com/2")
        .build();
    let (mut batch, mut written) = (Batch::new(head(&resource)), Vec::new());
    for seed in 0..300 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let spans: Vec<_> = (0..random.usize(1..8)).map(|_| span(random)).collect();
        for span in &spans {
            written.clear();
            super::span(span, &mut written);
            batch.add(&span.instrumentation_scope, &written);
        }
        let mut expected = group_spans_by_resource_and_scope(spans.clone(), &(&resource).into());
        // It writes a status without anything in it, which says as much as none.
        for span in expected.iter_mut().flat_map(|it| &mut it.scope_spans).flat_map(|it| &mut it.spans) {
            span.status = span.status.take().filter(|status| *status != Default::default());
        }
        let written = ExportTraceServiceRequest::decode(&*batch.take(Vec::new()).into_request()).unwrap();
        assert_eq!(written.resource_spans, expected, "seed {seed}");
    }
}
