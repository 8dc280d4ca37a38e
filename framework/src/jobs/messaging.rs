//! The words of the semantic conventions for messaging that jobs are recorded in, and the span of an enqueue.

use opentelemetry::trace::{SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute;

use crate::data::{Conn, Ending};
use crate::telemetry::{Telemetry, is_unwanted};

pub(super) const OPERATION_NAME: &str = attribute::MESSAGING_OPERATION_NAME;
pub(super) const OPERATION_TYPE: &str = attribute::MESSAGING_OPERATION_TYPE;
pub(super) const DESTINATION: &str = attribute::MESSAGING_DESTINATION_NAME;
pub(super) const MESSAGE_ID: &str = attribute::MESSAGING_MESSAGE_ID;
pub(super) const BATCH_COUNT: &str = attribute::MESSAGING_BATCH_MESSAGE_COUNT;
pub(super) const JOB_KIND: &str = "jobs.kind";
pub(super) const JOB_ATTEMPT: &str = "jobs.attempt";
/// `committed`, `rolled_back` or `uncertain`.
const OUTCOME: &str = "jobs.enqueue.outcome";

pub(super) fn system() -> KeyValue {
    KeyValue::new(attribute::MESSAGING_SYSTEM, "spanbox")
}

/// Begins the span of an enqueue, which the jobs carry on. It ends with the unit of work and says how that ended.
pub(super) fn producer(conn: &mut Conn, kind: &'static str, queue: &str, count: usize) -> Context {
    let current = Context::current();
    let telemetry = current.get::<Telemetry>().cloned();
    let unwanted = is_unwanted(&current);
    let Some(tracer) = telemetry.as_ref().and_then(Telemetry::tracer).filter(|_| !unwanted) else {
        return current;
    };
    let mut attributes = vec![
        system(),
        KeyValue::new(OPERATION_NAME, "send"),
        KeyValue::new(OPERATION_TYPE, "send"),
        KeyValue::new(DESTINATION, queue.to_owned()),
        KeyValue::new(JOB_KIND, kind),
    ];
    if count != 1 {
        attributes.push(KeyValue::new(BATCH_COUNT, i64::try_from(count).unwrap_or(i64::MAX)));
    }
    let builder = tracer
        .span_builder(format!("send {queue}"))
        .with_kind(SpanKind::Producer)
        .with_attributes(attributes);
    let cx = current.with_span(tracer.build_with_context(builder, &current));
    let ending = cx.clone();
    conn.at_end(move |how| {
        let outcome = match how {
            Ending::Committed => "committed",
            Ending::RolledBack => "rolled_back",
            Ending::Uncertain => "uncertain",
        };
        ending.span().set_attribute(KeyValue::new(OUTCOME, outcome));
        ending.span().end();
    });
    cx
}
