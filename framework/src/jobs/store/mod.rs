//! Every statement about jobs. Functions take the connection of a unit of work, one that writes unless they only look.
//!
//! ```
//! use spanbox::data::{Conn, Db, DbError};
//! use spanbox::jobs::{State, store};
//! use spanbox::web::{Json, Problem};
//!
//! /// What waits for somebody's decision, for a page of one's own.
//! async fn dead_letters(db: Db) -> Result<Json<Vec<String>>, Problem> {
//!     let dead = db.read(async |conn: &mut Conn| -> Result<Vec<String>, DbError> {
//!         let jobs = store::list(conn, State::Dead, Some("mails"), None, 50).await?;
//!         Ok(jobs.into_iter().map(|job| format!("{} {}", job.id, job.kind)).collect())
//!     });
//!     Ok(Json(dead.await?))
//! }
//! # let _ = dead_letters;
//! ```

mod front;
mod insert;
mod lease;
mod list;
mod look;
mod manage;
mod pick;
mod rate;
mod schedule;
mod settle;
mod statement;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::data::DbError;
use crate::jobs::state::State;

pub use front::Front;
pub use insert::{Enqueued, NewJob, insert, keys_in_use};
pub use lease::{Beat, Held, Leased, Rescued, heartbeat, lease, lease_from, lease_suspects, rescue, suspect};
pub use list::{Cursor, NoCursor, Record, get, list};
pub use look::{Backlog, Count, backlog, clock, counts, queues};
pub use manage::{cancel, discard, holder, prune, retry};
pub use pick::{Picked, pick};
pub use rate::{Due, Rate, due, take};
pub use schedule::{LastTicks, advance_schedule, begin_schedules, last_ticks};
pub use settle::{Settled, Then, Unfinished, complete, fail, release, settle};
pub use stream::{
    Identity, InStream, TO_STREAM, adopt, expire, forsaken, identify, next_epoch, of_stream, published,
    publishers, still_held, stream_lease,
};

/// No time is further away: a hundred years, so that adding to a time of the database never overflows.
const FURTHEST: i64 = 100 * 366 * 24 * 3600 * 1_000_000;

pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(FURTHEST).min(FURTHEST)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// From one time of the database to another; none if that was before.
fn span_of(from: i64, to: i64) -> Duration {
    Duration::from_micros(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

fn state_of(name: &str) -> Result<State, DbError> {
    name.parse().map_err(|error| DbError::Query(diesel::result::Error::DeserializationError(Box::new(error))))
}
