//! Storing jobs, and the keys of which each is held by one.

use std::collections::{HashMap, HashSet};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::RunQueryDsl as _;
use serde::Serialize;

use super::statement::{Sql, Statement, sql};
use crate::data::{Conn, DbError};
use crate::jobs::carried::Carried;
use crate::jobs::error::JobsError;
use crate::jobs::name;
use crate::query;

/// A job that is to be stored.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub(in crate::jobs) queue: String,
    pub(in crate::jobs) kind: &'static str,
    pub(in crate::jobs) payload: String,
    pub(in crate::jobs) priority: u8,
    pub(in crate::jobs) max_attempts: u32,
    /// Microseconds from the database's now.
    pub(in crate::jobs) delay: i64,
    /// Microseconds since 1970; what is past is now.
    pub(in crate::jobs) run_at: Option<i64>,
    /// The kind and the key, and for how many microseconds at least it is held.
    pub(in crate::jobs) unique: Option<(String, i64)>,
    pub(in crate::jobs) carried: Carried,
}

/// What became of a job that was enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Enqueued {
    /// Its id; of the one that held the key before, when there was one.
    pub id: i64,
    /// Whether it is new.
    pub fresh: bool,
}

/// Stored in one statement at most, so that no statement grows without bounds.
const MAX_ROWS: usize = 1000;
/// As [`MAX_ROWS`], in bytes of payload.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How often a key may change hands while a job is stored under it.
const ROUNDS: usize = 8;

#[derive(Serialize)]
struct Row<'a> {
    n: usize,
    queue: &'a str,
    kind: &'a str,
    payload: &'a str,
    priority: u8,
    max_attempts: u32,
    delay: i64,
    run_at: Option<i64>,
    unique_key: Option<&'a str>,
    period: i64,
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
    baggage: Option<&'a str>,
    trace_id: Option<&'a str>,
}

/// Stores what holds no key already. Keys in order, so that two of these can not wait for each other; the ids of those
/// without a key are in the order of their numbers.
pub(super) struct Insert;

impl Statement for Insert {
    const ROWS: &'static [(&'static str, &'static str)] = &[
        ("n", "BIGINT"),
        ("queue", "TEXT"),
        ("kind", "TEXT"),
        ("payload", "TEXT"),
        ("priority", "BIGINT"),
        ("max_attempts", "BIGINT"),
        ("delay", "BIGINT"),
        ("run_at", "BIGINT"),
        ("unique_key", "TEXT"),
        ("period", "BIGINT"),
        ("traceparent", "TEXT"),
        ("tracestate", "TEXT"),
        ("baggage", "TEXT"),
        ("trace_id", "TEXT"),
    ];
    const SQL: &'static str = "\
        INSERT INTO spanbox_jobs (queue, kind, payload, state, priority, run_at, max_attempts, unique_key, unique_until, \
            unique_held, created_at, traceparent, tracestate, baggage, trace_id) \
        SELECT queue, kind, payload, 'available', priority, CASE WHEN run_at > :now THEN run_at ELSE :now + delay END, \
            max_attempts, unique_key, CASE WHEN period > 0 THEN :now + period ELSE 0 END, unique_key IS NOT NULL, :now, \
            traceparent, tracestate, baggage, trace_id \
        FROM (:rows) AS given WHERE n >= 0 ORDER BY unique_key, n \
        ON CONFLICT (unique_key) WHERE unique_held DO NOTHING \
        RETURNING id, COALESCE(unique_key, '') AS unique_key :notify";
}

/// Stores one, as [`Insert`] does, but of values and not of JSON. What is not given is an empty text.
pub(super) struct InsertOne;

impl Statement for InsertOne {
    const SQL: &'static str = "\
        INSERT INTO spanbox_jobs (queue, kind, payload, state, priority, max_attempts, run_at, unique_key, unique_held, \
            unique_until, created_at, traceparent, tracestate, baggage, trace_id) \
        VALUES (?, ?, ?, 'available', ?, ?, CASE WHEN ? > :now THEN ? ELSE :now + ? END, NULLIF(?, ''), ? <> '', \
            CASE WHEN ? > 0 THEN :now + ? ELSE 0 END, :now, NULLIF(?, ''), NULLIF(?, ''), NULLIF(?, ''), NULLIF(?, '')) \
        ON CONFLICT (unique_key) WHERE unique_held DO NOTHING \
        RETURNING id, COALESCE(unique_key, '') AS unique_key :notify";
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    unique_key: String,
}

/// Who holds these keys, and whether they only did until now.
pub(super) struct Holders;

impl Statement for Holders {
    const ROWS: &'static [(&'static str, &'static str)] = &[("held_key", "TEXT")];
    // OFFSET keeps the lateral query as it is: one look into the index for each key.
    const SQL: &'static str = "\
        SELECT j.id, j.unique_key, j.finished_at IS NOT NULL AND j.state <> 'parked' AND j.unique_until <= :now AS stale \
        FROM (:rows) AS given CROSS JOIN LATERAL ( \
            SELECT * FROM spanbox_jobs WHERE unique_key = given.held_key AND unique_held OFFSET 0) AS j";
    const SQLITE: &'static str = "\
        SELECT j.id, j.unique_key, j.finished_at IS NOT NULL AND j.state <> 'parked' AND j.unique_until <= :now AS stale \
        FROM (:rows) AS given CROSS JOIN spanbox_jobs AS j WHERE j.unique_key = given.held_key AND j.unique_held";
}

#[derive(QueryableByName)]
pub(super) struct Holder {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Text)]
    unique_key: String,
    #[diesel(sql_type = Bool)]
    stale: bool,
}

/// Takes the keys from finished jobs whose period is over.
pub(super) struct Expire;

impl Statement for Expire {
    const ROWS: &'static [(&'static str, &'static str)] = &[("held_key", "TEXT")];
    // Locked in the order of the keys: two of these can then not wait for each other.
    const SQL: &'static str = "\
        WITH held AS MATERIALIZED ( \
            SELECT j.id FROM (SELECT * FROM (:rows) AS keys ORDER BY held_key) AS given CROSS JOIN LATERAL ( \
                SELECT id FROM spanbox_jobs \
                WHERE unique_key = given.held_key AND unique_held AND finished_at IS NOT NULL \
                    AND state <> 'parked' AND unique_until <= :now \
                FOR NO KEY UPDATE) AS j) \
        UPDATE spanbox_jobs SET unique_held = FALSE WHERE id IN (:held_ids)";
    const SQLITE: &'static str = "\
        UPDATE spanbox_jobs SET unique_held = FALSE WHERE id IN ( \
            SELECT j.id FROM (:rows) AS given CROSS JOIN spanbox_jobs AS j \
            WHERE j.unique_key = given.held_key AND j.unique_held AND j.finished_at IS NOT NULL \
                AND j.state <> 'parked' AND j.unique_until <= :now)";
}

#[derive(Serialize)]
pub(super) struct Key<'a> {
    pub(super) held_key: &'a str,
}

/// Stores the jobs in the caller's transaction, a statement for every thousand, and tells in their order what became of
/// each.
///
/// # Errors
///
/// Those of the database, and [`JobsError::Contended`].
pub async fn insert(conn: &mut Conn, jobs: &[NewJob]) -> Result<Vec<Enqueued>, JobsError> {
    let mut all = Vec::with_capacity(jobs.len());
    let mut rest = jobs;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |job: &NewJob| {
            bytes += job.payload.len();
            bytes <= MAX_BYTES
        };
        let count = rest.iter().take(MAX_ROWS).map(fits).take_while(|fits| *fits).count().max(1);
        let (chunk, left) = rest.split_at(count);
        insert_chunk(conn, chunk, &mut all).await?;
        rest = left;
    }
    Ok(all)
}

async fn insert_chunk(conn: &mut Conn, jobs: &[NewJob], all: &mut Vec<Enqueued>) -> Result<(), JobsError> {
    let mut done: Vec<Option<Enqueued>> = vec![None; jobs.len()];
    let mut pending: Vec<usize> = (0..jobs.len()).collect();
    for _ in 0..ROUNDS {
        let mut stored = store(conn, jobs, &pending).await?;
        stored.sort_unstable_by_key(|row| row.id);
        let mut by_key: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut keyless = Vec::new();
        for n in pending {
            match &jobs[n].unique {
                Some((key, _)) => by_key.entry(key).or_default().push(n),
                None => keyless.push(n),
            }
        }
        let mut keyless = keyless.into_iter();
        for Stored { id, unique_key } in stored {
            if unique_key.is_empty() {
                done[keyless.next().unwrap_or_default()] = Some(Enqueued { id, fresh: true });
                continue;
            }
            // Of several with one key the first was stored, and the others met it.
            for (place, n) in by_key.remove(unique_key.as_str()).unwrap_or_default().into_iter().enumerate() {
                done[n] = Some(Enqueued { id, fresh: place == 0 });
            }
        }
        if !by_key.is_empty() {
            meet_holders(conn, &mut by_key, &mut done).await?;
        }
        pending = by_key.into_values().flatten().collect();
        pending.sort_unstable();
        if pending.is_empty() {
            all.extend(done.into_iter().flatten());
            return Ok(());
        }
    }
    let key = pending.into_iter().find_map(|n| jobs[n].unique.as_ref()).map(|(key, _)| key.clone());
    Err(JobsError::Contended { key: key.unwrap_or_default() })
}

/// Those of these keys of a kind that are in use, so that a job enqueued under one of them now would not be stored: a job
/// with it waits, runs or is parked, or its period is not over.
///
/// # Errors
///
/// Those of the database, and [`JobsError::UniqueKey`].
pub async fn keys_in_use(conn: &mut Conn, kind: &str, keys: &[String]) -> Result<HashSet<String>, JobsError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let full: Vec<_> = keys.iter().map(|key| name::unique_key(kind, key)).collect::<Result<_, _>>()?;
    let rows = json(&full.iter().map(|key| Key { held_key: key }).collect::<Vec<_>>())?;
    let holders: Vec<Holder> = sql::<Holders>().text(rows).load(conn).await?;
    let held: HashSet<_> =
        holders.into_iter().filter(|holder| !holder.stale).map(|holder| holder.unique_key).collect();
    Ok(keys.iter().zip(full).filter(|(_, full)| held.contains(full)).map(|(key, _)| key.clone()).collect())
}

/// Finds who holds the keys under which nothing was stored, and frees those that are held past their time.
async fn meet_holders(
    conn: &mut Conn,
    by_key: &mut HashMap<&str, Vec<usize>>,
    done: &mut [Option<Enqueued>],
) -> Result<(), JobsError> {
    let keys = json(&by_key.keys().map(|key| Key { held_key: key }).collect::<Vec<_>>())?;
    let holders: Vec<Holder> = sql::<Holders>().text(keys.clone()).load(conn).await?;
    if holders.iter().any(|holder| holder.stale) {
        query!(conn, c => sql::<Expire>().text(keys).execute(c).await)?;
    }
    for holder in holders.into_iter().filter(|holder| !holder.stale) {
        for n in by_key.remove(holder.unique_key.as_str()).unwrap_or_default() {
            done[n] = Some(Enqueued { id: holder.id, fresh: false });
        }
    }
    Ok(())
}

async fn store(conn: &mut Conn, jobs: &[NewJob], which: &[usize]) -> Result<Vec<Stored>, JobsError> {
    if let &[n] = which {
        return Ok(one(&jobs[n]).load(conn).await?);
    }
    let rows: Vec<_> = which.iter().map(|n| row(*n, &jobs[*n])).collect();
    let rows = json(&rows)?;
    Ok(sql::<Insert>().text(rows).load(conn).await?)
}

fn one(job: &NewJob) -> Sql<InsertOne> {
    let run_at = job.run_at.unwrap_or(0);
    let (key, period) = job.unique.as_ref().map_or(("", 0), |(key, period)| (key, *period));
    sql::<InsertOne>()
        .text(&*job.queue)
        .text(job.kind)
        .text(&*job.payload)
        .number(job.priority.into())
        .number(job.max_attempts.into())
        .number(run_at)
        .number(run_at)
        .number(job.delay)
        .text(key)
        .text(key)
        .number(period)
        .number(period)
        .text(job.carried.traceparent.as_deref().unwrap_or_default())
        .text(job.carried.tracestate.as_deref().unwrap_or_default())
        .text(job.carried.baggage.as_deref().unwrap_or_default())
        .text(job.carried.trace_id().unwrap_or_default())
}

fn row(n: usize, job: &NewJob) -> Row<'_> {
    Row {
        n,
        queue: &job.queue,
        kind: job.kind,
        payload: &job.payload,
        priority: job.priority,
        max_attempts: job.max_attempts,
        delay: job.delay,
        run_at: job.run_at,
        unique_key: job.unique.as_ref().map(|(key, _)| key.as_str()),
        period: job.unique.as_ref().map_or(0, |(_, period)| *period),
        traceparent: job.carried.traceparent.as_deref(),
        tracestate: job.carried.tracestate.as_deref(),
        baggage: job.carried.baggage.as_deref(),
        trace_id: job.carried.trace_id(),
    }
}

/// The rows of a statement, as JSON.
pub(super) fn json<T: Serialize>(rows: &[T]) -> Result<String, DbError> {
    serde_json::to_string(rows)
        .map_err(|error| DbError::Query(diesel::result::Error::SerializationError(Box::new(error))))
}
