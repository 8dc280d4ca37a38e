//! The end of a run. Every statement here checks the id, the token and that the job runs; a lease that was lost changes
//! no row.
//!
//! That a job runs is asked as `lease_until IS NOT NULL`, which a CHECK makes the same: with `state = 'running'` both
//! databases read all running jobs off the index of leases, for each row that they are given.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;

use super::insert::json;
use super::lease::Held;
use super::statement::{Statement, sql};
use super::{micros, state_of};
use crate::data::{Conn, DbError};
use crate::jobs::state::State;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

pub(super) struct Complete;

impl Statement for Complete {
    const SQL: &'static str = "\
        WITH held AS MATERIALIZED ( \
            SELECT j.id FROM :held) \
        UPDATE spanbox_jobs SET state = 'completed', finished_at = :now, lease_until = NULL, error = NULL, \
            unique_held = unique_held AND unique_until > :now \
        WHERE id IN (:held_ids) RETURNING id";
}

/// Completes jobs, and tells the ids of those that were still held.
///
/// # Errors
///
/// Those of the database.
pub async fn complete(conn: &mut Conn, held: &[Held]) -> Result<Vec<i64>, DbError> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let statement = sql::<Complete>().text(json(held)?);
    let rows: Vec<Id> = statement.load(conn).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A run that did not complete.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The lease.
    pub held: Held,
    /// What is to become of the job.
    pub then: Then,
    /// What went wrong; its first 4 KiB are kept. Not for [`Then::GiveBack`].
    pub error: Option<String>,
    /// The trace of the run, 32 hexadecimal digits.
    pub trace_id: Option<String>,
}

/// What is to become of a job that did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is due again after this time, unless its attempts are spent.
    RetryIn(Duration),
    /// It is dead.
    GiveUp,
    /// It is put aside. The attempt does not count.
    Park,
    /// It is due as before, as if it had not been leased: at a stop. The attempt does not count.
    GiveBack,
}

/// What became of a job that did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The job.
    pub id: i64,
    /// Where it is now: as asked for; [`State::Dead`] when its attempts are spent, or [`State::Cancelled`] when somebody
    /// had asked for that.
    pub state: State,
}

const MAX_ERROR: usize = 4096;

/// A job that is to be cancelled is, whatever its end would have been.
pub(super) struct Settle;

impl Statement for Settle {
    const ROWS: &'static [(&'static str, &'static str)] = &[
        ("id", "BIGINT"),
        ("token", "BIGINT"),
        ("next", "TEXT"),
        ("spent", "BIGINT"),
        ("delay", "BIGINT"),
        ("message", "TEXT"),
        ("trace", "TEXT"),
    ];
    const SQL: &'static str = "\
        WITH held AS MATERIALIZED ( \
            SELECT j.id AS job, CASE WHEN j.cancel_requested THEN 'cancelled' \
                WHEN r.next = 'available' AND r.spent = 1 AND j.attempt >= j.max_attempts THEN 'dead' \
                ELSE r.next END AS next, r.spent, r.delay, r.message, r.trace \
            FROM :held) \
        UPDATE spanbox_jobs SET state = next, attempt = attempt - 1 + spent, lease_until = NULL, \
            run_at = CASE WHEN next = 'available' AND delay IS NOT NULL THEN :now + delay ELSE run_at END, \
            finished_at = CASE WHEN next <> 'available' THEN :now END, \
            unique_held = unique_held AND (next IN ('available', 'parked') OR unique_until > :now), \
            error = COALESCE(message, error), trace_id = COALESCE(trace, trace_id) \
        FROM held WHERE :by_job RETURNING id, state";
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    held: Held,
    next: &'static str,
    spent: u8,
    delay: Option<i64>,
    message: Option<&'a str>,
    trace: Option<&'a str>,
}

#[derive(QueryableByName)]
struct SettledRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    state: String,
}

/// Settles runs that did not complete, in one statement, and tells where the jobs are whose leases were still held.
///
/// # Errors
///
/// Those of the database.
pub async fn settle(conn: &mut Conn, runs: &[Unfinished]) -> Result<Vec<Settled>, DbError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let errors: Vec<_> = runs.iter().map(|run| run.error.as_deref().map(kept)).collect();
    let rows: Vec<_> = runs
        .iter()
        .zip(&errors)
        .map(|(run, error)| {
            let (next, spent, delay) = match run.then {
                Then::RetryIn(delay) => (State::Available, 1, Some(micros(delay))),
                Then::GiveUp => (State::Dead, 1, None),
                Then::Park => (State::Parked, 0, None),
                Then::GiveBack => (State::Available, 0, None),
            };
            let (message, trace) = (error.as_deref(), run.trace_id.as_deref());
            Row { held: run.held, next: next.name(), spent, delay, message, trace }
        })
        .collect();
    let statement = sql::<Settle>().text(json(&rows)?);
    let rows: Vec<SettledRow> = statement.load(conn).await?;
    rows.into_iter().map(|row| Ok(Settled { id: row.id, state: state_of(&row.state)? })).collect()
}

/// One run failed: see [`settle`]. `None` says that the lease was lost.
///
/// # Errors
///
/// Those of the database.
pub async fn fail(conn: &mut Conn, held: Held, error: &str, then: Then) -> Result<Option<State>, DbError> {
    let run = Unfinished { held, then, error: Some(error.to_owned()), trace_id: None };
    Ok(settle(conn, &[run]).await?.into_iter().next().map(|settled| settled.state))
}

/// Gives jobs back as if they had not been leased, and tells where those are that were still held.
///
/// # Errors
///
/// Those of the database.
pub async fn release(conn: &mut Conn, held: &[Held]) -> Result<Vec<Settled>, DbError> {
    let run = |held: &Held| Unfinished { held: *held, then: Then::GiveBack, error: None, trace_id: None };
    settle(conn, &held.iter().map(run).collect::<Vec<_>>()).await
}

/// What is kept of an error: no more than the limit, and no zero, which PostgreSQL has no text with.
fn kept(error: &str) -> String {
    let mut end = error.len().min(MAX_ERROR);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    error[..end].replace('\0', "\u{fffd}")
}
