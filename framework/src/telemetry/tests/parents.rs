use opentelemetry::trace::{SpanId, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};

use super::super::{Telemetry, record_error, span};
use super::service;
use crate::config::LogFormat;

#[test]
fn a_tracing_span_is_the_child_of_the_current_span_and_the_parent_of_what_is_started_in_it() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    let _current = telemetry.root().attach();
    span("request").in_scope(|_| {
        let _entered = tracing::info_span!("price", order = 7).entered();
        assert!(Telemetry::current().is_some(), "the service's telemetry goes along");
        span("query").in_scope(|_| ());
        drop(tracing::info_span!("discount").entered());
    });
    let request = captured.span("request");
    let price = captured.span("price");
    assert_eq!(request.parent_span_id, SpanId::INVALID);
    assert_eq!(price.parent_span_id, request.span_context.span_id());
    assert_eq!(
        price.attributes.iter().find(|it| it.key.as_str() == "order"),
        Some(&KeyValue::new("order", 7))
    );
    assert_eq!(captured.span("query").parent_span_id, price.span_context.span_id());
    assert_eq!(captured.span("discount").parent_span_id, price.span_context.span_id());
}

#[test]
fn an_instrumented_future_keeps_its_span_over_an_await() {
    #[tracing::instrument]
    async fn validate() {
        tokio::task::yield_now().await;
        span("inside").run(tokio::task::yield_now()).await;
    }

    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    let _current = telemetry.root().attach();
    actix_rt::System::new().block_on(span("request").run(async {
        futures_util::future::join(validate(), span("beside").run(tokio::task::yield_now())).await;
    }));
    let request = captured.span("request").span_context.span_id();
    assert_eq!(captured.span("validate").parent_span_id, request);
    assert_eq!(captured.span("beside").parent_span_id, request);
    assert_eq!(captured.span("inside").parent_span_id, captured.span("validate").span_context.span_id());
}

#[test]
fn a_line_inside_a_tracing_span_has_that_spans_id() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    tracing::info_span!("price").in_scope(|| tracing::info!("inside"));
    let id = captured.span("price").span_context.span_id().to_string();
    assert_eq!(captured.json()[0]["span_id"], id);
}

#[test]
fn libraries_and_details_make_no_spans() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    drop(tracing::info_span!(target: "h2::proto", "frame").entered());
    drop(tracing::info_span!(target: "actix_http::h1", "dispatch").entered());
    drop(tracing::debug_span!("detail").entered());
    drop(tracing::info_span!("own").entered());
    let spans = captured.spans.get_finished_spans().unwrap();
    assert_eq!(spans.iter().map(|span| span.name.as_ref()).collect::<Vec<_>>(), ["own"]);
}

#[test]
fn a_detail_that_is_asked_for_makes_a_span() {
    let (telemetry, captured) = service(LogFormat::Json, "info,spanbox=debug");
    let _logs = telemetry.enter_thread();
    drop(tracing::debug_span!("detail").entered());
    captured.span("detail");
}

#[test]
fn a_span_ends_also_when_its_future_is_dropped() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _current = telemetry.root().attach();
    let mut held = None;
    {
        let work = span("given up").run(async {
            held = Some(Context::current());
            std::future::pending::<()>().await;
        });
        assert!(futures_util::future::FutureExt::now_or_never(work).is_none());
    }
    captured.span("given up");
}

#[test]
fn an_unsampled_trace_gets_no_span_and_runs_the_work() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let unsampled = opentelemetry::trace::SpanContext::new(
        1_u128.into(),
        1_u64.into(),
        opentelemetry::trace::TraceFlags::default(),
        true,
        opentelemetry::trace::TraceState::default(),
    );
    let _current = telemetry.root().with_remote_span_context(unsampled).attach();
    let answer = span("nothing").attribute("a", 1).in_scope(|cx| {
        assert_eq!(cx.span().span_context().span_id(), 1_u64.into());
        7
    });
    assert_eq!(answer, 7);
    assert!(captured.spans.get_finished_spans().unwrap().is_empty());
}

#[test]
fn a_recorded_error_has_its_type_its_causes_and_the_status() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot save")]
    struct Outer(#[source] std::io::Error);

    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _current = telemetry.root().attach();
    span("typed").in_scope(|_| record_error(&Outer(std::io::Error::other("disk full"))));
    span("boxed").in_scope(|_| {
        let error: Box<dyn std::error::Error> = Box::new(std::io::Error::other("disk full"));
        record_error(&*error);
    });

    let span = captured.span("typed");
    assert_eq!(span.status, Status::error("cannot save"));
    let event = &span.events.events[0];
    assert_eq!(event.name, "exception");
    let attribute =
        |key: &str| event.attributes.iter().find(|it| it.key.as_str() == key).map(|it| it.value.to_string());
    assert_eq!(attribute("exception.message").as_deref(), Some("cannot save: disk full"));
    assert!(attribute("exception.type").is_some_and(|name| name.ends_with("Outer")));
    let boxed = &captured.span("boxed").events.events[0];
    assert!(boxed.attributes.iter().all(|it| it.key.as_str() != "exception.type"));
}

#[test]
fn an_error_in_an_instrumented_function_marks_its_span() {
    #[tracing::instrument(err)]
    fn fails() -> Result<(), std::io::Error> {
        Err(std::io::Error::other("disk full"))
    }

    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _logs = telemetry.enter_thread();
    fails().unwrap_err();
    assert!(matches!(captured.span("fails").status, Status::Error { .. }));
}

#[test]
fn the_users_own_tracer_works_with_the_helper() {
    let (telemetry, captured) = service(LogFormat::Json, "info");
    let _current = telemetry.root().attach();
    telemetry.tracer().unwrap().in_span("theirs", |_| span("ours").in_scope(|_| ()));
    assert_eq!(captured.span("ours").parent_span_id, captured.span("theirs").span_context.span_id());
}
