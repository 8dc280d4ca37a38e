//! How fast a queue may go, over all workers together.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl as _;

use super::front::Front;
use super::lease::{Leased, lease_from};
use super::look::backlog;
use super::micros;
use super::statement::{Statement, sql};
use crate::data::{Conn, DbError};
use crate::query;

/// So many jobs in so much time, and no more than these at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least one.
    pub jobs: u32,
    /// In how much time.
    pub per: Duration,
}

impl Rate {
    /// Microseconds that one job takes of the rate.
    fn interval(self) -> i64 {
        (micros(self.per) / i64::from(self.jobs.max(1))).max(1)
    }
}

/// Locks the queue's row until the end of the transaction.
pub(super) struct Busy;

impl Statement for Busy {
    const SQL: &'static str = "\
        INSERT INTO spanbox_rates (queue, busy_until) VALUES (?, 0) \
        ON CONFLICT (queue) DO UPDATE SET queue = excluded.queue \
        RETURNING busy_until, :now AS clock";
}

#[derive(QueryableByName)]
struct BusyRow {
    #[diesel(sql_type = BigInt)]
    busy_until: i64,
    #[diesel(sql_type = BigInt)]
    clock: i64,
}

pub(super) struct Spend;

impl Statement for Spend {
    const SQL: &'static str = "UPDATE spanbox_rates SET busy_until = ? WHERE queue = ?";
}

/// Leases as [`lease`](super::lease()) does, no more than the rate lets through, and tells in how long it lets the next
/// one through if none is left. The rate is a bucket of `jobs` that fills evenly in the time `per` (the generic cell
/// rate algorithm of ATM traffic management), kept in the database and shared by all workers.
///
/// # Errors
///
/// Those of the database.
pub async fn take(
    conn: &mut Conn,
    front: &mut Front,
    rate: Rate,
    limit: usize,
    worker: &str,
    time: Duration,
) -> Result<(Vec<Leased>, Option<Duration>), DbError> {
    let row: BusyRow = query!(&mut *conn, c => sql::<Busy>().text(front.queue()).get_result(c).await)?;
    let interval = rate.interval();
    let bucket = interval.saturating_mul(i64::from(rate.jobs.max(1)));
    // Neither a clock that was set back nor a slower rate of before may stop the queue for longer than the bucket takes
    // to fill.
    let busy_until = row.busy_until.clamp(row.clock, row.clock.saturating_add(bucket));
    let free = (row.clock + bucket - busy_until) / interval;
    let limit = limit.min(usize::try_from(free).unwrap_or(0));
    let jobs = if limit == 0 { Vec::new() } else { lease_from(conn, front, limit, worker, time).await? };
    let begun = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
    if begun > 0 || busy_until < row.busy_until {
        let spend = sql::<Spend>().number(busy_until + interval * begun).text(front.queue());
        query!(conn, c => spend.execute(c).await)?;
    }
    let wait = busy_until + interval * (begun + 1) - (row.clock + bucket);
    Ok((jobs, (begun == free && wait > 0).then(|| Duration::from_micros(wait.unsigned_abs()))))
}

/// Jobs of a queue that were due.
#[derive(Debug, Default)]
pub struct Due {
    /// They are leased.
    pub jobs: Vec<Leased>,
    /// In how long the next one may be leased, if there were fewer than asked for and that is known.
    pub next_in: Option<Duration>,
}

/// Leases up to `limit` jobs that are due, as fast as the queue's rate lets through, and tells when to look again.
///
/// # Errors
///
/// Those of the database.
pub async fn due(
    conn: &mut Conn,
    front: &mut Front,
    rate: Option<Rate>,
    limit: usize,
    worker: &str,
    time: Duration,
) -> Result<Due, DbError> {
    let (jobs, mut next_in) = match rate {
        None => (lease_from(conn, front, limit, worker, time).await?, None),
        Some(rate) => take(conn, front, rate, limit, worker, time).await?,
    };
    if jobs.len() < limit && next_in.is_none() {
        next_in = backlog(conn, front.queue(), 1).await?.next_in;
    }
    Ok(Due { jobs, next_in })
}
