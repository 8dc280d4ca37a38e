use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};

use crate::context::{Baggage, TraceContext, with_allowed_baggage};

/// The least that the W3C recommendation (Trace Context, 3.3.1.5) wants carried; longer lists are left behind whole.
const MAX_TRACESTATE: usize = 512;

/// The trace context that is stored with a job, in the words of the W3C's headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The span that enqueued the job.
    pub traceparent: Option<String>,
    /// What vendors add to it.
    pub tracestate: Option<String>,
    /// The baggage that the policy lets through.
    pub baggage: Option<String>,
}

impl Carried {
    /// What `cx` carries; of its baggage, what has one of the `keys`.
    #[must_use]
    pub fn capture(cx: &Context, keys: &[&str]) -> Self {
        let mut headers = HeadersMut::default();
        TraceContext::new().inject_context(cx, &mut headers);
        if !keys.is_empty() && !cx.baggage().is_empty() {
            let allowed = with_allowed_baggage(cx, |key| keys.contains(&key));
            Baggage::new().inject_context(&allowed, &mut headers);
        }
        let HeadersMut(mut carried) = headers;
        carried.tracestate.take_if(|state| state.len() > MAX_TRACESTATE);
        carried
    }

    /// The context that was captured, on top of `base`. What does not parse is ignored.
    #[must_use]
    pub fn restore(&self, base: &Context) -> Context {
        let mut cx = base.clone();
        if self.traceparent.is_some() {
            cx = TraceContext::new().extract_with_context(&cx, &Headers(self));
        }
        if self.baggage.is_some() {
            cx = Baggage::new().extract_with_context(&cx, &Headers(self));
        }
        cx
    }

    /// The trace that enqueued the job, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref()?.split('-').nth(1)
    }
}

/// It as propagators write it.
#[derive(Default)]
struct HeadersMut(Carried);

impl Injector for HeadersMut {
    fn set(&mut self, key: &str, value: String) {
        match key {
            "traceparent" => self.0.traceparent = Some(value),
            "tracestate" => self.0.tracestate = Some(value),
            "baggage" => self.0.baggage = Some(value),
            _ => {}
        }
    }
}

/// It as propagators read it.
struct Headers<'a>(&'a Carried);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.0.traceparent.as_deref(),
            "tracestate" => self.0.tracestate.as_deref(),
            "baggage" => self.0.baggage.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        ["traceparent", "tracestate", "baggage"].into_iter().filter(|key| self.get(key).is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use opentelemetry::KeyValue;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

    use super::*;

    fn context(state: &str) -> Context {
        let span = SpanContext::new(
            TraceId::from(7),
            SpanId::from(9),
            TraceFlags::SAMPLED,
            true,
            TraceState::from_str(state).unwrap(),
        );
        Context::new()
            .with_remote_span_context(span)
            .with_baggage([KeyValue::new("tenant", "acme, inc"), KeyValue::new("email", "a@b.example")])
    }

    #[test]
    fn what_was_captured_is_restored() {
        let carried = Carried::capture(&context("vendor=1"), &["tenant", "absent"]);
        assert_eq!(carried.trace_id(), Some("00000000000000000000000000000007"));
        let cx = carried.restore(&Context::new());
        let span = cx.span().span_context().clone();
        assert_eq!((span.trace_id(), span.span_id()), (TraceId::from(7), SpanId::from(9)));
        assert!(span.is_sampled());
        assert_eq!(span.trace_state().header(), "vendor=1");
        assert_eq!(cx.baggage().get("tenant").unwrap().as_str(), "acme, inc");
    }

    #[test]
    fn baggage_that_is_not_allowed_stays_behind() {
        let carried = Carried::capture(&context(""), &["tenant"]);
        assert!(!carried.baggage.unwrap().contains("email"));
        assert_eq!(Carried::capture(&context(""), &[]).baggage, None);
    }

    #[test]
    fn nothing_is_captured_of_nothing() {
        assert_eq!(Carried::capture(&Context::new(), &["tenant"]), Carried::default());
    }

    #[test]
    fn a_tracestate_that_is_too_long_stays_behind() {
        let long = format!("vendor={}", "x".repeat(200));
        let many: Vec<_> = (0..4).map(|n| format!("v{n}{}", &long[1..])).collect();
        let carried = Carried::capture(&context(&many.join(",")), &[]);
        assert!(carried.traceparent.is_some() && carried.tracestate.is_none());
    }
}
