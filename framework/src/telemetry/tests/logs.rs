use opentelemetry::trace::TraceContextExt;

use super::super::span;
use super::service;
use crate::config::LogFormat;

/// What an attacker writes who wants a line of their own, or the terminal.
const HOSTILE: &str = "a\r\n{\"level\":\"ERROR\"}\u{1b}[2J\u{9b}31m\u{2028}b\u{7f}\0\"\\";

#[test]
fn a_json_line_has_the_ids_of_the_frameworks_span() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    let _current = telemetry.root().attach();
    let ids = span("request").in_scope(|cx| {
        tracing::info!(order = 7, ratio = 0.5, paid = true, who = "ann", "created");
        let span = cx.span().span_context().clone();
        (span.trace_id().to_string(), span.span_id().to_string())
    });
    let line = &captured.json()[0];
    assert_eq!((line["trace_id"].as_str(), line["span_id"].as_str()), (Some(&*ids.0), Some(&*ids.1)));
    assert_eq!(line["message"], "created");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["service"], "orders");
    assert_eq!(line["target"], module_path!());
    assert_eq!(line["fields"], serde_json::json!({"order": 7, "ratio": 0.5, "paid": true, "who": "ann"}));
    assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
}

#[test]
fn a_line_outside_any_span_has_no_ids() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    tracing::info!("alone");
    assert_eq!(captured.json()[0].get("trace_id"), None);
}

#[test]
fn hostile_text_stays_on_one_line_in_json_and_reads_back_whole() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    tracing::info!(field = HOSTILE, debug = ?HOSTILE, "{HOSTILE}");
    let text = captured.text();
    assert_eq!(text.lines().count(), 1);
    assert!(!text.trim_end_matches('\n').contains(|c: char| c.is_control() || c == '\u{2028}'), "{text:?}");
    assert_eq!(captured.json()[0]["message"], HOSTILE);
    assert_eq!(captured.json()[0]["fields"]["field"], HOSTILE);
}

#[test]
fn hostile_text_stays_on_one_line_for_people() {
    let (telemetry, captured) = service(LogFormat::Pretty, "info");
    let _logs = telemetry.enter_thread();
    tracing::info!(field = HOSTILE, display = %HOSTILE, debug = ?HOSTILE, "{HOSTILE}");
    let text = captured.text();
    assert_eq!(text.lines().count(), 1);
    assert!(!text.trim_end_matches('\n').contains(|c: char| c.is_control() || c == '\u{2028}'), "{text:?}");
    assert!(text.contains("a\\r\\n{"), "{text}");
}

#[test]
fn a_line_for_people_ends_with_the_trace() {
    let (telemetry, captured) = service(LogFormat::Pretty, "info");
    let _logs = telemetry.enter_thread();
    let _current = telemetry.root().attach();
    let trace = span("request").in_scope(|cx| {
        tracing::warn!(order = 7, note = "two words", "slow");
        cx.span().span_context().trace_id()
    });
    let text = captured.text();
    let expected = format!(" WARN {}: slow order=7 note=\"two words\" trace={trace}\n", module_path!());
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn the_level_is_heeded_by_target() {
    let (telemetry, captured) = service(LogFormat::Json, "warn,chatty=debug");
    let _logs = telemetry.enter_thread();
    tracing::info!("not this");
    tracing::warn!("this");
    tracing::debug!(target: "chatty", "and this");
    let messages: Vec<_> = captured.json().iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ["this", "and this"]);
}

#[test]
fn an_error_is_written_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot save")]
    struct Outer(#[source] std::io::Error);

    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    let error = Outer(std::io::Error::other("disk full"));
    tracing::error!(error = &error as &dyn std::error::Error, "failed");
    assert_eq!(captured.json()[0]["fields"]["error"], "cannot save: disk full");
}

#[test]
fn a_value_that_logs_while_it_is_formatted_disturbs_nothing() {
    struct Chatty;
    impl std::fmt::Display for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::info!("inner");
            f.write_str("value")
        }
    }
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    tracing::info!(field = %Chatty, "outer");
    tracing::info!("next");
    let messages: Vec<_> = captured.json().iter().map(|line| line["message"].clone()).collect();
    assert!(messages.ends_with(&["outer".into(), "next".into()]), "{messages:?}");
}

#[test]
fn a_change_of_the_levels_holds_at_once_and_is_logged_with_what_was_and_who() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _thread = telemetry.enter_thread();
    let levels = telemetry.log_levels().unwrap();
    // One place in the code, whose interest is remembered.
    let log = || {
        tracing::debug!(target: "orders::api", "a detail");
        tracing::info!(target: "orders", "a fact");
    };
    let seen = || {
        log();
        let lines = captured.json();
        captured.lines.lock().clear();
        let texts = lines.iter().map(|line| line["message"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(seen(), ["a fact"]);
    levels.set("off,orders::api=debug", "a test").unwrap();
    assert_eq!(seen(), ["the log's levels are changed", "a detail"], "said before it was off");
    levels.reset("a test");
    let line = captured.json().remove(0);
    let fields = &line["fields"];
    assert_eq!(fields["from"], "off,orders::api=debug");
    assert_eq!((&fields["to"], &fields["by"]), (&"info".into(), &"a test".into()));
    assert_eq!(seen(), ["the log's levels are changed", "a fact"]);
    levels.reset("a test");
    assert!(levels.set("loud", "a test").is_err());
    assert_eq!(seen(), ["a fact"], "nothing has changed");
}
