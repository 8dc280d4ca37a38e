use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use diesel::sql_query;
use diesel_async::RunQueryDsl as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::conn::{Backend, Conn, Kind};
use super::error::DbError;
use super::listen::Board;
use super::pool::PoolSignals;
use super::postgres::Postgres;
use super::query_macro::query;
use super::sqlite::Sqlite;
use super::unit::{Tally, Unit};
use crate::config::DatabaseSettings;
use crate::telemetry::Telemetry;

/// The database of a service; cheap to clone.
///
/// Work is handed over in units: an async closure that gets a connection. A unit that has begun always ends by itself,
/// also when the future that waits for it is dropped (a client that hung up, a timeout); one that still waits for its
/// connection then never runs. Units run on threads of the database, in the trace context of their caller.
///
/// A unit that asks for another one holds its connection meanwhile; on SQLite a `write` inside a `write` waits for
/// itself until [`DbError::PoolTimeout`]. Keep anything slow that is no query out of a unit, and never block in one.
///
/// Each thread stops when it is closed or the last clone is dropped, after the units it already has.
#[derive(Clone)]
pub struct Db {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    driver: Driver,
    acquire_timeout: Duration,
    pub(super) tally: Arc<Tally>,
    pub(super) board: Arc<Board>,
}

pub(super) enum Driver {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// What became of the units of work that were queued or running when [`Db::close`] was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct CloseReport {
    /// They ended: committed or rolled back, or withdrawn by their callers.
    pub finished: usize,
    /// They were still waiting or running at the deadline.
    pub abandoned: usize,
}

/// Where a unit runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Reader,
    Writer,
}

impl Db {
    /// Opens the database that the URL names, and makes one connection to see that it is there.
    ///
    /// `sqlite://path` is created with its directory when missing, and put into WAL mode. For `postgres://` the URL
    /// takes the driver's options (`host=/socket/directory`, `connect_timeout`, `application_name`, …) and `sslmode`:
    /// `disable`; `prefer` (default: TLS if the server has it, without checking its certificate); `require` (TLS,
    /// unchecked, or checked against `sslrootcert` when given); `verify-ca`; `verify-full` (the only one that no
    /// impostor passes). Roots are the system's unless `sslrootcert` names a PEM file. A Unix socket is never
    /// encrypted. It takes the feature `postgres`.
    ///
    /// # Errors
    ///
    /// [`DbError::Url`], [`DbError::Open`], [`DbError::Connect`], [`DbError::Thread`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time enabled, as every method here that waits; an actix runtime is one.
    pub async fn connect(settings: &DatabaseSettings, telemetry: &Telemetry) -> Result<Self, DbError> {
        let driver = if settings.url.expose().starts_with("sqlite:") {
            Driver::Sqlite(Sqlite::new(settings, telemetry)?)
        } else {
            Driver::Postgres(Postgres::new(settings, telemetry)?)
        };
        let acquire_timeout = settings.acquire_timeout;
        let db = Self {
            inner: Arc::new(Inner { driver, acquire_timeout, tally: Arc::default(), board: Arc::default() }),
        };
        // The writer first: it creates the file and sets the journal mode that readers rely on.
        let first = db.run(Role::Writer, Kind::Plain, async |_: &mut Conn| Ok::<_, DbError>(())).await;
        first.map_err(|error| db.silent(error))?;
        db.ping().await?;
        Ok(db)
    }

    /// Runs a unit of work that only reads, every statement for itself.
    ///
    /// On SQLite it gets one of the readers, which refuse to write. On PostgreSQL it gets a pooled connection.
    ///
    /// # Errors
    ///
    /// Those of the unit; before it begins [`DbError::PoolTimeout`], [`DbError::Connect`], [`DbError::Open`] and
    /// [`DbError::Closed`]; and [`DbError::Panicked`].
    #[track_caller]
    pub fn read<T, E, F>(&self, work: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Send + 'static,
    {
        self.run(Role::Reader, Kind::Plain, work)
    }

    /// Runs a unit of work that only reads, all statements from one state of the database.
    ///
    /// It costs a BEGIN and a COMMIT over [`Db::read`]: a deferred transaction on SQLite, REPEATABLE READ READ ONLY on
    /// PostgreSQL.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    #[track_caller]
    pub fn snapshot<T, E, F>(&self, work: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Send + 'static,
    {
        self.run(Role::Reader, Kind::Snapshot, work)
    }

    /// Runs a unit of work as one transaction: COMMIT on `Ok`, ROLLBACK on `Err` and on a panic.
    ///
    /// SQLite takes the write lock at its beginning, so what is read in it stays true until the COMMIT. PostgreSQL
    /// runs READ COMMITTED: lock what is read to be written (`for_update`). After a statement that PostgreSQL refused,
    /// its transaction is lost even when the unit goes on and returns `Ok` ([`DbError::Aborted`]); SQLite undoes that
    /// statement alone. `transaction` on the connection is a savepoint, which makes both alike.
    ///
    /// On SQLite units that wait for the writer at the same time may share a transaction. One that fails or panics undoes
    /// nothing of the others, and each is answered after the COMMIT. They do not share one where the tables have constraints
    /// that are `INITIALLY DEFERRED`, which only COMMIT looks at, and a unit that awaited something else than queries has its
    /// own from then on. What ends a transaction as a whole (`RAISE(ROLLBACK)`, a full disk, a COMMIT that fails) ends it for
    /// all of them, which is [`DbError::Together`].
    ///
    /// # Errors
    ///
    /// As [`Db::read`], those of COMMIT, [`DbError::Aborted`], [`DbError::CommitUncertain`], [`DbError::Together`] and
    /// [`DbError::Stalled`].
    #[track_caller]
    pub fn write<T, E, F>(&self, work: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Send + 'static,
    {
        self.run(Role::Writer, Kind::Write, work)
    }

    /// Asks the database for an answer, for a health check.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read(async |conn: &mut Conn| query!(conn, c => sql_query("SELECT 1").execute(c).await).map(drop))
            .await
    }

    /// The longest wait for a connection since the last call. For one who calls again and again.
    pub(crate) fn longest_wait(&self) -> Duration {
        match &self.inner.driver {
            Driver::Sqlite(sqlite) => sqlite.readers.longest_wait().max(sqlite.writer.longest_wait()),
            Driver::Postgres(postgres) => postgres.longest_wait(),
        }
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match &self.inner.driver {
            Driver::Sqlite(_) => Backend::Sqlite,
            Driver::Postgres(_) => Backend::Postgres,
        }
    }

    /// Takes no more units, waits for those that are queued or running, then closes the connections.
    ///
    /// What has not ended by the deadline is reported as abandoned: queued units are dropped, running ones go on until
    /// they end or the process does.
    pub async fn close(&self, deadline: Duration) -> CloseReport {
        let until = Instant::now() + deadline;
        let tally = &self.inner.tally;
        let pending = tally.pending();
        match &self.inner.driver {
            Driver::Sqlite(sqlite) => {
                sqlite.readers.close();
                sqlite.writer.close();
            }
            Driver::Postgres(postgres) => postgres.close(),
        }
        let in_time = timeout_at(until, tally.empty()).await.is_ok();
        let abandoned = if in_time { 0 } else { tally.pending() };
        match &self.inner.driver {
            Driver::Sqlite(sqlite) => {
                sqlite.readers.abandon();
                sqlite.writer.abandon();
                // The last connection that closes writes the log back into the database; the writer may do that.
                let _ = timeout_at(until, async {
                    sqlite.readers.gone().await;
                    sqlite.writer.gone().await
                })
                .await;
            }
            Driver::Postgres(postgres) => {
                postgres.abandon();
                let _ = timeout_at(until, postgres.gone()).await;
            }
        }
        CloseReport { finished: pending.saturating_sub(abandoned), abandoned }
    }

    pub(super) fn driver(&self) -> &Driver {
        &self.inner.driver
    }

    #[track_caller]
    pub(super) fn run<T, E, F>(&self, role: Role, kind: Kind, work: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Send + 'static,
    {
        // An async function would not see who called it.
        let site = Location::caller();
        async move {
            let Inner { driver, acquire_timeout, tally, board } = &*self.inner;
            let pool = self.pool(role);
            let (unit, mut answer) = Unit::pack(kind, work, site, tally, board);
            match (driver, role) {
                (Driver::Sqlite(sqlite), Role::Reader) => sqlite.readers.submit(unit)?,
                (Driver::Sqlite(sqlite), Role::Writer) => sqlite.writer.submit(unit)?,
                (Driver::Postgres(postgres), _) => postgres.submit(unit),
            }
            match timeout(*acquire_timeout, answer.wait()).await {
                Ok(result) => result,
                Err(_) if answer.withdraw() => {
                    pool.timed_out();
                    Err(self.timed_out(role).into())
                }
                Err(_) => answer.wait().await,
            }
        }
    }

    fn pool(&self, role: Role) -> &PoolSignals {
        match (&self.inner.driver, role) {
            (Driver::Sqlite(sqlite), Role::Reader) => sqlite.readers.signals(),
            (Driver::Sqlite(sqlite), Role::Writer) => sqlite.writer.signals(),
            (Driver::Postgres(postgres), _) => postgres.signals(),
        }
    }

    /// Nobody else has a connection yet, so one that does not come in time is the server's doing.
    fn silent(&self, error: DbError) -> DbError {
        match (error, &self.inner.driver) {
            (DbError::PoolTimeout { waited, .. }, Driver::Postgres(postgres)) => DbError::Connect {
                server: postgres.shown().to_owned(),
                reason: format!(
                    "it did not answer within {waited:?} (database.acquire_timeout): is it a PostgreSQL, and not overloaded?"
                ),
            },
            (error, _) => error,
        }
    }

    fn timed_out(&self, role: Role) -> DbError {
        let (what, size) = match (&self.inner.driver, role) {
            (Driver::Sqlite(sqlite), Role::Reader) => ("reader of SQLite", sqlite.readers.limit()),
            (Driver::Sqlite(_), Role::Writer) => ("writer of SQLite", 1),
            (Driver::Postgres(postgres), _) => ("connection to PostgreSQL", postgres.size()),
        };
        DbError::PoolTimeout { what, waited: self.inner.acquire_timeout, size }
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("backend", &self.backend()).finish_non_exhaustive()
    }
}
