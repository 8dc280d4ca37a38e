//! What a service emits, written down, and held against what it really emits.
//!
//! A [`Contract`] lists spans, events, metrics and attributes by name. That of spanbox itself is [`SPANBOX`]; a service
//! writes one for what it adds, and a test that keeps both sides honest:
//!
//! ```
//! use spanbox::app::Service;
//! use spanbox::module::Module;
//! use spanbox::telemetry;
//! use spanbox::testing::contract::{Attribute, Contract, SPANBOX, Span, SpanKind, Type};
//! use spanbox::testing::{CapturedMetrics, TestApp};
//!
//! const GREETER: Contract = Contract::new("greeter")
//!     .on(&SPANBOX)
//!     .spans(&[Span::new(SpanKind::Internal, "greet", "One greeting.").has(&["greeter.name"])])
//!     .attributes(&[Attribute::new(Type::String, "greeter.name", "Who is greeted.")]);
//!
//! async fn greet() -> &'static str {
//!     telemetry::span("greet").attribute("greeter.name", "Ada").run(async { "Hello Ada" }).await
//! }
//!
//! # actix_rt::System::new().block_on(async {
//! let metrics = CapturedMetrics::default();
//! let receiver = metrics.clone();
//! let app = TestApp::start(|profile| {
//!     let module = Module::new("greetings").get("/greet", greet);
//!     Service::new("greeter", "1.0.0").profile(profile).module(module).metric_exporter(receiver)
//! })
//! .await;
//! app.get("/greet").await;
//! let (_, spans) = app.stop().await;
//!
//! let emitted = metrics.with(&spans);
//! assert_eq!(GREETER.unlisted(&emitted), [""; 0], "emitted and not in the contract");
//! assert_eq!(GREETER.unseen(&emitted), [""; 0], "in the contract and not emitted");
//! assert_eq!(GREETER.unconventional(), [""; 0], "against the semantic conventions");
//! # });
//! ```
//!
//! [`Contract::to_markdown`] writes it as a page for those who look at the telemetry.

mod compare;
mod conventions;
mod emitted;
mod entry;
mod prometheus;
mod render;
mod spanbox;

use std::collections::BTreeMap;

pub use emitted::{CapturedMetrics, Emitted};
pub use entry::{Attribute, Event, Instrument, Metric, Span, SpanKind, Type};
pub use spanbox::SPANBOX;

/// Spans, events, metrics and attributes by name. Where a name has `{words}` in braces, any text may stand for them.
#[derive(Clone, Debug)]
pub struct Contract {
    title: &'static str,
    base: Option<&'static Self>,
    spans: &'static [Span],
    events: &'static [Event],
    metrics: &'static [Metric],
    attributes: &'static [Attribute],
    resource: &'static [&'static str],
}

impl Contract {
    /// An empty one.
    #[must_use]
    pub const fn new(title: &'static str) -> Self {
        Self { title, base: None, spans: &[], events: &[], metrics: &[], attributes: &[], resource: &[] }
    }

    /// What it builds on. Its spans may have the base's attributes and events, and the base's spans may have its own, for
    /// a service says something of requests and jobs, too. Default none.
    #[must_use]
    pub const fn on(mut self, base: &'static Self) -> Self {
        self.base = Some(base);
        self
    }

    /// The spans. Default none.
    #[must_use]
    pub const fn spans(mut self, spans: &'static [Span]) -> Self {
        self.spans = spans;
        self
    }

    /// The events of spans. Default none.
    #[must_use]
    pub const fn events(mut self, events: &'static [Event]) -> Self {
        self.events = events;
        self
    }

    /// The metrics. Default none.
    #[must_use]
    pub const fn metrics(mut self, metrics: &'static [Metric]) -> Self {
        self.metrics = metrics;
        self
    }

    /// The names of the attributes of the resource. Default none.
    #[must_use]
    pub const fn resource(mut self, attributes: &'static [&'static str]) -> Self {
        self.resource = attributes;
        self
    }

    /// What all of these attributes are. Default none.
    #[must_use]
    pub const fn attributes(mut self, attributes: &'static [Attribute]) -> Self {
        self.attributes = attributes;
        self
    }

    /// The names of everything in it, not of what it builds on.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let spans = self.spans.iter().map(|span| span.name);
        let events = self.events.iter().map(|event| event.name);
        let metrics = self.metrics.iter().map(|metric| metric.name);
        spans.chain(events).chain(metrics).chain(self.attributes.iter().map(|attribute| attribute.name))
    }

    /// The series that its metrics are in Prometheus, each with the labels that it can have there. A histogram is three.
    #[must_use]
    pub fn prometheus(&self) -> BTreeMap<String, Vec<String>> {
        self.metrics.iter().flat_map(Metric::series).collect()
    }

    /// The contract itself and what it builds on.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |contract| contract.base)
    }

    fn attribute(&self, key: &str) -> Option<&Attribute> {
        self.chain().flat_map(|contract| contract.attributes).find(|attribute| attribute.is_called(key))
    }

    fn event(&self, name: &str) -> Option<&Event> {
        self.chain().flat_map(|contract| contract.events).find(|event| event.name == name)
    }
}
