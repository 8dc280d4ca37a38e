mod chance;
mod enqueueing;
mod histories;
mod housekeeping;
mod leasing;
mod lives;
mod model;
mod orphans;
mod plans;
mod row;
mod running;
mod schedules;
mod schedules_postgres;
mod schedules_recorded;
mod settling;
mod speed;
mod stage;
mod streams;
mod suspects;
mod unique;

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};

use super::store::{self, Held, Leased, Record};
use super::{Enqueue, Enqueued, Job, JobContext, JobError, JobsError, MIGRATIONS, Policy, State};
use crate::config::DatabaseSettings;
use crate::data::{Conn, Db, DbError, Redis, query};
use crate::redact::Secret;
use crate::telemetry::Telemetry;
use crate::testing::{PgServer, RedisServer, TestDatabase};

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
use on_both;

/// The same for what is run, which Redis may hand out too.
macro_rules! on_all {
    ($($name:ident),+ $(,)?) => {
        super::on_both!($($name),+);
        mod redis {
            $(
                #[test]
                #[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
                fn $name() { super::super::run_on_redis(super::$name); }
            )+
        }
    };
}
use on_all;

const LEASE: Duration = Duration::from_secs(60);
const ANY_CRASHES: std::ops::Range<u32> = 1..u32::MAX;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    text: String,
}

impl Job for Note {
    const NAME: &'static str = "note";
    const QUEUE: &'static str = "notes";
    type State = ();

    fn policy() -> Policy {
        Policy::default().baggage(&["tenant"])
    }

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

fn note(text: impl Into<String>) -> Enqueue<Note> {
    Enqueue::new(Note { text: text.into() })
}

/// A database with the jobs' table.
struct Fixture {
    db: Db,
    /// Where that hands the jobs out.
    redis: Option<Redis>,
    database: TestDatabase,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Fixture {
    async fn new(database: TestDatabase) -> Self {
        let settings = DatabaseSettings { pool_size: 8, ..database.settings() };
        let db = Db::connect(&settings, &Telemetry::disabled()).await.unwrap();
        db.migrate(&MIGRATIONS).await.unwrap();
        Self { db, redis: None, database }
    }

    /// Runs `work` as a unit of its own that writes.
    async fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, JobsError> + Send + 'static,
    ) -> T {
        self.db.write(work).await.unwrap()
    }

    async fn enqueue(&self, job: Enqueue<Note>) -> Enqueued {
        self.write(async move |conn: &mut Conn| job.enqueue(conn).await).await
    }

    async fn enqueue_many(&self, count: usize) -> Vec<Enqueued> {
        let jobs: Vec<_> = (0..count).map(|n| note(n.to_string())).collect();
        self.write(async move |conn: &mut Conn| super::enqueue_many(conn, jobs).await).await
    }

    /// Leases, those among them that a worker died over.
    async fn lease(&self, limit: usize) -> Vec<Leased> {
        self.write(async move |conn: &mut Conn| {
            let mut jobs = store::lease(conn, "notes", limit, "w1", LEASE).await?;
            let left = limit - jobs.len();
            jobs.extend(store::lease_suspects(conn, "notes", ANY_CRASHES, left, "w1", LEASE).await?);
            Ok(jobs)
        })
        .await
    }

    /// Enqueues one and leases it.
    async fn leased(&self) -> Leased {
        let _ = self.enqueue(note("one")).await;
        self.lease(1).await.remove(0)
    }

    async fn complete(&self, held: Vec<Held>) -> Vec<i64> {
        self.write(async move |conn: &mut Conn| Ok(store::complete(conn, &held).await?)).await
    }

    async fn fail(&self, held: Held, then: store::Then) -> Option<State> {
        self.write(async move |conn: &mut Conn| Ok(store::fail(conn, held, "it broke", then).await?)).await
    }

    async fn rescue(&self) -> Vec<store::Rescued> {
        self.write(async |conn: &mut Conn| Ok(store::rescue(conn, 100, 3).await?)).await
    }

    async fn get(&self, id: i64) -> Record {
        self.db.read(async move |conn: &mut Conn| store::get(conn, id).await).await.unwrap().unwrap()
    }

    async fn state(&self, id: i64) -> State {
        self.get(id).await.state().unwrap()
    }

    /// Runs a statement past the store, as time or another program would change rows.
    async fn sql(&self, sql: impl Into<String>) -> usize {
        let sql = sql.into();
        self.write(async move |conn: &mut Conn| Ok(query!(conn, c => sql_query(sql).execute(c).await)?)).await
    }

    async fn number(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        let row: Result<Number, DbError> = self
            .db
            .read(async move |conn: &mut Conn| query!(conn, c => sql_query(sql).get_result(c).await))
            .await;
        row.unwrap().number
    }

    /// The database's clock, in microseconds.
    async fn clock(&self) -> i64 {
        self.number(match self.db.backend() {
            crate::data::Backend::Sqlite => {
                "SELECT CAST(UNIXEPOCH('subsec') * 1000 AS INTEGER) * 1000 AS number"
            }
            crate::data::Backend::Postgres => {
                "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT AS number"
            }
        })
        .await
    }

    /// Lets the leases run out.
    async fn expire(&self) {
        self.sql("UPDATE spanbox_jobs SET lease_until = lease_until - 3600000000 WHERE state = 'running'")
            .await;
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

/// The same with jobs in SQLite that Redis hands out; one server for all tests of this process.
fn run_on_redis<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    let server = SERVER.get_or_init(|| RedisServer::start().unwrap());
    actix_rt::System::new().block_on(async {
        let mut fixture = Fixture::new(sqlite().await).await;
        fixture.redis = Some(Redis::new(&Secret::new(server.url()), &Telemetry::disabled()).unwrap());
        test(fixture).await;
    });
}
