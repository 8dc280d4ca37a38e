//! Looking at jobs. What is counted is counted up to a limit, and what is listed is read off an index, so that none of
//! this costs more when the table is larger. A count is ordered, too: without an order PostgreSQL may collect all that
//! there is before it stops at the limit.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl as _;

use super::statement::{Statement, sql};
use super::{count, span_of};
use crate::data::{Conn, DbError};
use crate::jobs::state::State;
use crate::query;

pub(super) struct Clock;

impl Statement for Clock {
    const SQL: &'static str = "SELECT :now AS clock";
}

#[derive(QueryableByName)]
struct ClockRow {
    #[diesel(sql_type = BigInt)]
    clock: i64,
}

/// The database's clock, in microseconds since 1970: what the times of jobs are to be compared with.
///
/// # Errors
///
/// Those of the database.
pub async fn clock(conn: &mut Conn) -> Result<i64, DbError> {
    let row: ClockRow = query!(conn, c => sql::<Clock>().get_result(c).await)?;
    Ok(row.clock)
}

#[derive(QueryableByName)]
struct QueueRow {
    #[diesel(sql_type = Text)]
    queue: String,
}

/// Jumps from each name in the index to the next.
pub(super) struct EndedQueues;

impl Statement for EndedQueues {
    const SQL: &'static str = "\
        WITH RECURSIVE names(queue) AS ( \
            SELECT MIN(queue) FROM spanbox_jobs WHERE state = ? AND finished_at IS NOT NULL \
            UNION ALL SELECT (SELECT MIN(j.queue) FROM spanbox_jobs AS j \
                WHERE j.state = ? AND j.finished_at IS NOT NULL AND j.queue > names.queue) \
            FROM names WHERE names.queue IS NOT NULL) \
        SELECT queue FROM names WHERE queue IS NOT NULL";
}

pub(super) struct WaitingQueues;

impl Statement for WaitingQueues {
    const SQL: &'static str = "\
        WITH RECURSIVE names(queue) AS ( \
            SELECT MIN(queue) FROM spanbox_jobs WHERE state = 'available' \
            UNION ALL SELECT (SELECT MIN(j.queue) FROM spanbox_jobs AS j \
                WHERE j.state = 'available' AND j.queue > names.queue) \
            FROM names WHERE names.queue IS NOT NULL) \
        SELECT queue FROM names WHERE queue IS NOT NULL";
}

/// As many as run at a time, which is what all workers together take.
pub(super) struct RunningQueues;

impl Statement for RunningQueues {
    const SQL: &'static str =
        "SELECT DISTINCT queue FROM spanbox_jobs WHERE state = 'running' ORDER BY queue";
}

/// The queues that have jobs in a state, in order.
///
/// # Errors
///
/// Those of the database.
pub async fn queues(conn: &mut Conn, state: State) -> Result<Vec<String>, DbError> {
    let rows: Vec<QueueRow> = match state {
        State::Available => sql::<WaitingQueues>().load(conn).await?,
        State::Running => sql::<RunningQueues>().load(conn).await?,
        state => {
            let statement = sql::<EndedQueues>().text(state.name()).text(state.name());
            statement.load(conn).await?
        }
    };
    Ok(rows.into_iter().map(|row| row.queue).collect())
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    jobs: i64,
}

pub(super) struct CountEnded;

impl Statement for CountEnded {
    const SQL: &'static str = "\
        SELECT COUNT(*) AS jobs FROM (SELECT 1 FROM spanbox_jobs \
            WHERE state = ? AND queue = ? AND finished_at IS NOT NULL ORDER BY :kept_until LIMIT ?) AS capped";
}

pub(super) struct CountWaiting;

impl Statement for CountWaiting {
    const SQL: &'static str = "\
        SELECT COUNT(*) AS jobs FROM (SELECT 1 FROM spanbox_jobs WHERE state = 'available' AND queue = ? ORDER BY priority, run_at LIMIT ?) AS capped";
}

pub(super) struct CountRunning;

impl Statement for CountRunning {
    const SQL: &'static str = "\
        SELECT COUNT(*) AS jobs FROM (SELECT 1 FROM spanbox_jobs WHERE state = 'running' AND queue = ? LIMIT ?) AS capped";
}

/// How many jobs of a queue are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: State,
    /// How many, or the limit if there are more.
    pub jobs: i64,
}

/// Counts the jobs by queue and state, each up to `limit`; what has none is left out.
///
/// # Errors
///
/// Those of the database.
pub async fn counts(conn: &mut Conn, limit: usize) -> Result<Vec<Count>, DbError> {
    let mut counts = Vec::new();
    for state in State::ALL {
        for queue in queues(conn, state).await? {
            let (name, limit) = (queue.clone(), count(limit));
            let row: CountRow = match state {
                State::Available => {
                    query!(&mut *conn, c => sql::<CountWaiting>().text(name).number(limit).get_result(c).await)?
                }
                State::Running => {
                    query!(&mut *conn, c => sql::<CountRunning>().text(name).number(limit).get_result(c).await)?
                }
                state => {
                    let statement = sql::<CountEnded>().text(state.name()).text(name).number(limit);
                    query!(&mut *conn, c => statement.get_result(c).await)?
                }
            };
            counts.push(Count { queue, state, jobs: row.jobs });
        }
    }
    Ok(counts)
}

/// The first of each priority, so the range of no priority is read further than that; and what is due, up to a limit.
pub(super) struct Ready;

impl Statement for Ready {
    const SQL: &'static str = "\
        WITH p(priority) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)), \
        ranges AS ( \
            SELECT (SELECT MIN(j.run_at) FROM spanbox_jobs AS j \
                    WHERE j.state = 'available' AND j.queue = ? AND j.priority = p.priority) AS first, \
                (SELECT COUNT(*) FROM (SELECT 1 FROM spanbox_jobs AS j \
                    WHERE j.state = 'available' AND j.queue = ? AND j.priority = p.priority AND j.run_at <= :now \
                    ORDER BY j.run_at LIMIT ?) AS capped) AS due \
            FROM p) \
        SELECT :now AS clock, MIN(first) AS first, CAST(SUM(due) AS BIGINT) AS due FROM ranges";
}

#[derive(QueryableByName)]
struct ReadyRow {
    #[diesel(sql_type = BigInt)]
    clock: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    first: Option<i64>,
    #[diesel(sql_type = BigInt)]
    due: i64,
}

/// What waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many jobs are due, each priority counted up to the limit.
    pub due: i64,
    /// For how long the oldest of them has been.
    pub oldest: Option<Duration>,
    /// If none is due: in how long the next one will be.
    pub next_in: Option<Duration>,
}

/// What waits in a queue, by the database's clock.
///
/// # Errors
///
/// Those of the database.
pub async fn backlog(conn: &mut Conn, queue: &str, limit: usize) -> Result<Backlog, DbError> {
    let statement = sql::<Ready>().text(queue).text(queue).number(count(limit));
    let row: ReadyRow = query!(conn, c => statement.get_result(c).await)?;
    let (due, later) =
        (row.first.filter(|first| *first <= row.clock), row.first.filter(|first| *first > row.clock));
    Ok(Backlog {
        due: row.due,
        oldest: due.map(|first| span_of(first, row.clock)),
        next_in: later.map(|first| span_of(row.clock, first)),
    })
}
