//! Traces of which nothing is recorded. The SDK makes a span for each all the same, with all the room that one takes that is
//! recorded; what is needed of it is its context.

use std::cell::Cell;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use super::Telemetry;

thread_local! {
    /// The id of a trace that is recorded, from when this is known until its first span is made.
    static DRAWN: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Random ids, but for traces whose id is known before their span.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        DRAWN.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

impl Telemetry {
    /// The context of a span below `parent` that is not recorded, or `None` where one is that the SDK has to make, at once
    /// and on this thread: with the id of the trace by which the sampler has decided.
    ///
    /// Where the provider is not of this service's making, the SDK makes all spans.
    pub(crate) fn unrecorded_below(&self, parent: &Context) -> Option<Context> {
        let head = self.pipeline()?.head.as_ref()?;
        if parent.is_telemetry_suppressed() {
            return None;
        }
        let (ids, span) = (RandomIdGenerator::default(), parent.span());
        let caller = span.span_context();
        if !caller.is_valid() && head.records_all() {
            return None;
        }
        let trace = if caller.is_valid() { caller.trace_id() } else { ids.new_trace_id() };
        if head.records(parent, trace) {
            if !caller.is_valid() {
                DRAWN.set(Some(trace));
            }
            return None;
        }
        let state = caller.trace_state().clone();
        let own = SpanContext::new(trace, ids.new_span_id(), TraceFlags::default(), false, state);
        Some(parent.with_remote_span_context(own))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use opentelemetry::trace::{TraceState, Tracer as _};
    use opentelemetry_sdk::trace::InMemorySpanExporter;

    use super::*;
    use crate::config::TelemetrySettings;
    use crate::telemetry::{ServiceInfo, Setup};

    fn sampling(ratio: f64) -> (Telemetry, InMemorySpanExporter) {
        let mut settings = TelemetrySettings { sample_ratio: ratio, ..TelemetrySettings::default() };
        settings.keep.enabled = false;
        let spans = InMemorySpanExporter::default();
        let setup = Setup::new(ServiceInfo::new("orders", "1.0.0")).environment([]);
        (setup.settings(settings).span_exporter(spans.clone()).build().unwrap(), spans)
    }

    #[test]
    fn what_is_recorded_is_so_by_the_id_that_it_was_asked_by() {
        let (telemetry, spans) = sampling(0.5);
        let (root, tracer) = (telemetry.root(), telemetry.tracer().unwrap());
        let mut unrecorded = HashSet::new();
        for _ in 0..2_000 {
            match telemetry.unrecorded_below(&root) {
                Some(cx) => {
                    let span = cx.span();
                    assert!(!span.is_recording() && !span.span_context().is_sampled());
                    assert!(cx.get::<Telemetry>().is_some());
                    unrecorded.insert(span.span_context().trace_id());
                }
                None => drop(tracer.start_with_context("recorded", &root)),
            }
        }
        let recorded = spans.get_finished_spans().unwrap();
        let ids: HashSet<_> = recorded.iter().map(|span| span.span_context.trace_id()).collect();
        // Each was recorded that was to be, under an id of its own.
        assert_eq!(ids.len() + unrecorded.len(), 2_000);
        assert!((850..1_150).contains(&ids.len()), "{}", ids.len());
        assert!(ids.is_disjoint(&unrecorded));
    }

    #[test]
    fn a_callers_trace_is_followed() {
        let (telemetry, spans) = sampling(0.0);
        let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
        for sampled in [false, true] {
            let flags = TraceFlags::default().with_sampled(sampled);
            let caller = SpanContext::new(TraceId::from(7), SpanId::from(8), flags, true, state.clone());
            let parent = telemetry.root().with_remote_span_context(caller);
            let unrecorded = telemetry.unrecorded_below(&parent);
            assert_eq!(unrecorded.is_none(), sampled);
            if let Some(cx) = unrecorded {
                let (span, caller) = (cx.span(), parent.span());
                let (own, caller) = (span.span_context(), caller.span_context());
                assert_eq!((own.trace_id(), own.trace_state()), (caller.trace_id(), caller.trace_state()));
                assert!(own.is_valid() && own.span_id() != caller.span_id() && !own.is_remote());
            }
        }
        assert!(telemetry.unrecorded_below(&telemetry.root().with_telemetry_suppressed()).is_none());
        assert!(Telemetry::disabled().unrecorded_below(&Context::new()).is_none());
        assert!(spans.get_finished_spans().unwrap().is_empty());
    }
}
