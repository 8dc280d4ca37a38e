use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// As long as a `traceparent` of version 00 is, and as much as a later one begins with.
const LENGTH: usize = 55;

/// `traceparent` and `tracestate`, of which nothing is taken that the recommendation (W3C Trace Context, section 3.2) does
/// not allow. The SDK by itself takes ids of any length, and ids with a sign; it formats each id as a number, and sends a
/// `tracestate` also where there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceContext(TraceContextPropagator);

impl TraceContext {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl TextMapPropagator for TraceContext {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let span = span.span_context();
        if span.is_valid() {
            injector.set("traceparent", traceparent(span));
            let state = span.trace_state().header();
            if !state.is_empty() {
                injector.set("tracestate", state);
            }
        }
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

/// Version 00, whose only flag is that the trace is sampled.
fn traceparent(span: &SpanContext) -> String {
    let mut text = String::with_capacity(LENGTH);
    text.push_str("00-");
    push_hex(&mut text, &span.trace_id().to_bytes());
    text.push('-');
    push_hex(&mut text, &span.span_id().to_bytes());
    text.push_str(if span.is_sampled() { "-01" } else { "-00" });
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
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
    use std::collections::HashMap;

    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    #[test]
    fn what_is_written_is_what_the_sdk_writes() {
        let random = &mut fastrand::Rng::with_seed(7);
        for _ in 0..1_000 {
            let (trace, span) = (random.u128(..) >> random.u32(..128), random.u64(..) >> random.u32(..64));
            let (trace, span) = (TraceId::from(trace), SpanId::from(span));
            let state = random.bool().then(|| TraceState::from_key_value([("a", "1"), ("b", "2")]).unwrap());
            let flags = TraceFlags::new(random.u8(..));
            let span = SpanContext::new(trace, span, flags, random.bool(), state.unwrap_or_default());
            let cx = Context::new().with_remote_span_context(span);
            let (mut written, mut expected) = (HashMap::new(), HashMap::new());
            TraceContext::new().inject_context(&cx, &mut written);
            TraceContextPropagator::new().inject_context(&cx, &mut expected);
            // It sends a header without anything in it, too.
            expected.retain(|_, value: &mut String| !value.is_empty());
            assert_eq!(written, expected);
        }
    }

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
