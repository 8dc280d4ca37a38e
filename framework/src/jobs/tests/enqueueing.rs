use chrono::{DateTime, Utc};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};

use super::*;

on_both!(
    a_job_is_there_if_and_only_if_the_callers_row_is,
    a_batch_keeps_its_order_and_takes_few_statements,
    a_batch_larger_than_any_limit_on_parameters_is_stored_whole,
    the_trace_context_and_only_allowed_baggage_go_with_a_job,
    a_payload_over_the_cap_is_refused_and_one_at_it_is_not,
    payloads_come_back_as_they_were,
    names_and_priorities_that_are_none_are_refused,
    the_database_itself_refuses_what_no_statement_would_write,
    times_come_from_the_databases_clock,
);

async fn rows(fixture: &Fixture, table: &str) -> i64 {
    fixture.number(&format!("SELECT COUNT(*) AS number FROM {table}")).await
}

async fn a_job_is_there_if_and_only_if_the_callers_row_is(fixture: Fixture) {
    fixture.sql("CREATE TABLE orders (id BIGINT PRIMARY KEY)").await;
    for (order, commits) in [(1, true), (2, false), (3, true)] {
        let result: Result<(), JobsError> = fixture
            .db
            .write(async move |conn: &mut Conn| {
                let sql = format!("INSERT INTO orders (id) VALUES ({order})");
                query!(&mut *conn, c => sql_query(sql).execute(c).await)?;
                let enqueued = note(order.to_string()).enqueue(conn).await?;
                assert!(enqueued.fresh);
                if commits { Ok(()) } else { Err(DbError::Closed.into()) }
            })
            .await;
        assert_eq!(result.is_ok(), commits);
    }
    assert_eq!((rows(&fixture, "orders").await, rows(&fixture, "spanbox_jobs").await), (2, 2));
    let payloads: Vec<_> = fixture.lease(10).await.into_iter().map(|job| job.payload).collect();
    assert_eq!(payloads, [r#"{"text":"1"}"#, r#"{"text":"3"}"#]);
}

async fn a_batch_keeps_its_order_and_takes_few_statements(fixture: Fixture) {
    let enqueued = fixture.enqueue_many(2500).await;
    assert!(enqueued.iter().all(|job| job.fresh));
    assert!(enqueued.is_sorted_by_key(|job| job.id));
    for n in [0, 999, 1000, 2499] {
        assert_eq!(fixture.get(enqueued[n].id).await.payload, format!(r#"{{"text":"{n}"}}"#));
    }
    assert_eq!(fixture.enqueue_many(0).await, []);
}

async fn a_batch_larger_than_any_limit_on_parameters_is_stored_whole(fixture: Fixture) {
    // PostgreSQL takes 65,535 parameters and SQLite 32,766, each job being fifteen.
    assert_eq!(fixture.enqueue_many(20_000).await.len(), 20_000);
    assert_eq!(rows(&fixture, "spanbox_jobs").await, 20_000);
    // Large ones are cut by their bytes.
    let large: Vec<_> = (0..200).map(|_| note("x".repeat(60_000))).collect();
    let stored =
        fixture.write(async move |conn: &mut Conn| crate::jobs::enqueue_many(conn, large).await).await;
    assert_eq!(stored.len(), 200);
}

async fn the_trace_context_and_only_allowed_baggage_go_with_a_job(fixture: Fixture) {
    let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
    let span = SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, false, state);
    let cx = Context::new()
        .with_remote_span_context(span)
        .with_baggage([KeyValue::new("tenant", "acme"), KeyValue::new("email", "a@b.example")]);
    // The unit of work runs on a thread of the database, and in its caller's context all the same.
    let id = fixture.enqueue(note("one")).with_context(cx).await.id;
    let carried = fixture.lease(1).await.remove(0).carried;
    assert_eq!(
        carried.traceparent.as_deref(),
        Some("00-00000000000000000000000000000007-0000000000000009-01")
    );
    assert_eq!(carried.tracestate.as_deref(), Some("vendor=1"));
    assert_eq!(carried.baggage.as_deref(), Some("tenant=acme"));
    assert_eq!(fixture.get(id).await.trace_id.as_deref(), Some("00000000000000000000000000000007"));
    // And without a trace there is none.
    let _ = fixture.enqueue(note("two")).await;
    assert_eq!(fixture.lease(1).await.remove(0).carried, super::super::Carried::default());
}

async fn a_payload_over_the_cap_is_refused_and_one_at_it_is_not(fixture: Fixture) {
    let around = r#"{"text":""}"#.len();
    let fits = note("x".repeat(64 * 1024 - around));
    assert!(fixture.enqueue(fits).await.fresh);
    let over = note("x".repeat(64 * 1024 - around + 1));
    let error = fixture.db.write(async move |conn: &mut Conn| over.enqueue(conn).await).await.unwrap_err();
    assert!(
        matches!(&error, JobsError::PayloadTooLarge { kind, bytes: 65_537, max: 65_536 } if kind == "note"),
        "{error:?}"
    );
    assert!(error.to_string().contains("65537") && error.to_string().contains("max_payload"), "{error}");
}

async fn payloads_come_back_as_they_were(fixture: Fixture) {
    let texts =
        ["", "\0", "'; DROP TABLE spanbox_jobs; --", "\u{1f980} Zoë \\ \" \\u0000 ? :now $1", "\n\r\t\u{7f}"];
    for text in texts {
        let _ = fixture.enqueue(note(text)).await;
        let job = fixture.lease(1).await.remove(0);
        assert_eq!(serde_json::from_str::<Note>(&job.payload).unwrap().text, text);
    }
}

async fn names_and_priorities_that_are_none_are_refused(fixture: Fixture) {
    for queue in ["", "Notes", "a b", "a\0b", "q;", &"q".repeat(49)] {
        let job = note("one").queue(queue);
        let error = fixture.db.write(async move |conn: &mut Conn| job.enqueue(conn).await).await.unwrap_err();
        assert!(matches!(error, JobsError::Name { what: "queue", .. }), "{queue:?}: {error:?}");
    }
    let job = note("one").priority(10);
    let error = fixture.db.write(async move |conn: &mut Conn| job.enqueue(conn).await).await.unwrap_err();
    assert!(matches!(error, JobsError::Priority { priority: 10, .. }), "{error:?}");
    for key in ["", "a\0", &"k".repeat(300)] {
        let job = note("one").unique(key, Duration::ZERO);
        let error = fixture.db.write(async move |conn: &mut Conn| job.enqueue(conn).await).await.unwrap_err();
        assert!(matches!(error, JobsError::UniqueKey { .. }), "{key:?}: {error:?}");
    }
    assert_eq!(rows(&fixture, "spanbox_jobs").await, 0);
}

async fn the_database_itself_refuses_what_no_statement_would_write(fixture: Fixture) {
    let id = fixture.leased().await.id;
    for wrong in [
        "state = 'lost'",
        "state = 'completed'",
        "state = 'available'",
        "lease_until = NULL",
        "finished_at = 1",
        "priority = 10",
        "attempt = -1",
        "unique_held = TRUE",
        "queue = ''",
    ] {
        let sql = format!("UPDATE spanbox_jobs SET {wrong} WHERE id = {id}");
        let result: Result<usize, DbError> = fixture
            .db
            .write(async move |conn: &mut Conn| query!(conn, c => sql_query(sql).execute(c).await))
            .await;
        assert!(result.is_err(), "{wrong}");
    }
}

async fn times_come_from_the_databases_clock(fixture: Fixture) {
    // Nothing of the client's clock goes into a statement: what is asked for is relative, or a time that the caller names.
    let before = fixture.clock().await;
    let late = fixture.enqueue(note("late").delay(Duration::from_secs(600))).await.id;
    let named: DateTime<Utc> = "2099-01-02T03:04:05.678901Z".parse().unwrap();
    let future = fixture.enqueue(note("named").run_at(named)).await.id;
    let past = fixture.enqueue(note("past").run_at("1999-01-01T00:00:00Z".parse().unwrap())).await.id;
    let leased = fixture.lease(10).await;
    let _ = fixture.fail(leased[0].held(), store::Then::RetryIn(Duration::from_secs(50))).await;
    let after = fixture.clock().await;
    let within = |time: i64, offset: i64| {
        // SQLite reads milliseconds.
        assert!(
            (before - 1000..=after + 1000).contains(&(time - offset * 1_000_000)),
            "{time} {before} {after}"
        );
    };
    let late = fixture.get(late).await;
    within(late.created_at, 0);
    within(late.run_at, 600);
    assert_eq!(fixture.get(future).await.run_at, named.timestamp_micros());
    let past = fixture.get(past).await;
    assert_eq!(leased[0].id, past.id);
    within(past.started_at.unwrap(), 0);
    within(past.run_at, 50);
    // A hundred years are the furthest, and nothing overflows.
    let _ = fixture.enqueue(note("never").delay(Duration::MAX).unique("k", Duration::MAX)).await;
}
