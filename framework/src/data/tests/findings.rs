use std::io::{self, Write};
use std::sync::Arc;

use diesel::prelude::QueryDsl as _;
use futures_util::future::join_all;
use opentelemetry::trace::FutureExt as _;
use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;

use super::metrics::{count, flushed};
use super::*;
use crate::config::{DatabaseTelemetrySettings, LogFormat, LogSettings, TelemetrySettings};
use crate::telemetry::{Operation, ServiceInfo, Setup};
use crate::testing::Capture;

on_both!(
    a_slow_statement_is_told_on_its_span_counted_and_logged_without_values,
    a_statement_that_is_not_slow_is_not_told,
    one_statement_often_from_one_place_is_told_once_with_its_count_and_place,
    repeated_units_are_counted_together_also_side_by_side,
    different_statements_few_of_them_and_transactions_are_not_told,
    what_goes_on_after_the_end_is_told_where_it_happens,
    nothing_is_counted_where_it_is_switched_off,
    rows_are_counted_on_the_span,
);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The fixture's database again, by a service with settings, a log and metrics of its own.
struct Watched {
    db: Db,
    telemetry: Telemetry,
    capture: Capture,
    log: Log,
    metrics: InMemoryMetricExporter,
}

impl Watched {
    async fn new(fixture: &Fixture, database: DatabaseTelemetrySettings) -> Self {
        let (capture, log, metrics) = (Capture::new(), Log::default(), InMemoryMetricExporter::default());
        let telemetry = Setup::new(ServiceInfo::new("watched", "1"))
            .environment([])
            .settings(TelemetrySettings { database, ..TelemetrySettings::default() })
            .log(LogSettings { level: "warn".to_owned(), format: LogFormat::Json })
            .log_writer(log.clone())
            .span_processor(capture.clone())
            .metric_exporter(metrics.clone())
            .build()
            .unwrap();
        let db = Db::connect(&fixture.settings, &telemetry).await.unwrap();
        Self { db, telemetry, capture, log, metrics }
    }

    /// Runs `work` as one operation, and returns its span.
    async fn operation<T>(&self, work: impl Future<Output = T>) -> (T, SpanData) {
        let root = self.telemetry.root();
        let span = self.telemetry.tracer().unwrap().start_with_context("operation", &root);
        let cx = Operation::begin(&self.telemetry, root.with_span(span));
        let result = work.with_context(cx.clone()).await;
        Operation::end(&self.telemetry, &cx);
        cx.span().end();
        let spans = self.capture.spans();
        let span = spans.named("operation").last().unwrap().clone();
        (result, span)
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.log.0.lock().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn counted(&self, metric: &str) -> i64 {
        count(&flushed(&self.telemetry, &self.metrics), metric, &[]).unwrap_or_default()
    }
}

fn slow(slow_statement: Duration) -> DatabaseTelemetrySettings {
    DatabaseTelemetrySettings { slow_statement, ..DatabaseTelemetrySettings::default() }
}

/// The attributes of a span's events of a name.
fn events(span: &SpanData, name: &str) -> Vec<Vec<(String, String)>> {
    let named = span.events.iter().filter(|event| event.name == name);
    named
        .map(|event| event.attributes.iter().map(|a| (a.key.to_string(), a.value.to_string())).collect())
        .collect()
}

async fn one(conn: &mut Conn, id: i32) -> Result<Option<String>, DbError> {
    use diesel::OptionalExtension as _;
    query!(conn, c => notes::table.find(id).select(notes::body).first(c).await.optional())
}

async fn a_slow_statement_is_told_on_its_span_counted_and_logged_without_values(fixture: Fixture) {
    let watched = Watched::new(&fixture, slow(Duration::from_nanos(1))).await;
    let before = (watched.counted("spanbox.db.slow_statements"), watched.lines().len());
    let insert = watched.db.write(async |conn: &mut Conn| insert(conn, 4711, "hunter2", 271_828).await);
    watched.operation(insert).await.0.unwrap();
    let spans = watched.capture.spans();
    let span = spans.named("INSERT notes").next().unwrap();
    let [event] = &events(span, "db.slow_statement")[..] else { panic!("{span:?}") };
    assert_eq!(event[0].0, "spanbox.db.threshold");
    assert_eq!(event[1].0, "spanbox.db.duration");
    assert!(event[1].1.parse::<f64>().unwrap() > 0.0, "{event:?}");
    // BEGIN, INSERT, COMMIT.
    assert_eq!(watched.counted("spanbox.db.slow_statements") - before.0, 3);
    let lines = watched.lines();
    // The one that opening the database left; all others came too soon after it.
    assert_eq!((before.1, lines.len()), (1, 1), "{lines:?}");
    assert_eq!(lines[0]["level"], "WARN");
    assert!(lines[0]["fields"]["statement"].is_string(), "{lines:?}");
    assert!(!format!("{spans:?}{lines:?}").contains("hunter2"));
}

async fn a_statement_that_is_not_slow_is_not_told(fixture: Fixture) {
    for settings in [slow(Duration::from_secs(3600)), slow(Duration::ZERO)] {
        let watched = Watched::new(&fixture, settings).await;
        watched.operation(watched.db.read(async |conn: &mut Conn| one(conn, 1).await)).await.0.unwrap();
        let spans = watched.capture.spans();
        let span = spans.named("SELECT notes").next().unwrap();
        assert_eq!(events(span, "db.slow_statement"), Vec::<Vec<_>>::new());
        assert_eq!(watched.counted("spanbox.db.slow_statements"), 0);
    }
}

async fn one_statement_often_from_one_place_is_told_once_with_its_count_and_place(fixture: Fixture) {
    let watched = Watched::new(&fixture, DatabaseTelemetrySettings::default()).await;
    let mut line = 0;
    for _ in 0..2 {
        let work = async {
            line = line!() + 1;
            let read = watched.db.read(async |conn: &mut Conn| {
                for id in 0..7 {
                    one(conn, id).await?;
                    query!(conn, c => notes::table.count().get_result::<i64>(c).await)?;
                }
                Ok::<_, DbError>(())
            });
            read.await.unwrap();
        };
        let ((), span) = watched.operation(work).await;
        let [event] = &events(&span, "db.n_plus_one")[..] else { panic!("{span:?}") };
        let is = |key: &str, value: &str| {
            assert!(event.contains(&(key.to_owned(), value.to_owned())), "{key}: {event:?}");
        };
        is("spanbox.db.statements", "7");
        is("db.query.summary", "SELECT notes");
        is("code.file.path", file!());
        is("code.line.number", &line.to_string());
    }
    assert_eq!(watched.counted("spanbox.db.n_plus_one"), 2);
    let lines = watched.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["fields"]["site"].as_str().unwrap().split(':').nth(1), Some(&*line.to_string()));
    assert!(lines[0]["trace_id"].is_string(), "{lines:?}");
}

async fn repeated_units_are_counted_together_also_side_by_side(fixture: Fixture) {
    let watched = Watched::new(&fixture, DatabaseTelemetrySettings::default()).await;
    let read = |id| watched.db.read(async move |conn: &mut Conn| one(conn, id).await);
    let work = async {
        for id in 0..5 {
            read(id).await.unwrap();
        }
    };
    let ((), span) = watched.operation(work).await;
    assert_eq!(events(&span, "db.n_plus_one").len(), 1);
    let (results, span) = watched.operation(join_all((0..6).map(read))).await;
    assert!(results.iter().all(Result::is_ok));
    let [event] = &events(&span, "db.n_plus_one")[..] else { panic!("{span:?}") };
    assert_eq!(event[0].1, "6");
}

async fn different_statements_few_of_them_and_transactions_are_not_told(fixture: Fixture) {
    let watched = Watched::new(&fixture, DatabaseTelemetrySettings::default()).await;
    let work = async {
        for round in 0..5 {
            let write = watched.db.write(async move |conn: &mut Conn| {
                let sql = format!("SELECT {} FROM notes", vec!["id"; round + 1].join(", "));
                query!(conn, c => sql_query(sql).execute(c).await).map(drop)
            });
            write.await.unwrap();
        }
        for id in 0..4 {
            watched.db.read(async move |conn: &mut Conn| one(conn, id).await).await.unwrap();
        }
        // The fifth, from elsewhere.
        watched.db.read(async move |conn: &mut Conn| one(conn, 4).await).await.unwrap();
    };
    let ((), span) = watched.operation(work).await;
    assert_eq!(events(&span, "db.n_plus_one"), Vec::<Vec<_>>::new());
    assert_eq!(watched.counted("spanbox.db.n_plus_one"), 0);
    assert_eq!(watched.lines(), Vec::<serde_json::Value>::new());
}

async fn what_goes_on_after_the_end_is_told_where_it_happens(fixture: Fixture) {
    let watched = Watched::new(&fixture, DatabaseTelemetrySettings::default()).await;
    let (cx, _) = watched.operation(async { Context::current() }).await;
    let tracer = watched.telemetry.tracer().unwrap();
    let late = cx.with_span(tracer.start_with_context("late", &cx));
    let read = watched.db.read(async |conn: &mut Conn| {
        for id in 0..6 {
            one(conn, id).await?;
        }
        Ok::<_, DbError>(())
    });
    read.with_context(late.clone()).await.unwrap();
    late.span().end();
    let spans = watched.capture.spans();
    assert_eq!(events(spans.named("late").next().unwrap(), "db.n_plus_one").len(), 1);
}

async fn nothing_is_counted_where_it_is_switched_off(fixture: Fixture) {
    let off = DatabaseTelemetrySettings { n_plus_one: 0, ..DatabaseTelemetrySettings::default() };
    let watched = Watched::new(&fixture, off).await;
    let (counted, _) = watched.operation(async { Context::current().get::<Operation>().is_some() }).await;
    assert!(!counted);
}

async fn rows_are_counted_on_the_span(fixture: Fixture) {
    let insert = async |conn: &mut Conn| {
        for id in 0..3 {
            insert(conn, id, &id.to_string(), 0).await?;
        }
        Ok::<_, DbError>(())
    };
    fixture.db.write(insert).await.unwrap();
    let (bodies, _, spans) = fixture.in_span(fixture.bodies()).await;
    assert_eq!(bodies.len(), 3);
    let select = spans.iter().find(|span| span.name == "SELECT notes").unwrap();
    let rows = select.attributes.iter().find(|a| a.key.as_str() == "db.response.returned_rows").unwrap();
    assert_eq!(rows.value, opentelemetry::Value::I64(3));
}
