//! Many jobs at once: which they are, page by page.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text};

use super::count;
use super::statement::{Statement, sql};
use crate::data::{Conn, DbError};
use crate::jobs::state::State;

/// The first of the two comparisons is for SQLite, which does not find its way by the second.
pub(super) struct Pick;

impl Statement for Pick {
    const SQL: &'static str = "\
        SELECT id, kind, unique_key IS NOT NULL AS keyed, :kept_until AS place FROM spanbox_jobs \
        WHERE state = ? AND queue = ? AND finished_at IS NOT NULL AND :kept_until >= ? AND (:kept_until, id) > (?, ?) \
            AND finished_at <= ? \
        ORDER BY :kept_until, id LIMIT ?";
}

/// A job that something is to be done with.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
#[non_exhaustive]
pub struct Picked {
    /// Its id.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The job's name.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Whether it has a uniqueness key, which it may have to take back.
    #[diesel(sql_type = Bool)]
    pub keyed: bool,
    #[diesel(sql_type = BigInt)]
    place: i64,
}

/// Up to `limit` jobs of a queue that ended, or were put aside, in `state` no later than `until`, behind another one or
/// from the start: the longest ago first. `until` is a time of the [`clock`](super::clock), so that those which come
/// back meanwhile are not picked again. Of a state in which jobs wait or run there are none.
///
/// # Errors
///
/// Those of the database.
pub async fn pick(
    conn: &mut Conn,
    state: State,
    queue: &str,
    until: i64,
    after: Option<&Picked>,
    limit: usize,
) -> Result<Vec<Picked>, DbError> {
    let (place, id) = after.map_or((i64::MIN, i64::MIN), |after| (after.place, after.id));
    let statement = sql::<Pick>()
        .text(state.name())
        .text(queue)
        .number(place)
        .number(place)
        .number(id)
        .number(until)
        .number(count(limit));
    statement.load(conn).await
}
