//! The databases that grow, each with the durability of production.

use std::time::Instant;

use diesel_async::RunQueryDsl as _;
use spanbox::data::{Conn, Db, DbError, query};
use spanbox::telemetry::Telemetry;
use spanbox::testing::{PgServer, TestDatabase};

use super::ScaleError;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// WAL and `synchronous = NORMAL`.
    Sqlite,
    /// A server of its own behind a Unix socket, with `synchronous_commit = on`.
    Postgres,
}

impl Store {
    pub(super) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A database with the tables of the order service, gone when this is dropped.
pub(super) struct Place {
    pub(super) db: Db,
    _database: TestDatabase,
}

impl Place {
    pub(super) async fn fresh(store: Store, server: &PgServer) -> Result<Self, ScaleError> {
        let database = match store {
            Store::Sqlite => TestDatabase::sqlite(),
            Store::Postgres => TestDatabase::create(server.url()).await?,
        };
        let db = Db::connect(&database.settings(), &Telemetry::disabled()).await?;
        db.migrate(orders::measured::migrations()).await?;
        Ok(Self { db, _database: database })
    }

    /// Puts jobs into it that a statement makes of the numbers `n` from 1 to so many.
    pub(super) async fn fill_jobs(&self, select: &'static str, jobs: i64) -> Result<(), DbError> {
        const CHUNK: i64 = 100_000;
        let mut first = 1;
        while first <= jobs {
            let last = jobs.min(first + CHUNK - 1);
            let sql = format!(
                "INSERT INTO spanbox_jobs (queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at) \
                 WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) \
                 {select} FROM numbers ORDER BY n"
            );
            self.db
                .write(async move |conn: &mut Conn| {
                    query!(conn, c => diesel::sql_query(sql).execute(c).await).map(drop)
                })
                .await?;
            first = last + 1;
        }
        self.tidy("VACUUM (ANALYZE) spanbox_jobs").await
    }

    /// Nothing is left to be written of what was put in; PostgreSQL knows what it has.
    async fn tidy(&self, vacuum: &'static str) -> Result<(), DbError> {
        self.db
            .read(async move |conn: &mut Conn| match conn {
                // A read unit of SQLite may not write, and its own checkpoints go on beside the load.
                Conn::Sqlite(_) => Ok(()),
                Conn::Postgres(_) => {
                    query!(&mut *conn, c => diesel::sql_query(vacuum).execute(c).await)?;
                    query!(conn, c => diesel::sql_query("CHECKPOINT").execute(c).await).map(drop)
                }
            })
            .await
    }
}

/// Says what is done, and how long that took.
pub(super) async fn told<T>(what: String, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    eprintln!("{what}: {:.1} s", began.elapsed().as_secs_f64());
    done
}
