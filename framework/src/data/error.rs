use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as QueryError};

/// What can go wrong between a service and its database.
///
/// No message holds a password or a bound value; what the database itself said is kept in
/// [`DbError::Query`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// The URL of `[database]` cannot be used.
    #[error("the database URL {reason}")]
    Url {
        /// What is wrong with it, and what to write instead.
        reason: String,
    },
    /// The SQLite file could not be opened, or is not writable.
    #[error(
        "cannot open the SQLite database {path}: {reason}; check that its directory exists, that this user may write to both and that the disk is not full (database.url)"
    )]
    Open {
        /// The file as the settings name it.
        path: String,
        /// What the system or SQLite said.
        reason: String,
    },
    /// No connection to the PostgreSQL server could be made.
    #[error("cannot connect to PostgreSQL at {server}: {reason}")]
    Connect {
        /// User, host, port and database, without the password.
        server: String,
        /// What the server or the network said, and what to do.
        reason: String,
    },
    /// No connection became free in time.
    #[error(
        "no {what} became free within {waited:?} (database.acquire_timeout), {size} in all (database.pool_size): \
         keep units of work short, nest no unit in another, or raise one of the two"
    )]
    PoolTimeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
        /// How many there are.
        size: usize,
    },
    /// The database refused a statement, or its answer could not be read.
    #[error("the database refused a statement: {0}")]
    Query(#[source] QueryError),
    /// PostgreSQL had given the transaction up after an error that the unit of work passed over, so there was nothing
    /// left to commit. Everything was rolled back.
    #[error(
        "the transaction was rolled back: PostgreSQL gives it up after a failed statement; wrap a statement that may \
         fail in `transaction` (a savepoint), or use ON CONFLICT"
    )]
    Aborted,
    /// The transaction that this unit of work shared with others could not be committed. Everything was rolled back.
    #[error(
        "the transaction was rolled back, with all that {units} units of work had done in it at the same time: {source}"
    )]
    Together {
        /// How many units it had, with this one.
        units: usize,
        /// What SQLite said.
        source: Arc<QueryError>,
    },
    /// A unit of work waited for something that is no query, while others waited to be committed with it. It was rolled
    /// back. The next from the same place in the code is committed alone, and may wait.
    #[error(
        "the unit of work of {site} was rolled back: it waited {waited:?} (database.acquire_timeout) for something that is \
         no query, and others waited for it; await nothing but queries in a unit of work, least of all another unit"
    )]
    Stalled {
        /// Where the unit was asked for.
        site: &'static Location<'static>,
        /// How long it had waited.
        waited: Duration,
    },
    /// The connection broke during COMMIT: whether the transaction took place is known to the server alone.
    #[error("the connection broke during COMMIT, so it is unknown whether the transaction took place: {0}")]
    CommitUncertain(#[source] QueryError),
    /// The code of the unit of work panicked. Its transaction was rolled back.
    #[error("a unit of work panicked and was rolled back: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// The database was closed, as a service does when it stops.
    #[error("the database is closed: the service is stopping")]
    Closed,
    /// A thread of the database could not be started.
    #[error("cannot start the thread {name} of the database: {source}; check the limits of this process")]
    Thread {
        /// The thread's name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A migration failed. It was rolled back, and those before it stand.
    #[error("migration {name} failed: {reason}; it was rolled back, and the ones before it stand")]
    Migration {
        /// The migration's directory name.
        name: String,
        /// What the database said.
        reason: String,
    },
    /// Two migrations have one version, so that only one of them would ever be applied.
    #[error("the migrations {first} and {second} have the same version: give one of them another date")]
    SameVersion {
        /// The directory name of one.
        first: String,
        /// The directory name of the other.
        second: String,
    },
    /// The database holds a migration that this build does not know.
    #[error(
        "the database has applied migration {version}, which this build does not contain: run the newer build's \
         `migrate down` first"
    )]
    UnknownMigration {
        /// The version in the database.
        version: String,
    },
}

impl DbError {
    /// Whether a row that had to be there was not.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Query(QueryError::NotFound))
    }

    /// Whether a statement would have broken a UNIQUE constraint or a primary key.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Query(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)))
    }

    /// Whether a statement would have broken a foreign key: what a row refers to is not there, or what was to be deleted is
    /// referred to.
    #[must_use]
    pub fn is_foreign_key_violation(&self) -> bool {
        use DatabaseErrorKind::{ForeignKeyViolation, RestrictViolation};
        let Self::Query(QueryError::DatabaseError(kind, _)) = self else { return false };
        matches!(kind, ForeignKeyViolation | RestrictViolation)
    }

    /// Whether the same unit of work may succeed when it is run again: it did not run, or lost a race.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::PoolTimeout { .. }
            | Self::Connect { .. }
            | Self::Together { .. }
            | Self::Stalled { .. } => true,
            Self::Query(QueryError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            Self::Query(error) => lost_connection(error) || busy(error),
            _ => false,
        }
    }
}

impl DbError {
    /// Whether the database itself could not be used, whatever was asked of it: it may be back soon.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::PoolTimeout { .. } | Self::Connect { .. } | Self::Open { .. } | Self::Closed => true,
            Self::Query(error) | Self::CommitUncertain(error) => lost_connection(error) || busy(error),
            Self::Together { source, .. } => busy(source),
            _ => false,
        }
    }

    /// What happened in words that anyone may read: no server, no user, no path.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        match self {
            Self::PoolTimeout { .. } => "no connection became free in time",
            Self::Closed => "the database is closed",
            error if error.is_unavailable() => "the database can not be reached",
            _ => "the database refused a statement",
        }
    }
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// The name of an error's kind for telemetry: it holds no values, as the messages of a database do.
pub(super) fn kind(error: &QueryError) -> &'static str {
    match error {
        QueryError::DatabaseError(kind, _) => match kind {
            DatabaseErrorKind::UniqueViolation => "unique_violation",
            DatabaseErrorKind::ForeignKeyViolation => "foreign_key_violation",
            DatabaseErrorKind::RestrictViolation => "restrict_violation",
            DatabaseErrorKind::NotNullViolation => "not_null_violation",
            DatabaseErrorKind::CheckViolation => "check_violation",
            DatabaseErrorKind::ExclusionViolation => "exclusion_violation",
            DatabaseErrorKind::SerializationFailure => "serialization_failure",
            DatabaseErrorKind::ReadOnlyTransaction => "read_only_transaction",
            DatabaseErrorKind::ClosedConnection => "closed_connection",
            DatabaseErrorKind::UnableToSendCommand => "unable_to_send_command",
            _ => "database_error",
        },
        QueryError::DeserializationError(_) => "deserialization_error",
        QueryError::SerializationError(_) => "serialization_error",
        QueryError::QueryBuilderError(_) => "query_builder_error",
        QueryError::BrokenTransactionManager => "broken_transaction",
        _ => "query_error",
    }
}

/// The SQLSTATE of an error, as far as diesel tells it (PostgreSQL manual, appendix A).
pub(super) fn sqlstate(error: &QueryError) -> Option<&'static str> {
    let QueryError::DatabaseError(kind, _) = error else { return None };
    match kind {
        DatabaseErrorKind::UniqueViolation => Some("23505"),
        DatabaseErrorKind::ForeignKeyViolation => Some("23503"),
        DatabaseErrorKind::RestrictViolation => Some("23001"),
        DatabaseErrorKind::NotNullViolation => Some("23502"),
        DatabaseErrorKind::CheckViolation => Some("23514"),
        DatabaseErrorKind::ExclusionViolation => Some("23P01"),
        DatabaseErrorKind::SerializationFailure => Some("40001"),
        DatabaseErrorKind::ReadOnlyTransaction => Some("25006"),
        _ => None,
    }
}

/// Whether the database has no room for a writer now: SQLite's file is locked by another process, or its disk is
/// full. diesel tells both by their text alone.
fn busy(error: &QueryError) -> bool {
    let QueryError::DatabaseError(_, told) = error else { return false };
    ["database is locked", "database or disk is full"].iter().any(|text| told.message().contains(text))
}

/// Whether the connection, and not the statement, is what failed.
pub(super) fn lost_connection(error: &QueryError) -> bool {
    // PostgreSQL's last words on a connection that an administrator ends.
    if let QueryError::DatabaseError(_, told) = error
        && told.message().starts_with("terminating connection")
    {
        return true;
    }
    matches!(
        error,
        QueryError::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection,
            _
        ) | QueryError::BrokenTransactionManager
    )
}

/// Whether the server refused a statement, which gives up a transaction of PostgreSQL.
pub(super) fn refused(error: &QueryError) -> bool {
    matches!(error, QueryError::DatabaseError(..)) && !lost_connection(error)
}
