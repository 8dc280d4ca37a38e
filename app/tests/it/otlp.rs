//! What a collector receives from the program.

use std::process::{Command, Stdio};
use std::time::Duration;

use spanbox::testing::{OtlpReceiver, Process, ReceivedSpan};

/// Places one order, stops the program as soon as it is answered, and gives what the collector then has.
fn order_and_stop(environment: &[(&str, &str)], receiver: &OtlpReceiver) -> Vec<ReceivedSpan> {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(
        Command::new(env!("CARGO_BIN_EXE_orders"))
            .current_dir(directory.path())
            .env_clear()
            .env("PORT", "0")
            .envs(environment.iter().copied())
            .stdin(Stdio::null()),
    );
    let answer = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"1500.00"}"#);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (status, log) = process.terminate(Duration::from_secs(20));
    assert!(status.success(), "{log}");
    receiver.spans()
}

fn assert_one_tree(spans: &[ReceivedSpan]) {
    let request =
        spans.iter().find(|span| span.name == "POST /api/orders/").expect("the request's span arrived");
    let tree: Vec<_> = spans.iter().filter(|span| span.trace_id == request.trace_id).collect();
    for name in [
        "INSERT orders",
        "COMMIT",
        "actor.mailbox.wait",
        "OrderProcessor ProcessOrder",
        "process_order",
        "SELECT orders",
        "validate_high_value_order",
        "UPDATE orders",
    ] {
        let span =
            tree.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} is not in {tree:?}"));
        // Up from each span by its parents: the way ends at the request.
        let mut above = *span;
        while above.span_id != request.span_id {
            above = tree
                .iter()
                .find(|candidate| candidate.span_id == above.parent_id)
                .unwrap_or_else(|| panic!("{} has a parent that never arrived", above.name));
        }
    }
    assert!(request.resource.iter().any(|(key, value)| key == "service.name" && value == "orders"));
}

#[test]
fn an_order_arrives_as_one_tree_over_grpc_though_the_program_stops_at_once() {
    let receiver = OtlpReceiver::start().unwrap();
    let endpoint = receiver.grpc_endpoint();
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert_one_tree(&order_and_stop(&environment, &receiver));
}

#[test]
fn an_order_arrives_as_one_tree_over_http_though_the_program_stops_at_once() {
    let receiver = OtlpReceiver::start().unwrap();
    let endpoint = receiver.http_endpoint();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ];
    assert_one_tree(&order_and_stop(&environment, &receiver));
}
