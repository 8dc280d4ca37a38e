//! What a traced function records, and when.

use std::cell::Cell;

use opentelemetry::trace::{SpanKind, Status};
use spanbox::redact::Secret;

use super::{Service, current_id};

struct Order {
    id: u64,
    email: Option<String>,
    amount: Amount,
}

#[derive(Debug)]
struct Amount(u32);

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

fn order() -> Order {
    Order { id: 7, email: None, amount: Amount(999) }
}

#[spanbox::traced(
    name = "payment_gateway.charge",
    kind = "client",
    fields(order.id = order.id, order.amount = %order.amount, "debug" = ?order.amount, email = order.email),
    args(method, ?password)
)]
fn charge(order: Order, method: &str, password: Secret<&str>, card: &str) -> usize {
    drop(order);
    method.len() + password.expose().len() + card.len()
}

#[test]
fn what_is_named_is_recorded_and_no_other_argument() {
    let service = Service::new();
    assert_eq!(charge(order(), "paypal", Secret::new("hunter2"), "4111"), 17);
    let span = service.span("payment_gateway.charge");
    assert_eq!(span.span_kind, SpanKind::Client);
    for (key, value) in [
        ("order.id", Some("7")),
        ("order.amount", Some("9.99")),
        ("debug", Some("Amount(999)")),
        ("email", None),
        ("method", Some("paypal")),
        ("password", Some("***")),
    ] {
        assert_eq!(service.attribute("payment_gateway.charge", key).as_deref(), value, "{key}");
    }
    let text = format!("{span:?}");
    assert!(!text.contains("4111") && !text.contains("hunter2"), "{text}");
    assert_eq!(span.status, Status::Unset);
}

#[actix::test]
async fn the_functions_path_is_recorded() {
    struct Ledger;

    impl Ledger {
        #[spanbox::traced]
        async fn settle(&self) {}
    }

    #[spanbox::traced]
    fn total() {}

    let service = Service::new();
    total();
    Ledger.settle().await;
    let path = |name| service.attribute(name, "code.function.name").unwrap();
    assert!(
        path("total").ends_with("the_functions_path_is_recorded::{{closure}}::total"),
        "{}",
        path("total")
    );
    assert!(path("settle").ends_with("Ledger::settle"), "{}", path("settle"));
}

#[actix::test]
async fn where_nothing_is_recorded_no_value_is_even_evaluated() {
    #[spanbox::traced(fields(n = { seen.set(seen.get() + 1); seen.get() }))]
    fn counted(seen: &Cell<u32>) {}

    #[spanbox::traced(fields(n = { seen.set(seen.get() + 1); seen.get() }))]
    async fn counted_later(seen: &Cell<u32>) -> opentelemetry::trace::SpanId {
        current_id()
    }

    let service = Service::new();
    let seen = Cell::new(0);
    {
        let _unsampled = service.unsampled().attach();
        counted(&seen);
        assert_eq!(counted_later(&seen).await, 2.into(), "the caller's span stays the current one");
    }
    {
        let _elsewhere = opentelemetry::Context::new().attach();
        counted(&seen);
        counted_later(&seen).await;
    }
    assert_eq!(seen.get(), 0);
    assert!(service.capture.spans().all().is_empty());
    counted(&seen);
    counted_later(&seen).await;
    assert_eq!(seen.get(), 2);
    assert_eq!(service.attribute("counted", "n").as_deref(), Some("1"));
}
