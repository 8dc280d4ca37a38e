//! Jobs that are handed out by Redis: the database leases them to a stream for as long as it takes, so that it still
//! knows of every job what became of it. Such a lease names the stream's epoch and who published the job, and is told
//! from a worker's by its length.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl as _;
use serde::Serialize;

use super::insert::json;
use super::lease::{Beat, Held};
use super::statement::{Statement, sql};
use super::{count, micros};
use crate::data::{Conn, DbError};
use crate::query;

/// How long a job is leased to a stream: for good. It is given back when the stream has lost it.
pub const TO_STREAM: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
/// No worker's lease is longer.
const LONG: Duration = Duration::from_secs(50 * 366 * 24 * 3600);

/// The name under which a job is leased to a stream.
#[must_use]
pub fn stream_lease(epoch: i64, publisher: &str) -> String {
    format!("stream {epoch} {publisher}")
}

/// Which epoch a lease is of, and who published the job.
#[must_use]
pub fn of_stream(worker: &str) -> Option<(i64, &str)> {
    let (epoch, publisher) = worker.strip_prefix("stream ")?.split_once(' ')?;
    Some((epoch.parse().ok()?, publisher))
}

pub(super) struct Found;

impl Statement for Found {
    const SQL: &'static str = "\
        INSERT INTO spanbox_streams (id, namespace, epoch) VALUES (1, ?, 1) ON CONFLICT (id) DO NOTHING";
}

pub(super) struct Identify;

impl Statement for Identify {
    const SQL: &'static str = "SELECT namespace, epoch FROM spanbox_streams WHERE id = 1";
}

/// Which streams are this database's.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Identity {
    /// Part of the names of their keys: what tells them from those of other databases on the same Redis.
    #[diesel(sql_type = Text)]
    pub namespace: String,
    /// Grows when Redis has lost something: what was published in an earlier epoch counts no more.
    #[diesel(sql_type = BigInt)]
    pub epoch: i64,
}

/// Which streams are this database's; `namespace` becomes theirs if they have none.
///
/// # Errors
///
/// Those of the database.
pub async fn identify(conn: &mut Conn, namespace: &str) -> Result<Identity, DbError> {
    query!(&mut *conn, c => sql::<Found>().text(namespace).execute(c).await)?;
    query!(conn, c => sql::<Identify>().get_result(c).await)
}

pub(super) struct NextEpoch;

impl Statement for NextEpoch {
    const SQL: &'static str = "UPDATE spanbox_streams SET epoch = epoch + 1 WHERE id = 1 AND epoch = ?";
}

/// Begins the epoch after this one, unless somebody did already. `false`: somebody did.
///
/// # Errors
///
/// Those of the database.
pub async fn next_epoch(conn: &mut Conn, after: i64) -> Result<bool, DbError> {
    Ok(query!(conn, c => sql::<NextEpoch>().number(after).execute(c).await)? == 1)
}

/// Few: what is in the streams at a time.
pub(super) struct Publishers;

impl Statement for Publishers {
    const SQL: &'static str = "\
        SELECT DISTINCT worker AS name FROM spanbox_jobs WHERE state = 'running' AND lease_until > :now + ?";
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The names of the leases to streams that there are, see [`of_stream`].
///
/// # Errors
///
/// Those of the database.
pub async fn publishers(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let rows: Vec<Name> = sql::<Publishers>().number(micros(LONG)).load(conn).await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

pub(super) struct Published;

impl Statement for Published {
    const SQL: &'static str = "\
        SELECT id, token, queue FROM spanbox_jobs \
        WHERE state = 'running' AND lease_until > :now + ? AND worker = ? ORDER BY lease_until LIMIT ?";
}

/// A job that is leased to a stream.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct InStream {
    /// The job.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Its fencing token.
    #[diesel(sql_type = BigInt)]
    pub token: i64,
    /// Its queue.
    #[diesel(sql_type = Text)]
    pub queue: String,
}

impl InStream {
    /// The lease.
    #[must_use]
    pub const fn held(&self) -> Held {
        Held { id: self.id, token: self.token }
    }
}

/// Up to `limit` jobs that are leased under this name, those that were published first.
///
/// # Errors
///
/// Those of the database.
pub async fn published(conn: &mut Conn, worker: &str, limit: usize) -> Result<Vec<InStream>, DbError> {
    let statement = sql::<Published>().number(micros(LONG)).text(worker).number(count(limit));
    statement.load(conn).await
}

pub(super) struct Forsaken;

impl Statement for Forsaken {
    const SQL: &'static str = "\
        SELECT id, token, queue FROM spanbox_jobs \
        WHERE state = 'running' AND lease_until > :now + ? AND lease_until < :now + ? ORDER BY lease_until LIMIT ?";
}

/// Up to `limit` jobs that were leased to a stream longer ago than `age`, whoever published them.
///
/// # Errors
///
/// Those of the database.
pub async fn forsaken(conn: &mut Conn, age: Duration, limit: usize) -> Result<Vec<InStream>, DbError> {
    let before = micros(TO_STREAM.saturating_sub(age));
    let statement = sql::<Forsaken>().number(micros(LONG)).number(before).number(count(limit));
    statement.load(conn).await
}

/// As [`Heartbeat`](super::lease::Heartbeat), without prolonging: such a lease has no end.
pub(super) struct StillHeld;

impl Statement for StillHeld {
    // OFFSET keeps the lateral query as it is: one look into the index for each job.
    const SQL: &'static str = "\
        SELECT j.id, j.cancel_requested FROM (:rows) AS r CROSS JOIN LATERAL ( \
            SELECT * FROM spanbox_jobs WHERE id = r.id AND token = r.token AND lease_until IS NOT NULL OFFSET 0) AS j";
    const SQLITE: &'static str = "\
        SELECT j.id, j.cancel_requested FROM (:rows) AS r CROSS JOIN spanbox_jobs AS j \
        WHERE j.id = r.id AND j.token = r.token AND j.lease_until IS NOT NULL";
}

/// Which of these leases to a stream are still held, and whether the jobs are to be cancelled.
///
/// # Errors
///
/// Those of the database.
pub async fn still_held(conn: &mut Conn, held: &[Held]) -> Result<Vec<Beat>, DbError> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let rows = json(held)?;
    sql::<StillHeld>().text(rows).load(conn).await
}

/// The row's new owner; where there is an end to its lease, that is over.
pub(super) struct Disown;

impl Statement for Disown {
    const ROWS: &'static [(&'static str, &'static str)] =
        &[("id", "BIGINT"), ("token", "BIGINT"), ("owner", "TEXT"), ("expired", "BIGINT")];
    const SQL: &'static str = "\
        WITH held AS MATERIALIZED ( \
            SELECT j.id AS job, r.owner, r.expired FROM :held) \
        UPDATE spanbox_jobs SET worker = owner, \
            lease_until = CASE WHEN expired = 1 THEN :now - 1 ELSE lease_until END \
        FROM held WHERE :by_job";
}

#[derive(Serialize)]
struct Owned<'a> {
    #[serde(flatten)]
    held: Held,
    owner: &'a str,
    expired: u8,
}

/// Writes down that the worker which had these jobs is dead: their leases are over, for [`rescue`](super::rescue) to
/// judge.
///
/// # Errors
///
/// Those of the database.
pub async fn expire(conn: &mut Conn, dead: &[(Held, String)]) -> Result<usize, DbError> {
    disown(conn, dead.iter().map(|(held, owner)| Owned { held: *held, owner, expired: 1 }).collect()).await
}

/// Writes down that these jobs, which are in a stream, are somebody else's to look after now.
///
/// # Errors
///
/// Those of the database.
pub async fn adopt(conn: &mut Conn, jobs: &[Held], owner: &str) -> Result<usize, DbError> {
    disown(conn, jobs.iter().map(|held| Owned { held: *held, owner, expired: 0 }).collect()).await
}

async fn disown(conn: &mut Conn, rows: Vec<Owned<'_>>) -> Result<usize, DbError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let rows = json(&rows)?;
    query!(conn, c => sql::<Disown>().text(rows).execute(c).await)
}
