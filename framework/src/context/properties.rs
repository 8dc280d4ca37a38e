//! What holds of the headers of a trace, whatever they are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use regex::Regex;

use super::{Border, extract, inject};

/// The grammar of W3C Trace Context, section 3.2, written down once more and otherwise.
static TRACEPARENT: LazyLock<Regex> = LazyLock::new(|| {
    let version = "(00|0[1-9a-f]|[1-9a-e][0-9a-f]|f[0-9a-e])";
    let pattern = format!("^{version}-([0-9a-f]{{32}})-([0-9a-f]{{16}})-([0-9a-f]{{2}})(-.*)?$");
    Regex::new(&pattern).expect("a pattern that compiles")
});

const ACCEPTED: &str = "tenant";

/// The lines are `traceparent`, `tracestate` and `baggage`.
pub fn trace_headers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, line) in
        ["traceparent", "tracestate", "baggage"].into_iter().zip(data.split(|byte| *byte == b'\n'))
    {
        if let Ok(value) = HeaderValue::from_bytes(line.trim_ascii()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let text = headers.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let cx = extract(&Context::new(), &headers);
    only_what_is_one_is_taken(text.as_deref(), &cx);
    what_is_written_is_read_again(&cx);
    nothing_passes_the_border_that_is_not_on_its_list(&cx);
}

fn only_what_is_one_is_taken(text: Option<&str>, cx: &Context) {
    let expected = text.and_then(|text| {
        let [version, trace, span, flags, more] =
            TRACEPARENT.captures(text)?.iter().skip(1).collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let of = |part: Option<regex::Match<'_>>| part.map_or("", |part| part.as_str()).to_owned();
        let (trace, span, flags) = (of(trace), of(span), of(flags));
        let zero = |id: &str| id.bytes().all(|digit| digit == b'0');
        let alone = of(version) != "00" || more.is_none();
        let sampled = u8::from_str_radix(&flags, 16).is_ok_and(|flags| flags & 1 == 1);
        (alone && !zero(&trace) && !zero(&span)).then_some((trace, span, sampled))
    });
    let span = cx.span();
    let span = span.span_context();
    let is =
        span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string(), span.is_sampled()));
    assert_eq!(is, expected, "of {text:?}");
}

/// Keys, with values and properties; what is around the `;` of these does not count.
fn entries(cx: &Context) -> BTreeMap<String, (String, String)> {
    let properties = |text: &str| text.split(';').map(str::trim).collect::<Vec<_>>().join(";");
    let entry = |(key, (value, more)): (&opentelemetry::Key, &(opentelemetry::StringValue, _))| {
        let more: &opentelemetry::baggage::BaggageMetadata = more;
        (key.to_string(), (value.to_string(), properties(more.as_str())))
    };
    cx.baggage().iter().map(entry).collect()
}

fn hop(cx: &Context) -> Context {
    let mut headers = HeaderMap::new();
    inject(cx, &mut headers);
    extract(&Context::new(), &headers)
}

fn what_is_written_is_read_again(cx: &Context) {
    let mut headers = HeaderMap::new();
    inject(cx, &mut headers);
    let baggage = headers.get("baggage").map_or(0, HeaderValue::len);
    assert!(baggage <= 8192, "{baggage} bytes of baggage");
    let again = extract(&Context::new(), &headers);
    assert_eq!(again.span().span_context().is_valid(), cx.span().span_context().is_valid());
    if cx.span().span_context().is_valid() {
        assert_eq!(again.span().span_context(), cx.span().span_context());
    }
    let (before, after) = (entries(cx), entries(&again));
    // What has to be written as codes takes three times the room.
    let room = before
        .iter()
        .map(|(key, (value, more))| 3 * (key.len() + value.len() + more.len()) + 3)
        .sum::<usize>();
    if room <= 8192 {
        assert_eq!(after, before);
    }
    assert!(after.iter().all(|(key, value)| before.get(key) == Some(value)), "{after:?} of {before:?}");
}

fn nothing_passes_the_border_that_is_not_on_its_list(cx: &Context) {
    let border = Border::new(&[ACCEPTED.to_owned()], &[ACCEPTED.to_owned()]);
    let mut headers = std::collections::HashMap::new();
    border.inject_context(&border.accept(cx), &mut headers);
    let next = border.extract_with_context(&Context::new(), &headers);
    let next = hop(&next);
    assert!(next.baggage().iter().all(|(key, _)| key.as_str() == ACCEPTED), "{:?}", entries(&next));
}
