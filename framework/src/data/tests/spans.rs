use diesel::prelude::QueryDsl as _;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::trace::Sampler;

use super::*;
use crate::data::Backend;

on_both!(
    every_statement_is_a_client_span_under_its_caller,
    attributes_follow_the_semantic_conventions,
    no_bound_value_or_literal_is_recorded,
    a_refused_statement_is_an_error_span_without_values,
    a_rollback_is_seen,
    spans_of_the_service_inside_a_unit_are_parents,
    without_a_recorded_caller_nothing_is_recorded,
    durations_are_measured,
);

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|a| a.value.to_string())
}

async fn write_one(db: &Db, body: &'static str) -> Result<(), DbError> {
    db.write(async move |conn: &mut Conn| insert(conn, 4711, body, 271_828).await).await
}

async fn every_statement_is_a_client_span_under_its_caller(fixture: Fixture) {
    let (result, caller, spans) = fixture.in_span(write_one(&fixture.db, "one")).await;
    result.unwrap();
    let names: Vec<_> =
        spans.iter().map(|span| span.name.as_ref()).filter(|name| *name != "db.pool.wait").collect();
    assert_eq!(names, ["BEGIN", "INSERT notes", "COMMIT"]);
    for span in &spans {
        assert_eq!(span.parent_span_id, caller.span_context.span_id());
        assert_eq!(span.span_context.trace_id(), caller.span_context.trace_id());
        assert!(span.start_time >= caller.start_time && span.end_time <= caller.end_time, "{}", span.name);
        if span.name != "db.pool.wait" {
            assert_eq!(span.span_kind, SpanKind::Client);
        }
    }
}

async fn attributes_follow_the_semantic_conventions(fixture: Fixture) {
    let (result, _, spans) = fixture.in_span(write_one(&fixture.db, "one")).await;
    result.unwrap();
    let insert = spans.iter().find(|span| span.name == "INSERT notes").unwrap();
    let is = |key: &str, value: &str| assert_eq!(attribute(insert, key).as_deref(), Some(value), "{key}");
    is("db.operation.name", "INSERT");
    is("db.collection.name", "notes");
    is("db.query.summary", "INSERT notes");
    match fixture.db.backend() {
        Backend::Sqlite => {
            is("db.system.name", "sqlite");
            is("db.namespace", "test.db");
            is("db.query.text", "INSERT INTO `notes` (`id`, `body`, `amount`) VALUES (?, ?, ?)");
            assert_eq!(attribute(insert, "server.address"), None);
        }
        Backend::Postgres => {
            is("db.system.name", "postgresql");
            assert!(attribute(insert, "db.namespace").unwrap().starts_with("test_"));
            is("db.query.text", r#"INSERT INTO "notes" ("id", "body", "amount") VALUES ($1, $2, $3)"#);
            assert!(attribute(insert, "server.address").unwrap().starts_with('/'));
        }
    }
}

async fn no_bound_value_or_literal_is_recorded(fixture: Fixture) {
    let ((), _, spans) = fixture
        .in_span(async {
            write_one(&fixture.db, "hunter2").await.unwrap();
            let again = write_one(&fixture.db, "hunter2").await;
            assert!(again.unwrap_err().is_unique_violation());
            fixture
                .db
                .read(async |conn: &mut Conn| {
                    let sql = "SELECT 4711080915 FROM notes WHERE body = 'hunter2' -- hunter2";
                    query!(conn, c => sql_query(sql).execute(c).await)
                })
                .await
                .unwrap();
        })
        .await;
    assert!(spans.len() >= 6);
    let recorded = format!("{spans:?}");
    for value in ["hunter2", "4711080915", "271828"] {
        assert!(!recorded.contains(value), "{value} in {recorded}");
    }
}

async fn a_refused_statement_is_an_error_span_without_values(fixture: Fixture) {
    write_one(&fixture.db, "hunter2").await.unwrap();
    let (result, _, spans) = fixture.in_span(write_one(&fixture.db, "hunter2")).await;
    assert!(result.unwrap_err().is_unique_violation());
    let insert = spans.iter().find(|span| span.name == "INSERT notes").unwrap();
    assert_eq!(insert.status, Status::error("unique_violation"));
    assert_eq!(attribute(insert, "error.type").as_deref(), Some("23505"));
    assert_eq!(attribute(insert, "db.response.status_code").as_deref(), Some("23505"));
}

async fn a_rollback_is_seen(fixture: Fixture) {
    write_one(&fixture.db, "one").await.unwrap();
    let (_, _, spans) = fixture.in_span(write_one(&fixture.db, "one")).await;
    assert!(spans.iter().any(|span| span.name == "ROLLBACK"));
}

async fn spans_of_the_service_inside_a_unit_are_parents(fixture: Fixture) {
    use opentelemetry::trace::FutureExt as _;
    let tracer = fixture.telemetry.tracer().unwrap().clone();
    let read = fixture.db.read(async move |conn: &mut Conn| {
        let cx = Context::current_with_span(tracer.start("calculate_analytics"));
        query!(conn, c => notes::table.count().get_result::<i64>(c).with_context(cx).await)
    });
    let (result, caller, spans) = fixture.in_span(read).await;
    result.unwrap();
    let own = spans.iter().find(|span| span.name == "calculate_analytics").unwrap();
    let select = spans.iter().find(|span| span.name == "SELECT notes").unwrap();
    assert_eq!(own.parent_span_id, caller.span_context.span_id());
    // Its future is made outside that span, and awaited inside.
    assert_eq!(select.parent_span_id, own.span_context.span_id());
}

async fn without_a_recorded_caller_nothing_is_recorded(fixture: Fixture) {
    use opentelemetry::trace::FutureExt as _;
    fixture.spans.reset();
    write_one(&fixture.db, "one").await.unwrap();
    let never = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    let unsampled = opentelemetry::trace::TracerProvider::tracer(&never, "test").start("unsampled");
    let cx = Context::new().with_span(unsampled);
    fixture.db.ping().with_context(cx).await.unwrap();
    assert!(fixture.spans.get_finished_spans().unwrap().is_empty());
}

async fn durations_are_measured(fixture: Fixture) {
    write_one(&fixture.db, "one").await.unwrap();
    write_one(&fixture.db, "one").await.unwrap_err();
    fixture.telemetry.providers().metrics.as_ref().unwrap().force_flush().unwrap();
    let metrics = fixture.metrics.get_finished_metrics().unwrap();
    let metric = metrics
        .iter()
        .flat_map(|metrics| metrics.scope_metrics())
        .flat_map(|scope| scope.metrics())
        .find(|metric| metric.name() == "db.client.operation.duration")
        .unwrap();
    assert_eq!(metric.unit(), "s");
    let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else {
        panic!("{metric:?}")
    };
    let inserts: Vec<(u64, Option<String>)> = histogram
        .data_points()
        .filter(|point| {
            point
                .attributes()
                .any(|a| a.key.as_str() == "db.query.summary" && a.value.as_str() == "INSERT notes")
        })
        .map(|point| {
            let error =
                point.attributes().find(|a| a.key.as_str() == "error.type").map(|a| a.value.to_string());
            (point.count(), error)
        })
        .collect();
    assert!(inserts.contains(&(1, None)), "{inserts:?}");
    assert!(inserts.contains(&(1, Some("23505".to_owned()))), "{inserts:?}");
}
