use std::borrow::Cow;

use opentelemetry::trace::Status;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute::DB_QUERY_SUMMARY;

use super::Scrubber;

impl Scrubber {
    /// The name, the attributes, the events, the links and the status of a span.
    pub(in crate::telemetry) fn span(&self, span: &mut SpanData) {
        self.attributes(&mut span.attributes);
        if let Cow::Owned(name) = &span.name
            && !is_summary(name, &span.attributes)
        {
            self.text(&mut span.name);
        }
        for event in &mut span.events.events {
            self.text(&mut event.name);
            self.attributes(&mut event.attributes);
        }
        for link in &mut span.links.links {
            self.attributes(&mut link.attributes);
        }
        if let Status::Error { description } = &mut span.status {
            self.text(description);
        }
    }
}

/// Whether a statement's summary, which has been looked at, is the same text.
fn is_summary(name: &str, attributes: &[KeyValue]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.key.as_str() == DB_QUERY_SUMMARY
            && matches!(&attribute.value, Value::String(summary) if summary.as_str() == name)
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::trace::{SpanContext, SpanId, SpanKind};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;
    use crate::redact::Redactor;

    fn named(name: &str, attributes: Vec<KeyValue>) -> SpanData {
        SpanData {
            span_context: SpanContext::NONE,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Client,
            name: name.to_owned().into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: opentelemetry::InstrumentationScope::default(),
        }
    }

    #[test]
    fn a_name_is_shown_as_the_summary_that_it_repeats_and_looked_at_where_it_repeats_none() {
        let scrubber = Scrubber::new(Redactor::default(), 64);
        let shown = |name: &str, key: &'static str, text: &str| {
            let mut span = named(name, vec![KeyValue::new(key, text.to_owned())]);
            scrubber.span(&mut span);
            span.name.into_owned()
        };
        let personal = "SELECT ann.lee@example.com";
        assert_eq!(shown("SELECT orders", DB_QUERY_SUMMARY, "SELECT orders"), "SELECT orders");
        for (key, text) in [
            (DB_QUERY_SUMMARY, personal),
            (DB_QUERY_SUMMARY, "SELECT orders"),
            // What is fixed in code is not looked at.
            ("http.route", personal),
        ] {
            let name = shown(personal, key, text);
            assert!(!name.contains("ann.lee"), "{name}");
        }
        let long = "x".repeat(65);
        assert_ne!(shown(&long, DB_QUERY_SUMMARY, &long), long);
    }
}
