use std::panic::Location;

use diesel::QueryResult;
use diesel::connection::AnsiTransactionManager as SqliteTransactions;
use diesel::sqlite::SqliteConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, TransactionManager as _};

use super::error::{DbError, lost_connection};
use super::postgres::Pooled;
use super::sqlite::Inline;
use super::traced::{Ending, Hook, Traced, depth};

/// A connection to SQLite.
pub type SqliteConn = Traced<SyncConnectionWrapper<SqliteConnection, Inline>>;

/// Which database this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Backend {
    /// The name that telemetry uses, `db.system.name`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

/// The connection of a unit of work, see [`Db`](super::Db). Queries go to it through [`query!`](super::query).
#[allow(clippy::large_enum_variant, reason = "a thread or a task has one, and nobody moves it")]
pub enum Conn {
    /// To SQLite.
    Sqlite(SqliteConn),
    /// To PostgreSQL. Without the feature `postgres` no connection is one.
    Postgres(Pooled),
}

/// How a unit of work runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every statement for itself.
    Plain,
    /// Every statement sees the same state of the database.
    Snapshot,
    /// One transaction that writes.
    Write,
}

impl Conn {
    /// Which database it leads to.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(_) => Backend::Sqlite,
            Self::Postgres(_) => Backend::Postgres,
        }
    }

    /// Does something once this unit of work has ended well: after the COMMIT of [`Db::write`](super::Db::write), and
    /// never when it is rolled back. It happens where the unit runs and in its trace, also when whoever asked for the
    /// unit has gone: what must follow a commit belongs here and not behind the `await`.
    ///
    /// It must be short and must not block. A panic in it is logged; the commit stands.
    pub fn after_commit(&mut self, then: impl FnOnce() + Send + 'static) {
        self.hooks().push(Hook::Committed(Box::new(then)));
    }

    /// Does something when this unit of work ends, in whatever way; as [`after_commit`](Self::after_commit) otherwise.
    pub fn at_end(&mut self, then: impl FnOnce(Ending) + Send + 'static) {
        self.hooks().push(Hook::Ended(Box::new(then)));
    }

    /// Says something on a channel once this unit of work is committed, to who listens in this process
    /// ([`Db::listen`](super::Db::listen)). Others are told by `pg_notify` in a statement of the unit.
    pub fn announce(&mut self, channel: &'static str, payload: impl Into<String>) {
        self.hooks().push(Hook::Announce(channel, payload.into()));
    }

    fn hooks(&mut self) -> &mut Vec<Hook> {
        match self {
            Self::Sqlite(conn) => conn.hooks(),
            Self::Postgres(conn) => conn.hooks(),
        }
    }

    /// What follows belongs to a unit of work that was asked for there.
    pub(super) fn work_for(&mut self, site: &'static Location<'static>) {
        match self {
            Self::Sqlite(conn) => conn.work_for(site),
            Self::Postgres(conn) => conn.work_for(site),
        }
    }

    pub(super) fn take_hooks(&mut self) -> Vec<Hook> {
        std::mem::take(self.hooks())
    }

    pub(super) async fn begin(&mut self, kind: Kind) -> QueryResult<()> {
        match (self, kind) {
            (_, Kind::Plain) => Ok(()),
            // A deferred transaction that reads and then writes fails with BUSY_SNAPSHOT when another wrote in
            // between, whatever the busy timeout; taking the write lock first cannot.
            (Self::Sqlite(conn), Kind::Write) => sqlite_begin(conn, "BEGIN IMMEDIATE").await,
            (Self::Sqlite(conn), Kind::Snapshot) => sqlite_begin(conn, "BEGIN").await,
            (Self::Postgres(conn), kind) => conn.begin(kind).await,
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(conn) => committed(commit(conn).await),
            Self::Postgres(conn) => conn.commit().await,
        }
    }

    pub(super) async fn rollback(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(conn) => rollback(conn).await,
            Self::Postgres(conn) => conn.rollback().await,
        }
    }

    /// How many transactions and savepoints of SQLite are open, as diesel counts them.
    pub(super) fn depth(&mut self) -> u32 {
        match self {
            Self::Sqlite(conn) => depth(conn.inner()),
            Self::Postgres(_) => 0,
        }
    }

    /// Whether the next unit must not have it: a transaction is open, or the server is gone.
    pub(super) fn is_broken(&mut self) -> bool {
        match self {
            Self::Sqlite(conn) => transaction_is_open(conn),
            Self::Postgres(conn) => conn.is_broken(),
        }
    }
}

async fn sqlite_begin(conn: &mut SqliteConn, sql: &'static str) -> QueryResult<()> {
    conn.recorded(sql, async |inner| {
        inner.spawn_blocking(move |raw| SqliteTransactions::begin_transaction_sql(raw, sql)).await
    })
    .await
}

pub(super) async fn commit<C: AsyncConnection>(conn: &mut C) -> QueryResult<()> {
    C::TransactionManager::commit_transaction(conn).await
}

/// What came of a COMMIT.
pub(super) fn committed(ended: QueryResult<()>) -> Result<(), DbError> {
    ended.map_err(|error| {
        if lost_connection(&error) { DbError::CommitUncertain(error) } else { DbError::Query(error) }
    })
}

pub(super) async fn rollback<C: AsyncConnection>(conn: &mut C) -> QueryResult<()> {
    C::TransactionManager::rollback_transaction(conn).await
}

fn transaction_is_open<C: AsyncConnection>(conn: &mut C) -> bool {
    C::TransactionManager::is_broken_transaction_manager(conn)
}
