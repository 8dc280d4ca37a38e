//! The stores of jobs that are measured, each with the durability of production.

use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl as _;
use spanbox::config::DatabaseSettings;
use spanbox::data::{Conn, Db, DbError, Redis, RedisError, query};
use spanbox::jobs::MIGRATIONS;
use spanbox::redact::Secret;
use spanbox::telemetry::Telemetry;
use spanbox::testing::{PgServer, RedisServer, TestDatabase};

use super::MeasureError;

/// Where jobs are kept. Another store is another variant here, and what [`Places::fresh`] makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// WAL and `synchronous = NORMAL`.
    Sqlite,
    /// A server of its own behind a Unix socket, with `synchronous_commit = on`.
    Postgres,
    /// In SQLite, handed out by a Redis that appends to a file, synced every second.
    Redis,
}

impl Store {
    pub(super) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Redis];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        }
    }

    /// How many jobs are run in a round: a second or more of them.
    pub(super) const fn jobs(self) -> usize {
        match self {
            Self::Sqlite => 50_000,
            Self::Postgres | Self::Redis => 30_000,
        }
    }
}

/// What the stores need to be there.
pub(super) struct Places {
    server: Arc<PgServer>,
    redis: RedisServer,
}

impl Places {
    pub(super) fn open() -> Result<Self, MeasureError> {
        Ok(Self { server: Arc::new(PgServer::start_durable()?), redis: RedisServer::start()? })
    }

    /// A store with nothing in it.
    pub(super) async fn fresh(&self, store: Store) -> Result<Place, MeasureError> {
        let database = match store {
            Store::Sqlite | Store::Redis => TestDatabase::sqlite(),
            Store::Postgres => TestDatabase::create(self.server.url()).await?,
        };
        let redis = (store == Store::Redis).then(|| Secret::new(self.redis.url()));
        let place = Place { settings: database.settings(), redis, _database: database };
        place.db(&Telemetry::disabled()).await?.migrate(&MIGRATIONS).await?;
        Ok(place)
    }

    /// What the stores say they are.
    pub(super) async fn versions(&self) -> Result<Vec<String>, MeasureError> {
        let mut versions = vec![format!("spanbox {}", env!("CARGO_PKG_VERSION"))];
        for (store, sql) in [
            (Store::Sqlite, "SELECT sqlite_version() AS text"),
            (Store::Postgres, "SELECT current_setting('server_version') AS text"),
        ] {
            let place = self.fresh(store).await?;
            let db = place.db(&Telemetry::disabled()).await?;
            let Word { text } = db
                .read(async move |conn: &mut Conn| {
                    query!(conn, c => diesel::sql_query(sql).get_result::<Word>(c).await)
                })
                .await?;
            versions.push(format!("{} {text}", store.name()));
        }
        let redis = Redis::new(&Secret::new(self.redis.url()), &Telemetry::disabled())?;
        versions.push(format!("Redis {}", redis.info().await?.version));
        Ok(versions)
    }
}

/// A store that holds jobs, gone when this is dropped.
pub(super) struct Place {
    settings: DatabaseSettings,
    redis: Option<Secret<String>>,
    _database: TestDatabase,
}

impl Place {
    /// A handle as a process of its own has it.
    pub(super) async fn db(&self, telemetry: &Telemetry) -> Result<Db, DbError> {
        Db::connect(&self.settings, telemetry).await
    }

    /// The Redis that hands the jobs out, if one does.
    pub(super) fn redis(&self, telemetry: &Telemetry) -> Result<Option<Redis>, RedisError> {
        self.redis.as_ref().map(|url| Redis::new(url, telemetry)).transpose()
    }
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The database as it is some time after jobs were put into it: with statistics of them, and nothing left to write.
pub(super) async fn settle(db: &Db) -> Result<(), DbError> {
    db.read(async |conn: &mut Conn| {
        match conn {
            // A read unit of SQLite may not write, and its own checkpoints go on beside the load.
            Conn::Sqlite(_) => Ok(()),
            Conn::Postgres(_) => {
                query!(&mut *conn, c => diesel::sql_query("ANALYZE spanbox_jobs").execute(c).await)?;
                query!(conn, c => diesel::sql_query("CHECKPOINT").execute(c).await).map(drop)
            }
        }
    })
    .await
}

/// How many jobs have completed, by the database.
pub(super) async fn completed(db: &Db) -> Result<usize, DbError> {
    number(db, "SELECT COUNT(*) AS number FROM spanbox_jobs WHERE state = 'completed'").await
}

/// How many jobs wait or run, counted by their indexes.
pub(super) async fn open(db: &Db) -> Result<usize, DbError> {
    let sql = "SELECT (SELECT COUNT(*) FROM spanbox_jobs WHERE state = 'running') \
        + (SELECT COUNT(*) FROM spanbox_jobs WHERE state = 'available' AND queue = 'noops') AS number";
    number(db, sql).await
}

async fn number(db: &Db, sql: &'static str) -> Result<usize, DbError> {
    let Number { number } = db
        .read(async move |conn: &mut Conn| {
            query!(conn, c => diesel::sql_query(sql).get_result::<Number>(c).await)
        })
        .await?;
    Ok(usize::try_from(number).unwrap_or(0))
}
