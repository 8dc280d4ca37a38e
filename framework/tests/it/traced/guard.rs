//! Spans of blocks, and what may be said of the one that is current.

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TraceContextExt as _};
use spanbox::telemetry;
use spanbox::testing::Spans;

use super::{Service, current_id};

#[test]
fn a_guard_makes_its_span_current_until_it_is_dropped() {
    let service = Service::new();
    let above = telemetry::span("above").enter();
    {
        let _below = telemetry::span("below").attribute("n", 1).enter();
        assert_eq!(service.capture.open().len(), 2);
    }
    assert_eq!(service.parent("below"), None, "its parent has not ended");
    drop(above);
    assert_eq!(service.parent("below").as_deref(), Some("above"));
    assert_eq!(current_id(), SpanId::INVALID);
    assert!(service.capture.open().is_empty());
}

#[test]
fn a_guard_leaves_what_is_current_where_nothing_is_recorded() {
    let service = Service::new();
    let _unsampled = service.unsampled().attach();
    let guard = telemetry::span("nothing").enter();
    assert_eq!(current_id(), 2.into());
    drop(guard);
    assert_eq!(current_id(), 2.into());
    assert!(service.capture.spans().all().is_empty());
}

#[test]
fn the_current_span_takes_attributes_events_and_links() {
    let service = Service::new();
    let cause = telemetry::span("cause").in_scope(|cx| cx.span().span_context().clone());
    telemetry::span("effect").link(cause.clone()).in_scope(|_| {
        telemetry::set_attributes([KeyValue::new("order.id", 7), KeyValue::new("order.amount", "9.99")]);
        telemetry::add_event("gateway.retried", [KeyValue::new("attempt", 2)]);
        telemetry::add_link(cause.clone());
        telemetry::add_link(opentelemetry::trace::SpanContext::NONE);
    });
    let span = service.span("effect");
    assert_eq!(Spans::attribute(&span, "order.id").as_deref(), Some("7"));
    assert_eq!(Spans::attribute(&span, "order.amount").as_deref(), Some("9.99"));
    assert_eq!(span.events.events.len(), 1);
    assert_eq!(span.events.events[0].name, "gateway.retried");
    assert_eq!(span.events.events[0].attributes, [KeyValue::new("attempt", 2)]);
    let links: Vec<_> = span.links.links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!(links, [cause.span_id(), cause.span_id()]);
}

#[test]
fn nothing_is_made_for_a_span_that_is_not_recording() {
    let service = Service::new();
    let _unsampled = service.unsampled().attach();
    let unwanted = || -> KeyValue { panic!("an attribute was made for nobody") };
    telemetry::add_event("retried", std::iter::once_with(unwanted));
    telemetry::set_attributes(std::iter::once_with(unwanted));
}

#[test]
fn a_trace_has_an_id_whether_it_is_recorded_or_not() {
    let service = Service::new();
    assert_eq!(telemetry::trace_id(), None);
    let id = telemetry::span("recorded").in_scope(|_| telemetry::trace_id().unwrap());
    assert_eq!(id, service.span("recorded").span_context.trace_id());
    assert_eq!(id.to_string().len(), 32);
    let _unsampled = service.unsampled().attach();
    assert_eq!(telemetry::trace_id(), Some(1.into()));
}
