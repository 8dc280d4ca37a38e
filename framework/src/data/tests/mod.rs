mod cancelled;
mod comments;
mod findings;
mod metrics;
mod migrations;
mod opening;
mod pool;
mod postgres_faults;
mod redis;
mod spans;
mod together;
mod units;
mod waits;
mod written;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use diesel::connection::InstrumentationEvent;
use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
use diesel::sql_query;
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use parking_lot::Mutex;

use super::{Conn, Db, DbError, query};
use crate::config::DatabaseSettings;
use crate::telemetry::{Providers, Telemetry};
use crate::testing::{PgServer, TestDatabase};

diesel::table! { notes (id) { id -> Integer, body -> Text, amount -> BigInt } }

/// Writes each test once and runs it on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::super::run(super::super::sqlite(), super::$name); })+
        }
        mod postgres {
            $(
                #[test]
                #[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
                fn $name() { super::super::run(super::super::postgres(), super::$name); }
            )+
        }
    };
}
pub(super) use on_both;

/// What one connection sent, and what of it was kept prepared.
#[derive(Clone, Default)]
struct Sent {
    queries: Arc<Mutex<Vec<String>>>,
    kept: Arc<Mutex<Vec<String>>>,
}

impl Sent {
    fn watch(&self, conn: &mut Conn) {
        let Self { queries, kept } = self.clone();
        let watch = move |event: InstrumentationEvent<'_>| match event {
            InstrumentationEvent::StartQuery { query, .. } => queries.lock().push(query.to_string()),
            InstrumentationEvent::CacheQuery { sql, .. } => kept.lock().push(sql.to_owned()),
            _ => {}
        };
        match conn {
            Conn::Sqlite(conn) => conn.set_instrumentation(watch),
            Conn::Postgres(conn) => conn.set_instrumentation(watch),
        }
    }
}

/// A database with the table `notes`, and what was recorded of it.
struct Fixture {
    db: Db,
    settings: DatabaseSettings,
    telemetry: Telemetry,
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
    _database: TestDatabase,
}

impl Fixture {
    async fn new(database: TestDatabase) -> Self {
        let spans = InMemorySpanExporter::default();
        let metrics = InMemoryMetricExporter::default();
        let telemetry = Telemetry::from_providers(Providers {
            traces: Some(SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build()),
            metrics: Some(
                SdkMeterProvider::builder()
                    .with_reader(PeriodicReader::builder(metrics.clone()).build())
                    .build(),
            ),
            logs: None,
        });
        let settings = DatabaseSettings { pool_size: 4, ..database.settings() };
        let db = Db::connect(&settings, &telemetry).await.unwrap();
        db.write(async |conn: &mut Conn| -> Result<(), DbError> {
            let table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE, amount BIGINT NOT NULL)";
            query!(conn, c => sql_query(table).execute(c).await).map(drop)
        })
        .await
        .unwrap();
        Self { db, settings, telemetry, spans, metrics, _database: database }
    }

    /// The same database with other settings.
    async fn reopened(&self, change: impl FnOnce(&mut DatabaseSettings)) -> Db {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Db::connect(&settings, &self.telemetry).await.unwrap()
    }

    /// Runs `work` in a recorded span, and returns the spans that it caused.
    async fn in_span<T>(&self, work: impl Future<Output = T>) -> (T, SpanData, Vec<SpanData>) {
        use opentelemetry::trace::FutureExt as _;
        self.spans.reset();
        let tracer = self.telemetry.tracer().unwrap();
        let cx = Context::new().with_span(tracer.start("caller"));
        let result = work.with_context(cx.clone()).await;
        cx.span().end();
        let mut spans = self.spans.get_finished_spans().unwrap();
        let at = spans.iter().position(|span| span.name == "caller").unwrap();
        let caller = spans.remove(at);
        (result, caller, spans)
    }

    async fn bodies(&self) -> Vec<String> {
        self.db
            .read(async |conn: &mut Conn| -> Result<Vec<String>, DbError> {
                query!(conn, c => notes::table.order(notes::id).select(notes::body).load(c).await)
            })
            .await
            .unwrap()
    }
}

async fn insert(conn: &mut Conn, id: i32, body: &str, amount: i64) -> Result<(), DbError> {
    let row = (notes::id.eq(id), notes::body.eq(body.to_owned()), notes::amount.eq(amount));
    query!(conn, c => diesel::insert_into(notes::table).values(row).execute(c).await).map(drop)
}

/// Awaits a condition, and fails after a while.
async fn until(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !met().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::task::yield_now().await;
    }
}

async fn sqlite() -> TestDatabase {
    TestDatabase::sqlite()
}

async fn postgres() -> TestDatabase {
    TestDatabase::create(server().url()).await.unwrap()
}

/// One server for all tests of this process, which it ends with.
fn server() -> &'static PgServer {
    static SERVER: OnceLock<PgServer> = OnceLock::new();
    SERVER.get_or_init(|| PgServer::start().unwrap())
}

/// On one thread, as an actix worker is.
fn run<F: Future<Output = ()>>(
    database: impl Future<Output = TestDatabase>,
    test: impl FnOnce(Fixture) -> F,
) {
    actix_rt::System::new().block_on(async { test(Fixture::new(database.await).await).await });
}
