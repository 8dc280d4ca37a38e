//! Taking jobs, keeping them, and taking them from those who did not.

use std::ops::Range;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;

use super::front::Front;
use super::insert::json;
use super::statement::{Statement, sql};
use super::{count, micros, span_of, state_of};
use crate::data::{Conn, DbError};
use crate::jobs::carried::Carried;
use crate::jobs::state::State;

/// A lease on a job: what every write about it has to show. The token is the job's alone and grows with each lease, so
/// whoever lost a lease can not write any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Held {
    /// The job.
    pub id: i64,
    /// Its fencing token.
    pub token: i64,
}

/// A job that was leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Its id.
    pub id: i64,
    /// The fencing token of this lease.
    pub token: i64,
    /// The queue.
    pub queue: String,
    /// The job's name.
    pub kind: String,
    /// The job as JSON.
    pub payload: String,
    /// From 0, which runs first, to 9.
    pub priority: u8,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many there are at most.
    pub max_attempts: u32,
    /// How many of its workers died over it. One that has some is best run beside few others.
    pub crashes: u32,
    /// How long it waited since it was due, by the database's clock.
    pub waited: Duration,
    /// How long after it was enqueued it was due, retries included.
    pub delayed: Duration,
    /// The trace context it was enqueued in.
    pub carried: Carried,
}

impl Leased {
    /// What the writes about it have to show.
    #[must_use]
    pub const fn held(&self) -> Held {
        Held { id: self.id, token: self.token }
    }
}

/// A range of the index for each priority, so that jobs which are due later are never looked at, and on PostgreSQL not those
/// before the [`Front`]. The ranges are read in turn and only as far as needed: the lateral join can be done in no other way.
///
/// A limit that PostgreSQL knows when it plans makes each plan look cheaper than the one that is kept for all limits, and it
/// would plan each lease anew, which takes as long as the lease. So it is told by a query.
pub(super) struct Lease;

impl Statement for Lease {
    const SQL: &'static str = "\
        WITH ready AS MATERIALIZED ( \
            SELECT j.id FROM unnest(CAST(? AS BIGINT[])) WITH ORDINALITY AS p(front, place) CROSS JOIN LATERAL ( \
                SELECT id FROM spanbox_jobs \
                WHERE queue = ? AND priority = p.place - 1 AND state = 'available' AND run_at >= p.front \
                    AND run_at <= :now AND crashes = 0 \
                ORDER BY run_at, id LIMIT (SELECT ?) :skip) AS j \
            LIMIT (SELECT ?)) \
        UPDATE spanbox_jobs SET state = 'running', attempt = attempt + 1, token = token + 1, started_at = :now, \
            worker = ?, lease_until = :now + ? \
        WHERE id IN (SELECT id FROM ready) \
        RETURNING id, token, queue, kind, payload, priority, run_at, attempt, max_attempts, crashes, created_at, \
            started_at, traceparent, tracestate, baggage";
    // CROSS JOIN keeps the order of the loops, and within one the rows come in the order of the index, which INDEXED BY
    // insists on: the first ones are the next ones, without sorting all that are due.
    const SQLITE: &'static str = "\
        WITH p(priority) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) \
        UPDATE spanbox_jobs SET state = 'running', attempt = attempt + 1, token = token + 1, started_at = :now, \
            worker = ?, lease_until = :now + ? \
        WHERE id IN ( \
            SELECT j.id FROM p CROSS JOIN spanbox_jobs AS j INDEXED BY spanbox_jobs_ready \
            WHERE j.queue = ? AND j.priority = p.priority AND j.state = 'available' AND j.run_at <= :now \
                AND j.crashes = 0 LIMIT ?) \
        RETURNING id, token, queue, kind, payload, priority, run_at, attempt, max_attempts, crashes, created_at, \
            started_at, traceparent, tracestate, baggage";
}

#[derive(QueryableByName)]
struct LeaseRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    token: i64,
    #[diesel(sql_type = Text)]
    queue: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    payload: String,
    #[diesel(sql_type = BigInt)]
    priority: i64,
    #[diesel(sql_type = BigInt)]
    run_at: i64,
    #[diesel(sql_type = BigInt)]
    attempt: i64,
    #[diesel(sql_type = BigInt)]
    max_attempts: i64,
    #[diesel(sql_type = BigInt)]
    crashes: i64,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    started_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    tracestate: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    baggage: Option<String>,
}

/// Leases up to `limit` due jobs of a queue to `worker` for the time of `lease`: the lowest priority number first, then
/// what was due first. Nobody else gets them while the lease lasts. It is a write, and each counts as an attempt. Those
/// that a worker died over are not among them: see [`lease_suspects`].
///
/// # Errors
///
/// Those of the database.
pub async fn lease(
    conn: &mut Conn,
    queue: &str,
    limit: usize,
    worker: &str,
    lease: Duration,
) -> Result<Vec<Leased>, DbError> {
    lease_from(conn, &mut Front::new(queue), limit, worker, lease).await
}

/// As [`lease`], by one that leases from the queue again and again, and goes on where it ended.
///
/// # Errors
///
/// Those of the database. How far the queue is leased is not known then: keep the `front` of before.
pub async fn lease_from(
    conn: &mut Conn,
    front: &mut Front,
    limit: usize,
    worker: &str,
    lease: Duration,
) -> Result<Vec<Leased>, DbError> {
    let lease = micros(lease);
    let mut rows: Vec<LeaseRow> = match conn {
        Conn::Postgres(_) => {
            let mut rows = Vec::new();
            loop {
                let is_ahead = front.look_back();
                let (want, queue) = (limit - rows.len(), front.queue());
                let statement = sql::<Lease>().text(front.array()).text(queue);
                let statement = statement.number(count(want)).number(count(want)).text(worker).number(lease);
                let found: Vec<LeaseRow> = statement.load(conn).await?;
                let enough = found.len() >= want;
                if enough {
                    front.advance(found.iter().map(|row| (row.priority, row.run_at)));
                } else {
                    front.go_back();
                }
                rows.extend(found);
                if enough || !is_ahead {
                    break rows;
                }
            }
        }
        Conn::Sqlite(_) => {
            let statement = sql::<Lease>().text(worker).number(lease).text(front.queue());
            statement.number(count(limit)).load(conn).await?
        }
    };
    rows.sort_unstable_by_key(|row| (row.priority, row.run_at, row.id));
    Ok(rows.into_iter().map(leased).collect())
}

pub(super) struct LeaseSuspects;

impl Statement for LeaseSuspects {
    const SQL: &'static str = "\
        WITH ready AS MATERIALIZED ( \
            SELECT id FROM spanbox_jobs \
            WHERE queue = ? AND state = 'available' AND crashes > 0 AND crashes >= ? AND crashes < ? AND run_at <= :now \
            ORDER BY run_at, id LIMIT ? :skip) \
        UPDATE spanbox_jobs SET state = 'running', attempt = attempt + 1, token = token + 1, started_at = :now, \
            worker = ?, lease_until = :now + ? \
        WHERE id IN (SELECT id FROM ready) \
        RETURNING id, token, queue, kind, payload, priority, run_at, attempt, max_attempts, crashes, created_at, \
            started_at, traceparent, tracestate, baggage";
}

/// Leases up to `limit` due jobs of a queue that so many workers died over, as [`lease`] does the others: what was due
/// first. When the process dies again, it is these jobs that are blamed.
///
/// # Errors
///
/// Those of the database.
pub async fn lease_suspects(
    conn: &mut Conn,
    queue: &str,
    crashes: Range<u32>,
    limit: usize,
    worker: &str,
    lease: Duration,
) -> Result<Vec<Leased>, DbError> {
    let (from, to) = (i64::from(crashes.start), i64::from(crashes.end));
    let statement = sql::<LeaseSuspects>().text(queue).number(from).number(to).number(count(limit));
    let statement = statement.text(worker).number(micros(lease));
    let mut rows: Vec<LeaseRow> = statement.load(conn).await?;
    rows.sort_unstable_by_key(|row| (row.run_at, row.id));
    Ok(rows.into_iter().map(leased).collect())
}

pub(super) struct Suspect;

impl Statement for Suspect {
    const SQL: &'static str = "\
        SELECT crashes FROM spanbox_jobs \
        WHERE queue = ? AND state = 'available' AND crashes > 0 AND run_at <= :now ORDER BY run_at, id LIMIT 1";
}

#[derive(QueryableByName)]
struct SuspectRow {
    #[diesel(sql_type = BigInt)]
    crashes: i64,
}

/// How many workers died over the first due job of a queue that any died over, if there is one.
///
/// # Errors
///
/// Those of the database.
pub async fn suspect(conn: &mut Conn, queue: &str) -> Result<Option<u32>, DbError> {
    let rows: Vec<SuspectRow> = sql::<Suspect>().text(queue).load(conn).await?;
    Ok(rows.into_iter().next().map(|row| small(row.crashes)))
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn leased(row: LeaseRow) -> Leased {
    Leased {
        id: row.id,
        token: row.token,
        queue: row.queue,
        kind: row.kind,
        payload: row.payload,
        priority: u8::try_from(row.priority).unwrap_or(u8::MAX),
        attempt: small(row.attempt),
        max_attempts: small(row.max_attempts),
        crashes: small(row.crashes),
        waited: span_of(row.run_at, row.started_at),
        delayed: span_of(row.created_at, row.run_at),
        carried: Carried { traceparent: row.traceparent, tracestate: row.tracestate, baggage: row.baggage },
    }
}

pub(super) struct Heartbeat;

impl Statement for Heartbeat {
    const SQL: &'static str = "\
        WITH held AS MATERIALIZED ( \
            SELECT j.id FROM :held) \
        UPDATE spanbox_jobs SET lease_until = :now + ? WHERE id IN (:held_ids) \
        RETURNING id, cancel_requested";
}

/// A job whose lease was prolonged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName)]
pub struct Beat {
    /// The job.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Whether somebody asked for it to be cancelled.
    #[diesel(sql_type = Bool)]
    pub cancel_requested: bool,
}

/// Prolongs leases to `lease` from now, and tells which are still held: for a job that is not among them another worker
/// may have begun, or it was settled meanwhile.
///
/// # Errors
///
/// Those of the database.
pub async fn heartbeat(conn: &mut Conn, held: &[Held], lease: Duration) -> Result<Vec<Beat>, DbError> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let statement = sql::<Heartbeat>().text(json(held)?).number(micros(lease));
    statement.load(conn).await
}

/// What ran out first comes first, so jobs that run long and are kept can not hide those that nobody keeps. A job that
/// is being completed is locked, passed over, and found completed next time.
///
/// A worker that had jobs which others had died over died of one of those again: its other jobs get their attempt back
/// and are not to blame, also when that one was taken from it a moment ago.
pub(super) struct Rescue;

impl Statement for Rescue {
    const SQL: &'static str = "\
        WITH expired AS MATERIALIZED ( \
            SELECT id, worker, crashes, attempt, max_attempts, cancel_requested \
            FROM spanbox_jobs WHERE state = 'running' AND lease_until < :now ORDER BY lease_until LIMIT ? :skip), \
        judged AS MATERIALIZED ( \
            SELECT id AS job, attempt AS tries, max_attempts AS most, cancel_requested AS unwanted, crashes AS before, \
                CASE WHEN crashes > 0 THEN 1 \
                    WHEN EXISTS (SELECT 1 FROM spanbox_jobs AS s WHERE s.state = 'running' AND s.worker = expired.worker \
                        AND s.crashes > 0) THEN 0 \
                    WHEN EXISTS (SELECT 1 FROM spanbox_jobs AS s WHERE s.state = 'available' AND s.crashes > 0 \
                        AND s.crashes > 1 AND s.worker = expired.worker) THEN 0 \
                    ELSE 1 END AS blame \
            FROM expired), \
        fates AS MATERIALIZED ( \
            SELECT job, blame, CASE WHEN unwanted THEN 'cancelled' \
                WHEN blame = 1 AND (before + 1 >= ? OR tries >= most) THEN 'dead' ELSE 'available' END AS next \
            FROM judged) \
        UPDATE spanbox_jobs SET state = next, crashes = crashes + blame, attempt = attempt - 1 + blame, \
            lease_until = NULL, finished_at = CASE WHEN next <> 'available' THEN :now END, \
            unique_held = unique_held AND (next = 'available' OR unique_until > :now), \
            error = 'the lease of ' || worker || ' ran out: it died, hung, or lost the database' \
        FROM fates WHERE id = job \
        RETURNING id, queue, state, crashes";
}

#[derive(QueryableByName)]
struct RescueRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    queue: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    crashes: i64,
}

/// A job that was taken from a worker whose lease ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescued {
    /// The job.
    pub id: i64,
    /// Its queue.
    pub queue: String,
    /// Where it is now: [`State::Available`], [`State::Dead`], or [`State::Cancelled`] when that was asked for.
    pub state: State,
    /// How many workers have died over it.
    pub crashes: u32,
}

/// Takes up to `limit` jobs from workers whose leases ran out. Each counts as a crash of the jobs that are to blame for
/// it: of those that others had died over, if the worker had any, else of all that it had. With `crashes` of them, or
/// with its attempts spent, a job is dead.
///
/// # Errors
///
/// Those of the database.
pub async fn rescue(conn: &mut Conn, limit: usize, crashes: u32) -> Result<Vec<Rescued>, DbError> {
    let statement = sql::<Rescue>().number(count(limit)).number(i64::from(crashes));
    let rows: Vec<RescueRow> = statement.load(conn).await?;
    rows.into_iter()
        .map(|row| {
            let (state, crashes) = (state_of(&row.state)?, small(row.crashes));
            Ok(Rescued { id: row.id, queue: row.queue, state, crashes })
        })
        .collect()
}
