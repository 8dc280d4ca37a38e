use std::time::Duration;

use diesel::result::Error as QueryError;
use diesel::sql_query;
use diesel_async::RunQueryDsl as _;

use super::{CLOSE, CliError, MIGRATIONS};
use crate::app::Ready;
use crate::config::DatabaseSettings;
use crate::data::{Conn, Db, DbError};
use crate::query;

/// The service's database, as a command uses it: nobody waits at a terminal for a lock without end.
pub(super) struct Desk {
    db: Db,
    /// Whose it is.
    pub(super) service: &'static str,
    /// How long PostgreSQL may wait for a lock.
    patience: Duration,
    /// How long SQLite waits for one.
    busy_timeout: Duration,
}

impl Desk {
    pub(super) async fn open(ready: &Ready) -> Result<Self, CliError> {
        let settings = ready.config().get::<DatabaseSettings>().unwrap_or_default();
        if let Some(file) = settings.sqlite_file().filter(|file| !file.exists()) {
            return Err(CliError::NoFile { file: file.to_owned(), service: ready.name() });
        }
        Ok(Self {
            db: ready.database().await?,
            service: ready.name(),
            patience: settings.acquire_timeout,
            busy_timeout: settings.busy_timeout,
        })
    }

    /// Reads, all from one state of the database.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, DbError> + Send + 'static,
    {
        let patience = self.patience;
        self.db
            .snapshot(async move |conn: &mut Conn| {
                wait_at_most(conn, patience).await?;
                work(conn).await
            })
            .await
    }

    /// Writes, in one transaction.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, DbError> + Send + 'static,
    {
        let patience = self.patience;
        self.db
            .write(async move |conn: &mut Conn| {
                wait_at_most(conn, patience).await?;
                work(conn).await
            })
            .await
    }

    /// Closes the database, and says of an error what is behind it.
    pub(super) async fn close(self, done: Result<(), CliError>) -> Result<(), CliError> {
        let done = match done {
            Err(CliError::Database(error)) => Err(self.explain(error).await),
            done => done,
        };
        let _all_units_have_ended = self.db.close(CLOSE).await;
        done
    }

    async fn explain(&self, error: DbError) -> CliError {
        let states = self.db.migration_status(&MIGRATIONS).await.unwrap_or_default();
        let missing: Vec<_> =
            states.into_iter().filter(|state| !state.applied).map(|state| state.name).collect();
        if !missing.is_empty() {
            return CliError::NoTable { service: self.service, missing };
        }
        match told(&error) {
            Some(text) if text.contains("database is locked") => {
                CliError::Locked { waited: self.busy_timeout, source: error }
            }
            Some(text) if text.contains("lock timeout") => {
                CliError::Locked { waited: self.patience, source: error }
            }
            _ => CliError::Database(error),
        }
    }
}

/// What the database said; diesel tells these errors by their text alone.
fn told(error: &DbError) -> Option<&str> {
    match error {
        DbError::Query(QueryError::DatabaseError(_, told)) => Some(told.message()),
        _ => None,
    }
}

/// PostgreSQL waits for locks without end unless told; SQLite's connections have their `busy_timeout`.
async fn wait_at_most(conn: &mut Conn, patience: Duration) -> Result<(), DbError> {
    if let Conn::Postgres(_) = conn {
        let sql = format!("SET LOCAL lock_timeout = {}", patience.as_millis().clamp(1, 3_600_000));
        query!(conn, c => sql_query(sql).execute(c).await)?;
    }
    Ok(())
}
