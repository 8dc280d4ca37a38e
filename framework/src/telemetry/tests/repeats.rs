use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::trace::Status;
use parking_lot::Mutex;

use super::super::Providers;
use super::super::console::{Console, Output};
use super::super::levels::{Directives, LogLevels};
use super::super::outage::LateDispatch;
use super::super::repeats::Repeats;
use super::super::subscriber::subscriber;
use super::{Captured, service};
use crate::config::LogFormat;
use crate::redact::Redactor;

/// One place in the code, and another of the same target.
fn chatter(number: u32) {
    tracing::warn!(target: "orders::gateway", number, "it does not answer");
    if number.is_multiple_of(10) {
        tracing::warn!(target: "orders::gateway", "still not");
    }
}

#[test]
fn what_is_logged_again_and_again_is_held_back_and_counted_by_where_it_is_written() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _thread = telemetry.enter_thread();
    (0..50).for_each(chatter);
    let count = |text: &str| captured.json().iter().filter(|line| line["message"] == text).count();
    assert_eq!((count("it does not answer"), count("still not")), (20, 5));
    assert_eq!(count("repeated lines were held back"), 0);
    telemetry.shutdown(Duration::from_secs(1));
    let lines = captured.json();
    let told: Vec<_> =
        lines.iter().filter(|line| line["message"] == "repeated lines were held back").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["level"], "WARN");
    assert_eq!(
        (&told[0]["fields"]["held"], &told[0]["fields"]["of"]),
        (&30.into(), &"orders::gateway".into())
    );
    assert!(told[0]["fields"]["at"].as_str().unwrap().contains("tests/repeats.rs:"), "{told:?}");
}

#[test]
fn what_is_no_trouble_is_never_held_back() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _thread = telemetry.enter_thread();
    (0..50).for_each(|order| tracing::info!(order, "an order was placed"));
    telemetry.shutdown(Duration::from_secs(1));
    assert_eq!(captured.json().len(), 50);
}

#[test]
fn an_error_that_is_held_back_marks_its_span_all_the_same() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _thread = telemetry.enter_thread();
    for _ in 0..21 {
        tracing::info_span!("charge").in_scope(|| tracing::error!("the gateway refuses"));
    }
    let spans = captured.spans.get_finished_spans().unwrap();
    let failed = spans.iter().filter(|span| matches!(span.status, Status::Error { .. }));
    assert_eq!(failed.count(), 21);
    assert_eq!(captured.json().len(), 20);
}

#[test]
fn the_end_of_a_window_is_said_without_anybody_logging() {
    let captured = Captured::default();
    let output = Output::Writer(Mutex::new(Box::new(captured.clone())));
    let console = Console::new("orders".into(), LogFormat::Json, true, output, Redactor::default());
    let logs = Arc::new(LateDispatch::new());
    // So short that a thread that stops for a while finds two.
    let repeats = Repeats::new(1, Duration::from_millis(200), Arc::clone(&logs));
    let levels = LogLevels::new(Directives::parse("info").unwrap(), None);
    let dispatch = subscriber(console, &levels, Some(repeats), &Providers::default());
    logs.set(dispatch.downgrade()).unwrap();
    tracing::dispatcher::with_default(&dispatch, || (1..=1000).for_each(chatter));
    let deadline = Instant::now() + Duration::from_secs(20);
    let (mut said, mut held) = (0, 0);
    while said + held < 1100 {
        assert!(Instant::now() < deadline, "{}", captured.text());
        std::thread::park_timeout(Duration::from_millis(5));
        let lines = captured.json();
        let counts: Vec<_> = lines.iter().filter_map(|line| line["fields"]["held"].as_u64()).collect();
        held = counts.iter().sum();
        said = (lines.len() - counts.len()) as u64;
    }
    assert_eq!(said + held, 1100, "every line is written or counted");
    assert!(held > 0);
}
