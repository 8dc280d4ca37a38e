//! What a collector receives from the program.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use spanbox::testing::{OtlpReceiver, Process, ReceivedSpan, ReceiverMode, TestDatabase};

use crate::stored::Records;
use crate::trace::{COMPLETE, ENQUEUE};

/// Every span of an order of high value, and how often it is there. The waits for a connection come on top: they are
/// spans only when somebody could see them.
const ORDER: &[(&str, usize)] = &[
    ("POST /api/orders/", 1),
    ("INSERT orders", 1),
    ("send orders", 1),
    (ENQUEUE, 1),
    ("jobs.queue.wait", 1),
    ("process orders", 1),
    ("actor.mailbox.wait", 1),
    ("JobWorker RunJob", 1),
    ("process_order", 1),
    ("SELECT orders", 1),
    ("validate_high_value_order", 1),
    ("process_payment", 1),
    ("validate_payment_method", 1),
    ("payment_gateway.charge", 1),
    ("INSERT charges", 1),
    ("UPDATE orders", 2),
    (COMPLETE, 1),
    ("BEGIN", 4),
    ("COMMIT", 4),
];

/// The program, which exports to the receiver.
fn start(receiver: &OtlpReceiver, protocol: &str, database: &TestDatabase, directory: &Path) -> Process {
    start_with(receiver, protocol, database, directory, &[])
}

fn start_with(
    receiver: &OtlpReceiver,
    protocol: &str,
    database: &TestDatabase,
    directory: &Path,
    environment: &[(&str, &str)],
) -> Process {
    let endpoint = if protocol == "grpc" { receiver.grpc_endpoint() } else { receiver.http_endpoint() };
    Process::start(
        Command::new(env!("CARGO_BIN_EXE_orders"))
            .current_dir(directory)
            .env_clear()
            .env("PORT", "0")
            .env("APP_MANAGEMENT__PORT", "0")
            .env("DATABASE_URL", database.url())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .envs(environment.iter().copied())
            .stdin(Stdio::null()),
    )
}

/// Places orders, stops the program as soon as the last is completed, and gives what the collector then has.
async fn order_and_stop(orders: usize, protocol: &str) -> Vec<ReceivedSpan> {
    let receiver = OtlpReceiver::start().unwrap();
    let database = TestDatabase::fresh().await;
    let directory = tempfile::tempdir().unwrap();
    let process = start(&receiver, protocol, &database, directory.path());
    for _ in 0..orders {
        let answer = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"1500.00"}"#);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let records = Records::open(&database).await;
    records.are_completed_once(orders).await;
    records.close().await;
    let (status, log) = process.terminate(Duration::from_secs(60));
    assert!(status.success() && !log.contains("could be sent"), "{log}");
    receiver.spans()
}

/// The roots that are the service's own.
const OWN: [&str; 2] = ["service.start", "service.stop"];

/// No span twice, none that ends before it starts, none without a cause, and all of one service.
fn assert_whole(spans: &[ReceivedSpan]) {
    let by_id: HashMap<_, _> = spans.iter().map(|span| (span.span_id.as_str(), span)).collect();
    assert_eq!(by_id.len(), spans.len(), "a span arrived twice, or two have one id");
    for span in spans {
        assert!(span.start_nanos <= span.end_nanos, "it ends before it starts: {span:?}");
        assert_eq!(span.resource["service.name"], "orders", "{span:?}");
        if span.parent_id.is_empty() {
            let explained = matches!(span.kind, "server" | "consumer")
                || OWN.contains(&&*span.name)
                || !span.links.is_empty();
            assert!(explained, "a root without a reason: {span:?}");
        }
        // Up by the parents: the way ends at the root of the trace, and not in a circle.
        let mut above = span;
        for _ in 0..spans.len() {
            let Some(parent) = by_id.get(above.parent_id.as_str()) else { break };
            assert_eq!(parent.trace_id, span.trace_id, "its parent is of another trace: {span:?}");
            above = parent;
        }
        assert!(above.parent_id.is_empty(), "the parent never arrived: {above:?}");
    }
}

/// Each order is one tree below its request, complete.
fn assert_orders(spans: &[ReceivedSpan], orders: usize) {
    assert_whole(spans);
    let mut traces: BTreeMap<&str, Vec<&ReceivedSpan>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    traces.retain(|_, spans| !spans.iter().any(|span| OWN.contains(&&*span.name)));
    assert_eq!(traces.len(), orders, "a trace per order, and those of the start and the stop");
    for tree in traces.values() {
        let roots: Vec<_> =
            tree.iter().filter(|span| span.parent_id.is_empty()).map(|span| &span.name).collect();
        assert_eq!(roots, ["POST /api/orders/"], "{tree:#?}");
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for span in tree.iter().filter(|span| span.name != "db.pool.wait") {
            // The names of these go on with how the database reads the job that is stored or completed.
            let name = [ENQUEUE, COMPLETE].into_iter().find(|name| span.name.contains(name));
            *names.entry(name.unwrap_or(&span.name)).or_default() += 1;
        }
        assert_eq!(names, ORDER.iter().copied().collect(), "{tree:#?}");
        for span in tree {
            assert_ne!(span.status, "error", "{span:?}");
        }
    }
}

#[actix::test]
async fn an_order_arrives_as_one_tree_over_grpc_though_the_program_stops_then() {
    assert_orders(&order_and_stop(1, "grpc").await, 1);
}

#[actix::test]
async fn an_order_arrives_as_one_tree_over_http_though_the_program_stops_then() {
    assert_orders(&order_and_stop(1, "http/protobuf").await, 1);
}

#[actix::test]
async fn twenty_orders_lose_no_span_over_grpc_though_the_program_stops_then() {
    assert_orders(&order_and_stop(20, "grpc").await, 20);
}

#[actix::test]
async fn twenty_orders_lose_no_span_over_http_though_the_program_stops_then() {
    assert_orders(&order_and_stop(20, "http/protobuf").await, 20);
}

/// A number in the environment, for longer runs.
fn size(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |size| size.parse().unwrap())
}

/// The spans of so many requests that the program answered right before it is stopped arrive, all, every time. How often
/// is `STOPS` (default 2).
async fn stop_after_requests(requests: usize, protocol: &str) {
    let stops = size("STOPS", 2);
    for stop in 1..=stops {
        let receiver = OtlpReceiver::start().unwrap();
        let database = TestDatabase::fresh().await;
        let directory = tempfile::tempdir().unwrap();
        let process = start(&receiver, protocol, &database, directory.path());
        for _ in 0..requests {
            assert!(process.get("/api/orders/").starts_with("HTTP/1.1 200"));
        }
        let (status, log) = process.terminate(Duration::from_secs(60));
        assert!(status.success() && !log.contains("could be sent"), "{log}");
        let spans = receiver.spans();
        assert_whole(&spans);
        let served = spans.iter().filter(|span| span.name == "GET /api/orders/").count();
        assert_eq!(served, requests, "at stop {stop}");
        assert!(spans.len() > 2 * requests, "a request is more than a span: {}", spans.len());
    }
    println!("{stops} stops: all spans of {requests} requests arrived");
}

#[actix::test]
async fn the_last_thousand_spans_arrive_over_grpc_each_time_it_is_stopped() {
    stop_after_requests(400, "grpc").await;
}

#[actix::test]
async fn the_last_thousand_spans_arrive_over_http_each_time_it_is_stopped() {
    stop_after_requests(400, "http/protobuf").await;
}

#[actix::test]
async fn a_collector_that_is_not_there_or_hangs_keeps_no_stop_for_longer_than_it_may() {
    for mode in [ReceiverMode::Down, ReceiverMode::Hang] {
        for protocol in ["grpc", "http/protobuf"] {
            let receiver = OtlpReceiver::start().unwrap();
            receiver.set_mode(mode);
            let database = TestDatabase::fresh().await;
            let directory = tempfile::tempdir().unwrap();
            let process = start(&receiver, protocol, &database, directory.path());
            for _ in 0..50 {
                assert!(process.get("/api/orders/").starts_with("HTTP/1.1 200"));
            }
            let began = Instant::now();
            let (status, log) = process.terminate(Duration::from_secs(60));
            println!("{mode:?}, {protocol}: gone after {:?}", began.elapsed());
            assert!(status.success(), "{log}");
            let lost =
                log.lines().find(|line| line.contains("could be sent")).unwrap_or_else(|| panic!("{log}"));
            assert!(lost.contains("spans 0 sent"), "{lost}");
        }
    }
}

/// `TRACED_EXPORTS` (default 30) of them, each a while after the one before.
#[actix::test]
async fn exporting_records_nothing_of_itself_however_much_is_logged() {
    for protocol in ["grpc", "http/protobuf"] {
        let receiver = OtlpReceiver::start().unwrap();
        let database = TestDatabase::fresh().await;
        let directory = tempfile::tempdir().unwrap();
        let environment = [("LOG_LEVEL", "trace"), ("OTEL_METRIC_EXPORT_INTERVAL", "200")];
        let process = start_with(&receiver, protocol, &database, directory.path(), &environment);
        let (exports, deadline) = (size("TRACED_EXPORTS", 30), Instant::now() + Duration::from_secs(600));
        while receiver.requests() < exports {
            assert!(Instant::now() < deadline, "{} exports", receiver.requests());
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let (status, log) = process.terminate(Duration::from_secs(60));
        assert!(status.success(), "{log}");
        let spans = receiver.spans();
        let root = |span: &ReceivedSpan| OWN.contains(&&*span.name);
        let own: Vec<_> = spans.iter().filter(|span| root(span)).map(|span| &span.trace_id).collect();
        let others: Vec<_> = spans.iter().filter(|span| !own.contains(&&span.trace_id)).collect();
        assert!(others.is_empty(), "{others:#?}");
        println!("{protocol}: {} exports, and no span of them", receiver.requests());
    }
}
