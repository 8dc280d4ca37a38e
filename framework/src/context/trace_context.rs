use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// As long as a `traceparent` of version 00 is, and as much as a later one begins with.
const LENGTH: usize = 55;

/// `traceparent` and `tracestate`, of which nothing is taken that the recommendation (W3C Trace Context, section 3.2) does
/// not allow. The SDK by itself takes ids of any length, and ids with a sign.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceContext(TraceContextPropagator);

impl TraceContext {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl TextMapPropagator for TraceContext {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        self.0.inject_context(cx, injector);
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        match extractor.get("traceparent") {
            Some(text) if is_traceparent(text) => self.0.extract_with_context(cx, extractor),
            _ => cx.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// Whether it has the form of one. That an id is not all zeros is left to the SDK.
fn is_traceparent(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']).as_bytes();
    let Some(head) = text.get(..LENGTH) else { return false };
    let shaped = head.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    // What later versions add stands behind another `-`.
    let ends = text.len() == LENGTH || (!head.starts_with(b"00") && text[LENGTH] == b'-');
    shaped && ends && !head.starts_with(b"ff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_recommendation_allows_is_one() {
        const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for (text, is_one) in [
            (format!("00-{IDS}-01"), true),
            (format!(" 00-{IDS}-ff\t"), true),
            (format!("01-{IDS}-00"), true),
            (format!("fe-{IDS}-01-what-comes"), true),
            (format!("cc-{IDS}-01."), false),
            (format!("00-{IDS}-01-"), false),
            (format!("00-{IDS}-1"), false),
            (format!("ff-{IDS}-01"), false),
            (format!("00-{}-01", IDS.to_uppercase()), false),
            (format!("00-+{}-01", &IDS[1..]), false),
            (format!("00-{}-01", &IDS[1..]), false),
            (format!("00_{IDS}_01"), false),
            ("00-1-2-01".to_owned(), false),
            (String::new(), false),
            ("é".repeat(40), false),
        ] {
            assert_eq!(is_traceparent(&text), is_one, "{text}");
        }
    }
}
