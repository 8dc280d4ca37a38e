//! What [`traced`](macro@crate::traced) expands to. Not for use by hand, and free to change.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::future::Future;

pub use opentelemetry::trace::SpanKind;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{KeyValue, Value};
use opentelemetry_semantic_conventions::attribute::CODE_FUNCTION_NAME;

use super::begun::Begun;
pub use super::begun::Inside;

/// The span of one call; `None` inside when nothing is recorded.
#[derive(Debug)]
pub struct Traced(Option<Begun>);

/// Begins the span of a call. `here` is the path of an item `here` in the body of the function.
pub fn begin<F>(
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    here: &'static str,
    fields: impl FnOnce() -> F,
) -> Traced
where
    F: IntoIterator<Item = (&'static str, Option<Value>)>,
{
    let begun = super::span(name).kind(kind).begin();
    if let Some(begun) = &begun {
        let span = begun.context().span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new(CODE_FUNCTION_NAME, function(here)));
            let fields = fields().into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
            span.set_attributes(fields);
        }
    }
    Traced(begun)
}

/// `orders::total` of `orders::total::{{closure}}::here`: the body of an `async fn` is a closure in it.
fn function(here: &'static str) -> &'static str {
    let function = here.strip_suffix("::here").unwrap_or(here);
    function.strip_suffix("::{{closure}}").unwrap_or(function)
}

impl Traced {
    /// Calls the body with the span as the current one.
    pub fn call<T>(&self, body: impl FnOnce() -> T) -> T {
        let _current = self.0.as_ref().map(Begun::enter);
        body()
    }

    /// The body with the span as the current one whenever it is polled.
    pub fn run<F: Future>(&self, body: F) -> Inside<F> {
        Inside::new(body, self.0.as_ref())
    }

    pub(super) fn begun(&self) -> Option<&Begun> {
        self.0.as_ref()
    }
}

/// Gives an `async` block its type, by returning this where it is never reached.
pub fn never<T>() -> T {
    unreachable!("it is behind `if false`")
}

/// `%value`.
pub fn displayed(value: &(impl Display + ?Sized)) -> Option<Value> {
    Some(value.to_string().into())
}

/// `?value`.
pub fn debugged(value: &(impl Debug + ?Sized)) -> Option<Value> {
    Some(format!("{value:?}").into())
}

#[cfg(test)]
mod tests {
    use super::function;

    #[test]
    fn the_function_is_what_surrounds_the_item_in_it() {
        assert_eq!(function("orders::total::here"), "orders::total");
        assert_eq!(function("orders::Order::total::{{closure}}::here"), "orders::Order::total");
        assert_eq!(
            function("<orders::Order as orders::Total>::here::here"),
            "<orders::Order as orders::Total>::here"
        );
    }
}
