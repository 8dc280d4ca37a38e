//! Whole jobs, one by its id or many by pages.

use std::fmt;
use std::str::FromStr;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::look::queues;
use super::statement::{Statement, sql};
use super::{count, state_of};
use crate::data::{Conn, DbError};
use crate::jobs::state::State;

/// A job as it is stored. Times are microseconds since 1970 by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
#[non_exhaustive]
pub struct Record {
    /// Its id.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The queue.
    #[diesel(sql_type = Text)]
    pub queue: String,
    /// The job's name.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The job as JSON.
    #[diesel(sql_type = Text)]
    pub payload: String,
    #[diesel(sql_type = Text)]
    pub(super) state: String,
    /// From 0, which runs first, to 9.
    #[diesel(sql_type = BigInt)]
    pub priority: i64,
    /// When it is or was due.
    #[diesel(sql_type = BigInt)]
    pub run_at: i64,
    /// How often it was begun.
    #[diesel(sql_type = BigInt)]
    pub attempt: i64,
    /// How often it may be.
    #[diesel(sql_type = BigInt)]
    pub max_attempts: i64,
    /// How many of its workers died over it.
    #[diesel(sql_type = BigInt)]
    pub crashes: i64,
    /// The fencing token of the last lease.
    #[diesel(sql_type = BigInt)]
    pub token: i64,
    /// Until when it is leased.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub lease_until: Option<i64>,
    /// Who had or has the last lease.
    #[diesel(sql_type = Nullable<Text>)]
    pub worker: Option<String>,
    /// The kind and the uniqueness key.
    #[diesel(sql_type = Nullable<Text>)]
    pub unique_key: Option<String>,
    /// Whether no other job can have the key.
    #[diesel(sql_type = Bool)]
    pub unique_held: bool,
    /// Whether somebody asked for it to be cancelled.
    #[diesel(sql_type = Bool)]
    pub cancel_requested: bool,
    /// When it was enqueued.
    #[diesel(sql_type = BigInt)]
    pub created_at: i64,
    /// When it was leased last.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub started_at: Option<i64>,
    /// When it ended or was put aside.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub finished_at: Option<i64>,
    /// What went wrong last.
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    /// The trace of the last run that told it, else of who enqueued the job.
    #[diesel(sql_type = Nullable<Text>)]
    pub trace_id: Option<String>,
    /// The place in a list.
    #[diesel(sql_type = BigInt)]
    place: i64,
}

impl Record {
    /// Where it stands.
    ///
    /// # Errors
    ///
    /// When the table holds a state that this build does not know.
    pub fn state(&self) -> Result<State, DbError> {
        state_of(&self.state)
    }

    /// The place behind it in the list of its state.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let priority = if self.state == State::Available.name() { self.priority } else { 0 };
        Cursor { priority, place: self.place, id: self.id }
    }
}

/// A place in a list; its text is opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    priority: i64,
    place: i64,
    id: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.priority, self.place, self.id)
    }
}

/// A text is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is none: use the one that the page before ended with, unchanged")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.splitn(3, '.').map(|part| part.parse().map_err(|_| NoCursor));
        let mut part = || parts.next().unwrap_or(Err(NoCursor));
        Ok(Self { priority: part()?, place: part()?, id: part()? })
    }
}

macro_rules! columns {
    ($place:literal) => {
        concat!(
            "SELECT id, queue, kind, payload, state, priority, run_at, attempt, max_attempts, crashes, token, lease_until, \
             worker, unique_key, unique_held, cancel_requested, created_at, started_at, finished_at, error, trace_id, ",
            $place,
            " AS place FROM spanbox_jobs "
        )
    };
}

pub(super) struct One;

impl Statement for One {
    const SQL: &'static str = concat!(columns!("run_at"), "WHERE id = ?");
}

/// The order in which they will run.
pub(super) struct Waiting;

impl Statement for Waiting {
    const SQL: &'static str = concat!(
        columns!("run_at"),
        "WHERE state = 'available' AND queue = ? AND (priority, run_at, id) > (?, ?, ?) \
         ORDER BY priority, run_at, id LIMIT ?"
    );
}

/// Those that run are few: what all workers together take at a time.
pub(super) struct Running;

impl Statement for Running {
    const SQL: &'static str = concat!(
        columns!("CAST(0 AS BIGINT)"),
        "WHERE state = 'running' AND queue = ? AND id < ? ORDER BY id DESC LIMIT ?"
    );
}

/// The newest first. The first of the two comparisons is for SQLite, which does not find its way by the second.
pub(super) struct Ended;

impl Statement for Ended {
    const SQL: &'static str = concat!(
        columns!(":kept_until"),
        "WHERE state = ? AND queue = ? AND finished_at IS NOT NULL AND :kept_until <= ? AND (:kept_until, id) < (?, ?) \
         ORDER BY :kept_until DESC, id DESC LIMIT ?"
    );
}

/// The job with this id.
///
/// # Errors
///
/// Those of the database.
pub async fn get(conn: &mut Conn, id: i64) -> Result<Option<Record>, DbError> {
    let rows: Vec<Record> = sql::<One>().number(id).load(conn).await?;
    Ok(rows.into_iter().next())
}

/// Up to `limit` jobs in a state, of one queue or of all, behind a place: those that wait in the order in which they will
/// run, those that run the newest first, all others by when they ended, the last first.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    conn: &mut Conn,
    state: State,
    queue: Option<&str>,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Vec<Record>, DbError> {
    let queues = match queue {
        Some(queue) => vec![queue.to_owned()],
        None => queues(conn, state).await?,
    };
    let mut all: Vec<Record> = Vec::new();
    for queue in queues {
        let rows = page(conn, state, queue, after, count(limit)).await?;
        all.extend(rows);
    }
    all.sort_unstable_by_key(Record::cursor);
    if state != State::Available {
        all.reverse();
    }
    all.truncate(limit);
    Ok(all)
}

async fn page(
    conn: &mut Conn,
    state: State,
    queue: String,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Record>, DbError> {
    const START: Cursor = Cursor { priority: -1, place: 0, id: 0 };
    const END: Cursor = Cursor { priority: 0, place: i64::MAX, id: i64::MAX };
    match state {
        State::Available => {
            let Cursor { priority, place, id } = after.unwrap_or(START);
            let statement =
                sql::<Waiting>().text(queue).number(priority).number(place).number(id).number(limit);
            statement.load(conn).await
        }
        State::Running => {
            let Cursor { id, .. } = after.unwrap_or(END);
            sql::<Running>().text(queue).number(id).number(limit).load(conn).await
        }
        state => {
            let Cursor { place, id, .. } = after.unwrap_or(END);
            let statement = sql::<Ended>()
                .text(state.name())
                .text(queue)
                .number(place)
                .number(place)
                .number(id)
                .number(limit);
            statement.load(conn).await
        }
    }
}
