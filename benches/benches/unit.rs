//! What a unit of work on SQLite costs from the calling thread to its end: one that reads a row and one that changes it, without
//! telemetry, below a span that is not sampled, and below one that is.
//!
//! `cargo bench -p benches --bench unit`. A span that is sampled is recorded, scrubbed and batched, and dropped then.

use actix_rt::System;
use benches::nowhere;
use criterion::Criterion;
use diesel_async::RunQueryDsl as _;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState, Tracer as _};
use spanbox::data::{Conn, Db, DbError};
use spanbox::query;
use spanbox::telemetry::{Telemetry, TelemetryError};
use spanbox::testing::TestDatabase;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS counters (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)";
const ROW: &str = "INSERT OR IGNORE INTO counters (id, value) VALUES (1, 0)";
const READ: &str = "SELECT value FROM counters WHERE id = 1";
const CHANGE: &str = "UPDATE counters SET value = value + 1 WHERE id = 1";

async fn execute(conn: &mut Conn, sql: &str) -> Result<(), DbError> {
    query!(conn, c => diesel::sql_query(sql).execute(c).await).map(drop)
}

async fn prepared(database: &TestDatabase, telemetry: &Telemetry) -> Result<Db, DbError> {
    let db = Db::connect(&database.settings(), telemetry).await?;
    db.write(async move |conn: &mut Conn| {
        execute(conn, TABLE).await?;
        execute(conn, ROW).await
    })
    .await?;
    Ok(db)
}

fn main() -> Result<(), TelemetryError> {
    let mut criterion = Criterion::default().configure_from_args();
    let (system, database) = (System::new(), TestDatabase::sqlite());
    let (telemetry, _end) = nowhere::telemetry()?;
    let parent = SpanContext::new(1.into(), 2.into(), TraceFlags::default(), false, TraceState::NONE);
    let root = telemetry.root();
    let span = telemetry.tracer().map(|tracer| tracer.start_with_context("request", &root));
    let sampled = span.map_or_else(|| root.clone(), |span| root.with_span(span));
    for (place, telemetry, cx) in [
        ("no telemetry", Telemetry::disabled(), Context::new()),
        ("unsampled", telemetry.clone(), root.with_remote_span_context(parent)),
        ("sampled", telemetry.clone(), sampled),
    ] {
        let _current = cx.attach();
        let db = match system.block_on(prepared(&database, &telemetry)) {
            Ok(db) => db,
            Err(error) => {
                eprintln!("no database to measure: {error}");
                break;
            }
        };
        criterion.bench_function(&format!("{place}: a unit that reads"), |bencher| {
            bencher.iter(|| {
                system
                    .block_on(db.read(async |conn: &mut Conn| execute(conn, READ).await))
                    .expect("the database is read")
            });
        });
        criterion.bench_function(&format!("{place}: a unit that changes"), |bencher| {
            bencher.iter(|| {
                system
                    .block_on(db.write(async |conn: &mut Conn| execute(conn, CHANGE).await))
                    .expect("the database is written")
            });
        });
    }
    criterion.final_summary();
    Ok(())
}
