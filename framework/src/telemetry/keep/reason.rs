use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;

/// Why a trace is kept, on the span that began it here.
const KEPT: &str = "spanbox.kept";

/// What makes a trace matter; of several, the greatest is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Slow,
    Error,
    Panic,
}

impl Reason {
    pub(super) const ALL: [Self; 3] = [Self::Slow, Self::Error, Self::Panic];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Error => "error",
            Self::Panic => "panic",
        }
    }

    pub(super) fn attribute(self) -> KeyValue {
        KeyValue::new(KEPT, self.name())
    }

    /// What this span alone says. A `slower_than` of zero is without limit.
    pub(super) fn of(span: &SpanData, slower_than: Duration) -> Option<Self> {
        if let Status::Error { .. } = span.status {
            return Some(if has_panicked(span) { Self::Panic } else { Self::Error });
        }
        let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
        (took > slower_than && !slower_than.is_zero() && begins_here(span)).then_some(Self::Slow)
    }
}

fn has_panicked(span: &SpanData) -> bool {
    let panicked = |attribute: &KeyValue| {
        attribute.key.as_str() == ERROR_TYPE
            && matches!(&attribute.value, Value::String(kind) if kind.as_str() == "panic")
    };
    span.attributes.iter().any(panicked)
}

/// Whether the trace, or what this process does of it, begins with this span. What an entry waited for in a queue is
/// the child of the same remote span, but begins nothing.
fn begins_here(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID
        || (span.parent_span_is_remote && matches!(span.span_kind, SpanKind::Server | SpanKind::Consumer))
}

/// Makes it one that exporters take.
pub(super) fn promote(span: &mut SpanData, reason: Reason) {
    let cx = &span.span_context;
    span.span_context = SpanContext::new(
        cx.trace_id(),
        cx.span_id(),
        cx.trace_flags().with_sampled(true),
        cx.is_remote(),
        cx.trace_state().clone(),
    );
    if begins_here(span) {
        span.attributes.push(reason.attribute());
    }
}
