//! What people and the housekeeping do with jobs that no worker holds.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;

use super::insert::{Expire, Holder, Holders, Key, json};
use super::list::get;
use super::look::queues;
use super::statement::{Statement, sql};
use super::{count, micros, state_of};
use crate::data::{Conn, DbError};
use crate::jobs::state::State;
use crate::query;

#[derive(QueryableByName)]
struct StateRow {
    #[diesel(sql_type = Text)]
    state: String,
}

pub(super) struct Cancel;

impl Statement for Cancel {
    const SQL: &'static str = "\
        UPDATE spanbox_jobs SET cancel_requested = TRUE, \
            state = CASE state WHEN 'available' THEN 'cancelled' ELSE state END, \
            finished_at = CASE state WHEN 'available' THEN :now END, \
            unique_held = unique_held AND (state = 'running' OR unique_until > :now) \
        WHERE id = ? AND state IN ('available', 'running') RETURNING state";
}

/// Cancels a job: at once while it waits ([`State::Cancelled`]). One that runs ([`State::Running`]) is told at its next
/// heartbeat; it is cancelled when it ends, unless it completes. `None`: it is not there, or at its end.
///
/// # Errors
///
/// Those of the database.
pub async fn cancel(conn: &mut Conn, id: i64) -> Result<Option<State>, DbError> {
    let rows: Vec<StateRow> = sql::<Cancel>().number(id).load(conn).await?;
    rows.into_iter().next().map(|row| state_of(&row.state)).transpose()
}

pub(super) struct Retry;

impl Statement for Retry {
    const SQL: &'static str = "\
        UPDATE spanbox_jobs SET state = 'available', run_at = :now, finished_at = NULL, attempt = 0, crashes = 0, \
            cancel_requested = FALSE, unique_held = unique_key IS NOT NULL \
        WHERE id = ? AND state IN ('dead', 'parked') AND NOT EXISTS ( \
            SELECT 1 FROM spanbox_jobs AS o WHERE o.unique_key = spanbox_jobs.unique_key AND o.unique_held \
                AND o.id <> spanbox_jobs.id)";
}

/// Makes a dead or parked job due again, with all its attempts. `false`: it is neither, or another job holds its key
/// (see [`holder`]).
///
/// # Errors
///
/// Those of the database. On PostgreSQL a unique violation, when somebody enqueues under its key at the same time.
pub async fn retry(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    if make_due(conn, id).await? {
        return Ok(true);
    }
    // A key whose period is over is with its last job until somebody wants it.
    let aside = |state| matches!(state, State::Dead | State::Parked);
    match get(conn, id).await? {
        Some(job) if aside(job.state()?) => match job.unique_key {
            Some(key) => Ok(free(conn, &key).await? && make_due(conn, id).await?),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

async fn make_due(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    Ok(query!(conn, c => sql::<Retry>().number(id).execute(c).await)? == 1)
}

/// Takes a key from a job that ended and whose period is over, if one has it.
async fn free(conn: &mut Conn, unique_key: &str) -> Result<bool, DbError> {
    let keys = json(&[Key { held_key: unique_key }])?;
    Ok(query!(conn, c => sql::<Expire>().text(keys).execute(c).await)? == 1)
}

/// The job that holds a key, which is as [`Record::unique_key`](super::Record::unique_key) has it.
///
/// # Errors
///
/// Those of the database.
pub async fn holder(conn: &mut Conn, unique_key: &str) -> Result<Option<i64>, DbError> {
    let keys = json(&[Key { held_key: unique_key }])?;
    let holders: Vec<Holder> = sql::<Holders>().text(keys).load(conn).await?;
    Ok(holders.into_iter().next().map(|holder| holder.id))
}

pub(super) struct Discard;

impl Statement for Discard {
    const SQL: &'static str = "\
        UPDATE spanbox_jobs SET state = 'cancelled', finished_at = :now, \
            unique_held = unique_held AND unique_until > :now \
        WHERE id = ? AND state IN ('dead', 'parked')";
}

/// Cancels a dead or parked job. `false`: it is neither.
///
/// # Errors
///
/// Those of the database.
pub async fn discard(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    Ok(query!(conn, c => sql::<Discard>().number(id).execute(c).await)? == 1)
}

pub(super) struct Prune;

impl Statement for Prune {
    const SQL: &'static str = "\
        WITH old AS MATERIALIZED ( \
            SELECT id FROM spanbox_jobs \
            WHERE state = ? AND queue = ? AND finished_at IS NOT NULL AND :kept_until < :now - ? \
            ORDER BY :kept_until, id LIMIT ? :skip) \
        DELETE FROM spanbox_jobs WHERE id IN (SELECT id FROM old)";
}

/// Forgets up to `limit` jobs that ended in `state` longer than `age` ago, and tells how many. One that still holds its
/// key stays until its period and the age are over. Only completed, cancelled and dead jobs end; of the others none is
/// forgotten.
///
/// # Errors
///
/// Those of the database.
pub async fn prune(conn: &mut Conn, state: State, age: Duration, limit: usize) -> Result<usize, DbError> {
    if !matches!(state, State::Completed | State::Cancelled | State::Dead) {
        return Ok(0);
    }
    let mut left = limit;
    for queue in queues(conn, state).await? {
        if left == 0 {
            break;
        }
        let statement = sql::<Prune>().text(state.name()).text(queue).number(micros(age)).number(count(left));
        left -= query!(&mut *conn, c => statement.execute(c).await)?.min(left);
    }
    Ok(limit - left)
}
