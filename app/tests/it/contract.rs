//! What the service emits on top of spanbox, and the page that says so: docs/TELEMETRY.md.

use std::path::Path;
use std::time::Duration;

use orders::create_app;
use spanbox::testing::contract::{Attribute, Contract, SPANBOX, Span, SpanKind, Type};
use spanbox::testing::{CapturedMetrics, TestApp};

use crate::expire::expire;
use crate::orders::{becomes, place};
use crate::stored::Records;

pub(crate) const ORDERS: Contract = Contract::new("orders")
    .on(&SPANBOX)
    .spans(&[
        Span::new(SpanKind::Internal, "calculate_analytics", "The orders are counted and summed up.")
            .has(&["code.function.name", "analytics.total_orders", "analytics.pending_orders"])
            .events(&["exception"]),
        Span::new(SpanKind::Internal, "process_order", "An order is taken to its end.")
            .has(&["code.function.name", "order.id"])
            .may_have(&["error.type"])
            .events(&["exception"]),
        Span::new(SpanKind::Internal, "validate_high_value_order", "An order of high value is looked at.")
            .has(&["code.function.name", "order.amount", "order.accepted"]),
        Span::new(SpanKind::Internal, "process_payment", "An order is paid.")
            .has(&["code.function.name", "order.id", "payment.amount", "payment.method"])
            .may_have(&["payment.transaction_id", "payment.declined", "error.type"])
            .events(&["exception"]),
        Span::new(SpanKind::Internal, "validate_payment_method", "Whether one can pay that way.")
            .has(&["code.function.name", "payment.method"])
            .events(&["exception"]),
        Span::new(SpanKind::Client, "payment_gateway.charge", "The payment gateway is asked to charge.")
            .has(&["code.function.name", "payment.gateway", "payment.amount"])
            .may_have(&["payment.transaction_id", "payment.declined", "error.type"])
            .events(&["exception"]),
        Span::new(
            SpanKind::Internal,
            "expire_stale_orders",
            "Orders that nobody processes any more are ended.",
        )
        .has(&["code.function.name", "orders.expired"])
        .may_have(&["error.type"])
        .events(&["exception"]),
    ])
    .attributes(&[
        Attribute::new(Type::Int, "analytics.total_orders", "Orders that there are."),
        Attribute::new(Type::Int, "analytics.pending_orders", "Orders that are `pending`."),
        Attribute::new(Type::Int, "order.id", "The order."),
        Attribute::new(Type::String, "order.amount", "What it comes to, as decimal text."),
        Attribute::new(Type::Boolean, "order.accepted", "Whether an order of high value was accepted."),
        Attribute::new(Type::Int, "orders.expired", "How many orders were ended."),
        Attribute::new(Type::String, "payment.amount", "What is paid, as decimal text."),
        Attribute::new(Type::String, "payment.method", "`credit_card`, `debit_card` or `paypal`."),
        Attribute::new(Type::String, "payment.gateway", "The gateway."),
        Attribute::new(Type::String, "payment.transaction_id", "The gateway's name for the charge."),
        Attribute::new(Type::String, "payment.declined", "Why the gateway declined."),
    ]);

#[actix::test]
async fn what_is_emitted_is_in_the_contract_and_the_other_way_round() {
    let metrics = CapturedMetrics::default();
    let receiver = metrics.clone();
    let create_app = |profile: Option<&str>| create_app(profile).metric_exporter(receiver);
    let app = TestApp::start_with(create_app, [("APP_PAYMENTS__DECLINE_ABOVE", "5000.00")]).await;
    let records = Records::open(app.database()).await;
    for (amount, status) in [("9.99", "completed"), ("1500.00", "completed"), ("5000.01", "failed")] {
        let id = place(&app, "Widget", amount).await;
        becomes(&app, id, status).await;
    }
    for path in ["/api/orders/", "/api/orders/analytics", "/api/orders/0", "/nowhere"] {
        app.get(path).await;
    }
    expire(&app, &records).await;
    records.close().await;
    let _ = app.running().telemetry().flush(Duration::from_secs(5));
    let (_, spans) = app.stop().await;
    let emitted = metrics.with(&spans);
    assert_eq!(ORDERS.unlisted(&emitted), [""; 0], "emitted and not in the contract");
    assert_eq!(ORDERS.unseen(&emitted), [""; 0], "in the contract and not emitted");
}

#[test]
fn the_contract_keeps_to_the_conventions() {
    assert_eq!(ORDERS.unconventional(), [""; 0]);
}

const HEAD: &str = "\
# What the telemetry says

Every span, event, metric and attribute that the order service and the framework under it emit. Written by
`UPDATE=1 cargo test -p orders --test it contract` from the two contracts, that of spanbox
(`framework/src/testing/contract/spanbox/`) and that of the service (`app/tests/it/contract.rs`), which tests hold against
what is emitted, against the source, and against the semantic conventions of OpenTelemetry. \"Stable\" and \"development\"
are the conventions' words for what they define; what is \"ours\" is defined here. `{words}` in braces stand for any text.

A trace begins with a request, a job that is not part of its cause's trace, a schedule's tick, or the start and the stop of
the service. What is recorded of it is decided there (`telemetry.sample_ratio`); `spanbox.kept` says why one is here all the
same. To begin with an error: look for spans with `error.type`, read the `exception` event for the cause. To begin with a
slow request: look for the longest of `db.pool.wait`, `jobs.queue.wait` and `actor.mailbox.wait`, which are waits, and of the
client spans, which are work of others. Fields that `tracing` spans and logs have are not listed here.

";

#[test]
fn the_page_is_what_the_contracts_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TELEMETRY.md");
    let page = format!("{HEAD}{}\n{}", ORDERS.to_markdown(), SPANBOX.to_markdown());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/TELEMETRY.md is not what the contracts say: UPDATE=1 cargo test -p orders --test it contract"
    );
}
