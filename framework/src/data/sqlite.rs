use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, sql_query};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute;

use super::conn::{Backend, Conn};
use super::error::DbError;
use super::lanes::{Lanes, Open};
use super::pool::PoolSignals;
use super::recorder::Recorder;
use super::traced::Traced;
use crate::config::{DatabaseSettings, SqliteSynchronous};
use crate::telemetry::Telemetry;

/// The write-ahead log is cut back to this size when it has been written into the database.
const WAL_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Runs what diesel-async takes for blocking right where it is polled. A connection has a thread of its own, which
/// is free to block, so a statement costs no change of threads.
#[derive(Debug)]
pub struct Inline;

impl SpawnBlocking for Inline {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn std::error::Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        Box::pin(async move { Ok(task()) })
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// SQLite: readers that share a queue, and one writer, since SQLite has room for one.
pub(super) struct Sqlite {
    pub(super) readers: Lanes,
    pub(super) writer: Lanes,
}

impl Sqlite {
    pub(super) fn new(settings: &DatabaseSettings, telemetry: &Telemetry) -> Result<Self, DbError> {
        let file = File::parse(settings)?;
        let name = file.path.file_name().unwrap_or(file.path.as_os_str()).to_string_lossy().into_owned();
        let base = vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, Backend::Sqlite.name()),
            KeyValue::new(attribute::DB_NAMESPACE, name.clone()),
        ];
        let recorder = Arc::new(Recorder::new(telemetry, base.clone()));
        let lanes = |thread, pool, limit, role| {
            let (file, connection) = (file.clone(), recorder.clone());
            let open: Open = Box::new(move || file.open(role, &connection));
            let signals = PoolSignals::new(telemetry, &base, format!("{name}/{pool}"));
            Lanes::new(thread, limit, open, settings.acquire_timeout, signals, telemetry.clone())
        };
        Ok(Self {
            readers: lanes("db-reader", "readers", settings.pool_size.max(1), Role::Reader),
            writer: lanes("db-writer", "writer", 1, Role::Writer),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Reader,
    Writer,
}

#[derive(Clone)]
struct File {
    path: PathBuf,
    busy_timeout: Duration,
    synchronous: SqliteSynchronous,
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

impl File {
    fn parse(settings: &DatabaseSettings) -> Result<Self, DbError> {
        let url = settings.url.expose();
        let path = url.strip_prefix("sqlite:").unwrap_or(url);
        let path = path.strip_prefix("//").unwrap_or(path);
        let reason = if path.is_empty() {
            "names no file: use e.g. sqlite://var/orders.db, or sqlite:///abs/path.db"
        } else if path.contains(":memory:") || path.starts_with("file:") {
            "names a database in memory, which the connections of a service cannot share: use a file, for tests one \
             in a temporary directory"
        } else if path.contains(['?', '#', '\0']) {
            "has characters that no SQLite path takes here (`?`, `#`): the settings of SQLite are keys of [database]"
        } else {
            return Ok(Self {
                path: PathBuf::from(path),
                busy_timeout: settings.busy_timeout,
                synchronous: settings.synchronous,
            });
        };
        Err(DbError::Url { reason: reason.to_owned() })
    }

    fn open(&self, role: Role, recorder: &Arc<Recorder>) -> Result<Conn, DbError> {
        let failed = |reason: String| DbError::Open { path: self.path.display().to_string(), reason };
        if let Some(directory) = self.path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| {
                failed(format!("cannot create the directory {}: {error}", directory.display()))
            })?;
        }
        // A bare relative name could be taken for a URI.
        let path = Path::new(".").join(&self.path);
        let path = path.to_str().ok_or_else(|| failed("the path is not UTF-8".to_owned()))?;
        let mut raw = SqliteConnection::establish(path).map_err(|error| failed(error.to_string()))?;
        self.configure(&mut raw, role).map_err(|error| failed(error.to_string()))?;
        Ok(Conn::Sqlite(Traced::new(SyncConnectionWrapper::with_runtime(raw, Inline), recorder.clone())))
    }

    fn configure(&self, raw: &mut SqliteConnection, role: Role) -> diesel::QueryResult<()> {
        let synchronous = match self.synchronous {
            SqliteSynchronous::Normal => "NORMAL",
            SqliteSynchronous::Full => "FULL",
        };
        raw.batch_execute(&format!("PRAGMA busy_timeout = {}", self.busy_timeout.as_millis()))?;
        if role == Role::Writer {
            let mode: JournalMode = sql_query("PRAGMA journal_mode = WAL").get_result(raw)?;
            if mode.journal_mode != "wal" {
                tracing::warn!(
                    path = %self.path.display(),
                    mode = mode.journal_mode,
                    "SQLite keeps no write-ahead log here, as on a network file system: readers will wait for the writer"
                );
            }
        }
        raw.batch_execute(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
             PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}; PRAGMA temp_store = MEMORY;"
        ))?;
        if role == Role::Reader {
            raw.batch_execute("PRAGMA query_only = ON")?;
        }
        Ok(())
    }
}
