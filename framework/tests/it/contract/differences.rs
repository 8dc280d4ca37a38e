//! A contract and what is emitted differ, either way.

use std::time::Duration;

use opentelemetry::KeyValue;
use spanbox::telemetry::{self, ServiceInfo, Setup, Telemetry};
use spanbox::testing::contract::{
    Attribute, Contract, Event, Instrument, Metric, SPANBOX, Span, SpanKind, Type,
};
use spanbox::testing::{Capture, CapturedMetrics, Emitted};

const GREETER: Contract = Contract::new("greeter")
    .on(&SPANBOX)
    .spans(&[
        Span::new(SpanKind::Internal, "greet {whom}", "A greeting.")
            .has(&["greeter.name"])
            .may_have(&["greeter.times"])
            .events(&["greeter.waved"]),
        Span::new(SpanKind::Client, "call", "A call."),
    ])
    .events(&[Event::new("greeter.waved", "A wave.").has(&["greeter.hand"])])
    .metrics(&[Metric::new(Instrument::Counter, "{greeting}", "greeter.greetings", "Greetings.")
        .has(&["greeter.name"])])
    .attributes(&[
        Attribute::new(Type::String, "greeter.name", "Who is greeted."),
        Attribute::new(Type::Int, "greeter.times", "How often."),
        Attribute::new(Type::String, "greeter.hand", "Which hand."),
    ]);

fn emitted(work: impl FnOnce(&Telemetry)) -> Emitted {
    let (spans, metrics) = (Capture::new(), CapturedMetrics::default());
    let setup = Setup::new(ServiceInfo::new("greeter", "1")).environment([]);
    let telemetry = setup.span_processor(spans.clone()).metric_exporter(metrics.clone()).build().unwrap();
    {
        let _current = telemetry.root().attach();
        work(&telemetry);
    }
    let _ = telemetry.shutdown(Duration::from_secs(5));
    metrics.with(&spans.spans())
}

#[test]
fn what_is_as_it_should_be_is_not_told_of() {
    let emitted = emitted(|telemetry| {
        telemetry::span("greet Ada").attribute("greeter.name", "Ada").attribute("greeter.times", 2).in_scope(
            |_| {
                telemetry::add_event("greeter.waved", [KeyValue::new("greeter.hand", "left")]);
            },
        );
        telemetry::span("call").kind(SpanKind::Client).in_scope(|_| ());
        let meter = telemetry.meter().unwrap();
        let greetings = meter.u64_counter("greeter.greetings").with_unit("{greeting}").build();
        greetings.add(1, &[KeyValue::new("greeter.name", "Ada")]);
    });
    assert_eq!(GREETER.unlisted(&emitted), [""; 0]);
    assert_eq!(GREETER.unseen(&emitted), [""; 0]);
}

#[test]
fn everything_that_differs_is_told_once() {
    let emitted = emitted(|telemetry| {
        for _ in 0..2 {
            telemetry::span("greet Ada").attribute("greeter.times", "twice").in_scope(|_| {
                telemetry::add_event("greeter.waved", []);
                telemetry::add_event("greeter.left", []);
            });
        }
        telemetry::span("greet Bob")
            .attribute("greeter.name", "Bob")
            .attribute("mood", "good")
            .in_scope(|_| ());
        telemetry::span("call").in_scope(|_| ());
        let meter = telemetry.meter().unwrap();
        meter.f64_gauge("greeter.greetings").with_unit("1").build().record(1.0, &[]);
        meter.u64_counter("greeter.farewells").build().add(1, &[]);
    });
    assert_eq!(
        GREETER.unlisted(&emitted),
        [
            "attribute `greeter.times` is string on internal span `greet Ada`",
            "attribute `mood` is not listed",
            "event `greeter.left` is not listed, on internal span `greet Ada`",
            "event `greeter.waved` lacks `greeter.hand`",
            "internal span `call` is not listed",
            "internal span `greet Ada` lacks `greeter.name`",
            "internal span `greet Bob` has `mood`",
            "metric `greeter.farewells` is not listed",
            "metric `greeter.greetings` is a gauge of `1`",
            "metric `greeter.greetings` lacks `greeter.name`",
        ]
    );
    assert_eq!(GREETER.unseen(&emitted), ["greet {whom}", "call", "greeter.hand"]);
}

#[test]
fn what_a_contract_says_against_the_conventions_is_told() {
    const WRONG: Contract = Contract::new("wrong")
        .spans(&[Span::new(SpanKind::Client, "call", "").has(&["call.to"]).events(&["called"])])
        .metrics(&[
            Metric::new(Instrument::Gauge, "s", "db.client.operation.duration", ""),
            Metric::new(Instrument::Gauge, "s", "call.duration", ""),
        ])
        .attributes(&[
            Attribute::new(Type::String, "http.method", ""),
            Attribute::new(Type::String, "http.mood", ""),
            Attribute::new(Type::String, "http.temper", "").unregistered("There is none."),
            Attribute::new(Type::String, "http.route", "").unregistered("There is none."),
            Attribute::new(Type::Strings, "http.request.header.{name}", ""),
            Attribute::new(Type::String, "mood", ""),
        ]);
    assert_eq!(
        WRONG.unconventional(),
        [
            "attribute `call.to` is not described",
            "attribute `http.method` is deprecated",
            "attribute `http.mood` is not registered in its namespace",
            "attribute `http.route` is registered",
            "event `called` is not described",
            "metric `db.client.operation.duration` is to be a histogram of `s`",
        ]
    );
}
