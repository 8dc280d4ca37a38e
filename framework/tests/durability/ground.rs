//! What a test stands on: a transport, the database, the tables that are counted, and worker processes.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use spanbox::config::DatabaseSettings;
use spanbox::data::{Backend, Conn, Db, DbError, query};
use spanbox::jobs::{Enqueue, JobsError, MIGRATIONS, State, enqueue_many};
use spanbox::telemetry::Telemetry;
use spanbox::testing::{PgServer, RedisServer, TestDatabase};
use tempfile::TempDir;

use crate::child::Assignment;
use crate::process::Process;
use crate::size::patience;
use crate::streams::delivered_to;
use crate::work::Effect;

/// What carries the jobs from those who enqueue them to the workers. A further one needs an arm in [`Ground::new`], its
/// variables in [`Ground::environment`], and a module in [`on_each`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Sqlite,
    Postgres,
    /// With the jobs in SQLite.
    Redis,
}

/// Writes each test once and runs it over each transport.
macro_rules! on_each {
    ($($name:ident),+ $(,)?) => {
        crate::ground::on_databases!($($name),+);
        mod redis {
            $(
                #[test]
                #[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
                fn $name() { crate::ground::run(crate::ground::Transport::Redis, super::$name); }
            )+
        }
    };
}
pub(crate) use on_each;

/// The same for what no transport has a part in.
macro_rules! on_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { crate::ground::run(crate::ground::Transport::Sqlite, super::$name); })+
        }
        mod postgres {
            $(
                #[test]
                #[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
                fn $name() { crate::ground::run(crate::ground::Transport::Postgres, super::$name); }
            )+
        }
    };
}
pub(crate) use on_databases;

/// Runs a test over a transport of its own.
pub(crate) fn run<F: Future<Output = ()>>(transport: Transport, test: impl FnOnce(Ground) -> F) {
    actix_rt::System::new().block_on(async { test(Ground::new(transport).await).await });
}

pub(crate) struct Ground {
    pub(crate) db: Db,
    transport: Transport,
    database: TestDatabase,
    /// The server of the database, if it has one.
    pub(crate) postgres: Option<PgServer>,
    /// The server that hands the jobs out, if that is not the database.
    pub(crate) redis: Option<RedisServer>,
    directory: TempDir,
}

/// What is different in the worker processes of a test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers {
    pub(crate) lease: Duration,
    pub(crate) concurrency: usize,
    pub(crate) max_crashes: u32,
    pub(crate) grace: Duration,
}

impl Default for Workers {
    fn default() -> Self {
        Self { lease: Duration::from_secs(2), concurrency: 8, max_crashes: 3, grace: Duration::from_secs(30) }
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Pair {
    #[diesel(sql_type = BigInt)]
    a: i64,
    #[diesel(sql_type = BigInt)]
    b: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl Ground {
    async fn new(transport: Transport) -> Self {
        let (postgres, database) = match transport {
            Transport::Sqlite | Transport::Redis => (None, TestDatabase::sqlite()),
            Transport::Postgres => {
                let server = PgServer::start().unwrap();
                let database = TestDatabase::create(server.url()).await.unwrap();
                (Some(server), database)
            }
        };
        let db = connect(database.url()).await;
        db.migrate(&MIGRATIONS).await.unwrap();
        let redis = (transport == Transport::Redis).then(|| RedisServer::start().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let ground = Self { db, transport, database, postgres, redis, directory };
        let clock = ground.clock_sql();
        for table in [
            "CREATE TABLE effects (n BIGINT PRIMARY KEY, runs BIGINT NOT NULL)".to_owned(),
            "CREATE TABLE orders (n BIGINT PRIMARY KEY)".to_owned(),
            format!(
                "CREATE TABLE executions (job BIGINT NOT NULL, kind TEXT NOT NULL, n BIGINT NOT NULL, \
                 attempt BIGINT NOT NULL, at BIGINT NOT NULL DEFAULT ({clock}))"
            ),
        ] {
            ground.sql(table).await;
        }
        ground
    }

    /// What a service needs to know to run jobs over this transport.
    pub(crate) fn environment(&self, workers: &Workers) -> Vec<(String, String)> {
        let common = [
            ("DATABASE_URL", self.url().to_owned()),
            ("LOG_LEVEL", "info".to_owned()),
            ("APP_TELEMETRY__ENABLED", "false".to_owned()),
            ("APP_SERVER__SHUTDOWN_GRACE", format!("{}ms", workers.grace.as_millis())),
            ("APP_JOBS__LEASE", format!("{}ms", workers.lease.as_millis())),
            ("APP_JOBS__CONCURRENCY", workers.concurrency.to_string()),
            ("APP_JOBS__MAX_CRASHES", workers.max_crashes.to_string()),
        ];
        let of_transport = match &self.redis {
            None => Vec::new(),
            Some(server) => vec![("APP_JOBS__TRANSPORT", "redis".to_owned()), ("REDIS_URL", server.url())],
        };
        common.into_iter().chain(of_transport).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Starts a worker process, which is ready when this returns.
    pub(crate) async fn worker(&self, workers: &Workers) -> Process {
        let assignment = Assignment::Work { environment: self.environment(workers) };
        let mut process = Process::start(self, &assignment, &[]);
        process.says("ready").await;
        process
    }

    /// The jobs that a worker process has.
    pub(crate) async fn had_by(&self, process: &Process) -> Vec<i64> {
        let id = process.id();
        let mut had: Vec<i64> = self
            .pairs(&format!(
                "SELECT id AS a, token AS b FROM spanbox_jobs WHERE state = 'running' AND worker LIKE '%:{id}:%' \
                 AND worker NOT LIKE 'stream %'"
            ))
            .await
            .into_iter()
            .map(|(job, _)| job)
            .collect();
        if let Some(server) = &self.redis {
            // One that has ended may not be acknowledged yet.
            let running =
                self.pairs("SELECT id AS a, token AS b FROM spanbox_jobs WHERE state = 'running'").await;
            let delivered = delivered_to(server, id).await;
            had.extend(running.into_iter().filter(|lease| delivered.contains(lease)).map(|(job, _)| job));
        }
        had
    }

    pub(crate) fn url(&self) -> &str {
        self.database.url()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where its processes log.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Says a test's figures.
    pub(crate) fn tell(&self, figures: impl std::fmt::Display) {
        println!("{:?}: {figures}", self.transport);
    }

    /// Enqueues effects with the numbers from `first` on, each of which takes so long.
    pub(crate) async fn enqueue_effects(&self, first: usize, count: usize, ms: u64) {
        let numbers: Vec<i64> = (first..first + count).map(|n| i64::try_from(n).unwrap()).collect();
        for batch in numbers.chunks(1000) {
            let (from, to) = (batch[0], batch[batch.len() - 1]);
            let rows = format!(
                "WITH RECURSIVE s(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n < {to}) \
                 INSERT INTO effects (n, runs) SELECT n, 0 FROM s"
            );
            self.sql(rows).await;
            self.enqueue(batch.iter().map(|n| Effect { n: *n, ms }.into()).collect()).await;
        }
    }

    pub(crate) async fn enqueue<J: spanbox::jobs::Job>(&self, jobs: Vec<Enqueue<J>>) -> Vec<i64> {
        let work = async move |conn: &mut Conn| enqueue_many(conn, jobs).await;
        let enqueued: Result<_, JobsError> = self.db.write(work).await;
        enqueued.unwrap().iter().map(|job| job.id).collect()
    }

    pub(crate) async fn sql(&self, sql: impl Into<String>) -> usize {
        let sql = sql.into();
        let work = async move |conn: &mut Conn| query!(conn, c => sql_query(sql).execute(c).await);
        self.db.write(work).await.map_err(|error: DbError| error.to_string()).unwrap()
    }

    /// What a query says as `number`.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        let work = async move |conn: &mut Conn| query!(conn, c => sql_query(sql).get_result(c).await);
        let row: Result<Number, DbError> = self.db.read(work).await;
        row.unwrap().number
    }

    /// What a query says as `a` and `b`.
    pub(crate) async fn pairs(&self, sql: &str) -> Vec<(i64, i64)> {
        let sql = sql.to_owned();
        let work = async move |conn: &mut Conn| query!(conn, c => sql_query(sql).load(c).await);
        let rows: Result<Vec<Pair>, DbError> = self.db.read(work).await;
        rows.unwrap().into_iter().map(|row| (row.a, row.b)).collect()
    }

    /// What a query says as `line`.
    pub(crate) async fn lines(&self, sql: &str) -> Vec<String> {
        let sql = sql.to_owned();
        let work = async move |conn: &mut Conn| query!(conn, c => sql_query(sql).load(c).await);
        let rows: Result<Vec<Line>, DbError> = self.db.read(work).await;
        rows.unwrap().into_iter().map(|row| row.line).collect()
    }

    /// How many jobs are in a state.
    pub(crate) async fn count(&self, state: State) -> i64 {
        self.number(&format!("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state = '{state}'")).await
    }

    /// Waits until so many jobs are completed.
    pub(crate) async fn completes(&self, jobs: usize) {
        let jobs = i64::try_from(jobs).unwrap();
        eventually("the jobs are completed", async || self.count(State::Completed).await >= jobs).await;
    }

    /// How many runs there were more than jobs that ran.
    pub(crate) async fn runs_again(&self, kind: &str) -> i64 {
        let sql = "SELECT COUNT(*) - COUNT(DISTINCT job) AS number FROM executions WHERE kind = ";
        self.number(&format!("{sql}'{kind}'")).await
    }

    /// Every effect took place, and none twice.
    pub(crate) async fn effects_are_exactly_once(&self, count: usize) {
        let wrong = self.pairs("SELECT n AS a, runs AS b FROM effects WHERE runs <> 1").await;
        assert!(wrong.is_empty(), "effects that did not take place exactly once, with their runs: {wrong:?}");
        let all = self.number("SELECT COUNT(*) AS number FROM effects").await;
        assert_eq!(usize::try_from(all).unwrap(), count);
    }

    /// The database's clock, in microseconds.
    pub(crate) async fn clock(&self) -> i64 {
        self.number(&format!("SELECT {} AS number", self.clock_sql())).await
    }

    fn clock_sql(&self) -> &'static str {
        match self.db.backend() {
            Backend::Sqlite => "CAST(UNIXEPOCH('subsec') * 1000 AS INTEGER) * 1000",
            Backend::Postgres => "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT",
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.logged();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the processes' last words:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// A connection that waits for a busy database as long as it takes.
pub(crate) async fn connect(url: &str) -> Db {
    let settings = DatabaseSettings {
        url: spanbox::redact::Secret::new(url.to_owned()),
        acquire_timeout: patience(),
        busy_timeout: patience(),
        ..DatabaseSettings::default()
    };
    Db::connect(&settings, &Telemetry::disabled()).await.unwrap()
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + patience();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !holds().await {
        assert!(Instant::now() < deadline, "it does not come to this: {what}");
        look.tick().await;
    }
}
