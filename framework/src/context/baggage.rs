use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt as _, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::BaggagePropagator;

/// The context with those entries of its baggage that have an allowed key.
pub(crate) fn with_allowed_baggage(cx: &Context, allowed: impl Fn(&str) -> bool) -> Context {
    if cx.baggage().iter().all(|(key, _)| allowed(key.as_str())) {
        return cx.clone();
    }
    let entries = cx.baggage().iter().filter(|(key, _)| allowed(key.as_str()));
    let entries: Vec<_> = entries
        .map(|(key, (value, metadata))| KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone()))
        .collect();
    cx.with_baggage(entries)
}

/// A list of keys that may pass; `*` is any.
#[derive(Clone, Debug)]
struct Keys(Vec<String>);

impl Keys {
    fn allow(&self, key: &str) -> bool {
        self.0.iter().any(|allowed| allowed == key || allowed == "*")
    }
}

/// W3C baggage at the borders of a service, of which only what is on a list passes.
#[derive(Clone, Debug)]
pub(crate) struct Border {
    accepted: Keys,
    sent: Keys,
    fields: [String; 1],
}

impl Border {
    pub(crate) fn new(accepted: &[String], sent: &[String]) -> Self {
        Self { accepted: Keys(accepted.to_vec()), sent: Keys(sent.to_vec()), fields: ["baggage".to_owned()] }
    }

    /// The context with what is accepted of its baggage.
    pub(crate) fn accept(&self, cx: &Context) -> Context {
        with_allowed_baggage(cx, |key| self.accepted.allow(key))
    }

    /// The context with what may be sent of its baggage.
    pub(crate) fn send(&self, cx: &Context) -> Context {
        with_allowed_baggage(cx, |key| self.sent.allow(key))
    }
}

impl TextMapPropagator for Border {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        BaggagePropagator::new().inject_context(&self.send(cx), injector);
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.accept(&BaggagePropagator::new().extract_with_context(cx, extractor))
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(self.fields.as_slice())
    }
}
