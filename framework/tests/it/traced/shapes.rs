//! Every shape of function that there is.

use std::fmt::Display;
use std::future::{Future, pending};

use futures_util::future::{FutureExt as _, join};
use spanbox::telemetry;
use tokio::task::yield_now;

use super::{Service, current_id};

struct Basket<T> {
    items: Vec<T>,
}

trait Priced {
    const NAME: &'static str;

    async fn price(&mut self, tax: u32) -> Result<u32, std::num::ParseIntError>;

    #[spanbox::traced]
    fn rounded(&self, price: u32) -> u32 {
        price / 10 * 10
    }
}

impl<T: Clone + Display> Basket<T> {
    #[spanbox::traced]
    fn first(&self) -> Option<&T> {
        self.items.first()
    }

    #[spanbox::traced]
    fn last_mut<'a, 'b: 'a>(&'a mut self, fallback: &'b mut T) -> &'a mut T {
        match self.items.last_mut() {
            Some(last) => last,
            None => fallback,
        }
    }

    #[spanbox::traced]
    fn into_texts(self, _unused: impl Into<String>) -> impl Iterator<Item = String> {
        self.items.into_iter().map(|item| item.to_string())
    }

    #[spanbox::traced]
    async fn longest<'a>(&'a self, other: &'a str) -> &'a str {
        yield_now().await;
        if self.items.is_empty() {
            return other;
        }
        "something"
    }
}

impl Priced for Basket<&str> {
    const NAME: &'static str = "price_basket";

    #[spanbox::traced(name = Self::NAME)]
    async fn price(&mut self, mut tax: u32) -> Result<u32, std::num::ParseIntError> {
        for item in self.items.drain(..) {
            tax += item.parse::<u32>()?;
        }
        Ok(self.rounded(tax))
    }
}

#[spanbox::traced]
fn countdown<const N: usize, T>((mut from, step): (usize, usize), then: impl FnOnce() -> T) -> T
where
    T: Sized,
{
    while from > N {
        from = from.saturating_sub(step);
    }
    then()
}

#[spanbox::traced]
fn r#match(n: u64) -> u64 {
    if n == 0 { 1 } else { n * r#match(n - 1) }
}

#[spanbox::traced]
async fn displayed(text: impl Display) -> Result<impl Display, std::fmt::Error> {
    #![allow(clippy::to_string_in_format_args)]
    yield_now().await;
    if text.to_string().is_empty() {
        return Err(std::fmt::Error);
    }
    Ok(text)
}

#[spanbox::traced]
async fn boxed(empty: bool) -> Box<dyn Display> {
    if empty {
        return Box::new("nothing");
    }
    Box::new(7)
}

#[spanbox::traced]
fn unit() {}

#[spanbox::traced]
async fn outer() {
    inner().await;
    yield_now().await;
    unit();
}

#[spanbox::traced]
async fn inner() {
    yield_now().await;
}

#[actix::test]
async fn methods_of_generic_types_and_traits_are_traced() {
    let service = Service::new();
    let mut basket = Basket { items: vec!["1", "29"] };
    assert_eq!(basket.first(), Some(&"1"));
    *basket.last_mut(&mut "0") = "30";
    assert_eq!(basket.longest("other").await, "something");
    assert_eq!(basket.price(5).await, Ok(30));
    assert_eq!(basket.into_texts("").count(), 0);
    for name in ["first", "last_mut", "longest", "into_texts"] {
        service.span(name);
    }
    assert_eq!(service.parent("rounded").as_deref(), Some("price_basket"));
}

#[actix::test]
async fn arguments_and_results_are_as_they_would_be() {
    let service = Service::new();
    assert!(countdown::<2, _>((9, 2), || current_id() != opentelemetry::trace::SpanId::INVALID));
    assert_eq!(displayed("text").await.unwrap().to_string(), "text");
    assert!(displayed("").await.is_err());
    assert_eq!(boxed(true).await.to_string() + &boxed(false).await.to_string(), "nothing7");
    assert_eq!(r#match(3), 6);
    assert_eq!(service.capture.spans().named("match").count(), 4);
    service.span("countdown");
}

#[actix::test]
async fn a_span_is_current_at_every_poll_of_its_body_and_at_no_other_time() {
    let service = Service::new();
    join(outer(), telemetry::span("beside").run(yield_now())).await;
    assert_eq!(service.parent("outer"), None);
    assert_eq!(service.parent("beside"), None);
    assert_eq!(service.parent("inner").as_deref(), Some("outer"));
    assert_eq!(service.parent("unit").as_deref(), Some("outer"));
    assert_eq!(current_id(), opentelemetry::trace::SpanId::INVALID);
}

#[test]
fn a_future_stays_send_if_it_was() {
    fn sent<F: Future + Send>(work: F) -> F {
        work
    }
    let service = Service::new();
    let text = String::from("text");
    drop(sent(displayed(text)));
    sent(outer()).now_or_never();
    assert_eq!(service.capture.spans().named("outer").count(), 1, "a future that is given up has ended");
}

#[test]
fn nothing_begins_before_the_first_poll() {
    #[spanbox::traced]
    async fn waits() {
        pending::<()>().await;
    }
    let service = Service::new();
    let mut work = Box::pin(waits());
    assert!(service.capture.open().is_empty());
    assert!(work.as_mut().now_or_never().is_none());
    assert_eq!(service.capture.open(), ["waits"]);
    drop(work);
    service.span("waits");
}

#[actix::test]
async fn spans_of_instrumented_and_traced_functions_are_each_others_parents() {
    #[tracing::instrument]
    async fn instrumented() {
        yield_now().await;
        traced_below().await;
    }
    #[spanbox::traced]
    async fn traced_below() {
        yield_now().await;
        instrumented_below();
    }
    #[tracing::instrument]
    fn instrumented_below() {}

    #[spanbox::traced(name = "traced first")]
    #[tracing::instrument(name = "instrumented second")]
    async fn traced_and_instrumented() {
        yield_now().await;
    }
    #[tracing::instrument(name = "instrumented first")]
    #[spanbox::traced(name = "traced second")]
    async fn instrumented_and_traced() {
        yield_now().await;
    }

    let service = Service::new();
    telemetry::span("request")
        .run(async {
            instrumented().await;
            traced_and_instrumented().await;
            instrumented_and_traced().await;
        })
        .await;
    for (span, parent) in [
        ("instrumented", "request"),
        ("traced_below", "instrumented"),
        ("instrumented_below", "traced_below"),
    ] {
        assert_eq!(service.parent(span).as_deref(), Some(parent), "{:?}", service.capture.spans());
    }
    // Which of the two is outside is up to the compiler's order of expansion: one is below the other, always.
    for (one, other) in [("traced first", "instrumented second"), ("traced second", "instrumented first")] {
        let mut parents = [service.parent(one).unwrap(), service.parent(other).unwrap()];
        parents.sort();
        assert!(parents.contains(&"request".to_owned()), "{parents:?}");
        assert!(parents.contains(&one.to_owned()) || parents.contains(&other.to_owned()), "{parents:?}");
    }
}
