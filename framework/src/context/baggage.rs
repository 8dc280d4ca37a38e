use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt as _, KeyValueMetadata};
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::BaggagePropagator;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// As long as a header of baggage may be for everybody to take it (W3C Baggage, section 3.3.2).
const MAX_BYTES: usize = 8192;

/// What a property of an entry can not hold as it is, as it would end the property or the entry, or be read as a code.
const IN_PROPERTIES: &AsciiSet = &CONTROLS.add(b'"').add(b'%').add(b',').add(b'\\');
/// What a key or a value can not hold as it is.
const IN_VALUES: &AsciiSet = &IN_PROPERTIES.add(b' ').add(b';').add(b'=');

/// `baggage`, written so that it is read again as it was. The SDK by itself leaves `%` as it is, and properties whole: with
/// `a=b;x%2Ctenant=1` a client would smuggle an entry past the list of those that are accepted, to the next service.
#[derive(Debug, Default)]
pub(crate) struct Baggage(BaggagePropagator);

impl Baggage {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl TextMapPropagator for Baggage {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let header = written(cx);
        if !header.is_empty() {
            injector.set("baggage", header);
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.0.extract_with_context(cx, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// The baggage of a context as a header. Entries that do not fit are left out whole.
fn written(cx: &Context) -> String {
    let mut header = String::new();
    for (key, (value, properties)) in cx.baggage() {
        let before = header.len();
        if before > 0 {
            header.push(',');
        }
        header.extend(utf8_percent_encode(key.as_str().trim(), IN_VALUES));
        header.push('=');
        header.extend(utf8_percent_encode(value.as_str().trim(), IN_VALUES));
        let properties = properties.as_str().trim();
        if !properties.is_empty() {
            header.push(';');
            header.extend(utf8_percent_encode(properties, IN_PROPERTIES));
        }
        if header.len() > MAX_BYTES {
            header.truncate(before);
        }
    }
    header
}

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
        Baggage::new().inject_context(&self.send(cx), injector);
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.accept(&Baggage::new().extract_with_context(cx, extractor))
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(self.fields.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::KeyValue;

    use super::*;

    fn read(header: &str) -> Context {
        let headers = HashMap::from([("baggage".to_owned(), header.to_owned())]);
        Baggage::new().extract_with_context(&Context::new(), &headers)
    }

    #[test]
    fn a_property_smuggles_nothing_past_the_list() {
        let border = Border::new(&["lang".to_owned()], &["lang".to_owned(), "tenant".to_owned()]);
        let accepted = border.accept(&read("lang=en;x%2Ctenant=other,tenant=mine"));
        let sent = written(&border.send(&accepted));
        assert_eq!(sent, "lang=en;x%2Ctenant=other");
        assert_eq!(read(&sent).baggage().len(), 1);
    }

    #[test]
    fn a_code_in_a_value_stays_what_it_is() {
        let cx = read("note=100%2525%2C%3Dx");
        assert_eq!(cx.baggage().get("note").unwrap().as_str(), "100%25,=x");
        assert_eq!(written(&cx), "note=100%2525%2C%3Dx");
        assert_eq!(written(&read("a=b;p=1;q")), "a=b;p=1;q");
    }

    #[test]
    fn what_would_make_it_too_long_is_left_out_whole() {
        let entries = (0..40).map(|number| KeyValue::new(format!("k{number}"), "\"".repeat(150)));
        let header = written(&Context::new().with_baggage(entries));
        assert!(header.len() <= MAX_BYTES && header.len() > MAX_BYTES - 500, "{}", header.len());
        assert!(header.split(',').all(|entry| entry.len() >= 453), "{header}");
    }
}
