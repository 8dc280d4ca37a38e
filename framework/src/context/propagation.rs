use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};

use super::baggage::Baggage;
use super::trace_context::TraceContext;

pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Reads `traceparent`, `tracestate` and `baggage` (W3C) into a context on top of `base`.
///
/// Without any of them the answer is `base` itself, at the cost of two look-ups. A header that does not parse is ignored,
/// as the specification asks.
pub fn extract(base: &Context, headers: &HeaderMap) -> Context {
    Propagators::default().extract(base, headers, Context::clone).into_owned()
}

/// Writes the current span and baggage of `cx` into `headers` as `traceparent`, `tracestate` and `baggage` (W3C).
///
/// All of the baggage: for what stays within the service. What is sent to others is written by
/// [`Telemetry::inject`](crate::telemetry::Telemetry::inject), which leaves out what must not leave.
pub fn inject(cx: &Context, headers: &mut HeaderMap) {
    Propagators::default().inject(cx, headers);
}

/// What passes from one service to another. Default: both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Propagators {
    /// `traceparent` and `tracestate`.
    pub(crate) trace_context: bool,
    /// `baggage`.
    pub(crate) baggage: bool,
}

impl Default for Propagators {
    fn default() -> Self {
        Self { trace_context: true, baggage: true }
    }
}

impl Propagators {
    /// Neither.
    pub(crate) const NONE: Self = Self { trace_context: false, baggage: false };

    /// `accept` says what is taken of baggage, if there is any. Where nobody says anything, it is the base itself.
    pub(crate) fn extract<'a>(
        self,
        base: &'a Context,
        headers: &HeaderMap,
        accept: impl FnOnce(&Context) -> Context,
    ) -> Cow<'a, Context> {
        let carrier = Headers(headers);
        let mut cx = Cow::Borrowed(base);
        if self.trace_context && headers.contains_key(&TRACEPARENT) {
            cx = Cow::Owned(TraceContext::new().extract_with_context(&cx, &carrier));
        }
        if self.baggage && headers.contains_key(&BAGGAGE) {
            cx = Cow::Owned(accept(&Baggage::new().extract_with_context(&cx, &carrier)));
        }
        cx
    }

    pub(crate) fn inject(self, cx: &Context, headers: &mut HeaderMap) {
        if self.trace_context {
            TraceContext::new().inject_context(cx, &mut HeadersMut(headers));
        }
        if self.baggage {
            Baggage::new().inject_context(cx, &mut HeadersMut(headers));
        }
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::baggage::BaggageExt;
    use opentelemetry::trace::TraceContextExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn what_was_injected_is_extracted() {
        let cx = extract(&Context::new(), &headers(&[("traceparent", PARENT), ("baggage", "tenant=acme")]));
        let mut written = HeaderMap::new();
        inject(&cx, &mut written);
        assert_eq!(written.get("traceparent").unwrap(), PARENT);
        assert_eq!(written.get("baggage").unwrap(), "tenant=acme");
        assert_eq!(cx.baggage().get("tenant").unwrap().as_str(), "acme");
    }

    #[test]
    fn what_is_not_propagated_neither_comes_in_nor_goes_out() {
        let sent = headers(&[("traceparent", PARENT), ("baggage", "tenant=acme")]);
        let all = extract(&Context::new(), &sent);
        for (propagators, trace, baggage) in [
            (Propagators { baggage: false, ..Propagators::default() }, true, false),
            (Propagators { trace_context: false, ..Propagators::default() }, false, true),
            (Propagators::NONE, false, false),
        ] {
            let base = Context::new();
            let cx = propagators.extract(&base, &sent, Context::clone);
            assert_eq!((cx.span().span_context().is_valid(), cx.baggage().len() == 1), (trace, baggage));
            let mut written = HeaderMap::new();
            propagators.inject(&all, &mut written);
            assert_eq!(
                (written.contains_key("traceparent"), written.contains_key("baggage")),
                (trace, baggage)
            );
        }
    }

    #[test]
    fn a_broken_traceparent_is_ignored() {
        for broken in [
            "",
            "00-zz-zz-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-1-2-01",
            "junk",
        ] {
            let cx = extract(&Context::new(), &headers(&[("traceparent", broken)]));
            assert!(!cx.span().span_context().is_valid(), "{broken}");
        }
    }
}
