//! Where jobs come from and where their ends are written: one unit of work for both.

use std::time::Duration;

use super::floor::Floor;
use crate::data::{Conn, DbError};
use crate::jobs::store::{self, Held, Leased, Rate, Settled, Unfinished};

/// What a dispatcher wants of the database in one unit of work.
#[derive(Clone, Default)]
pub(super) struct Turn {
    pub(super) completed: Vec<Held>,
    pub(super) unfinished: Vec<Unfinished>,
    /// How many jobs to lease at most.
    pub(super) want: usize,
    pub(super) suspect: Suspect,
}

/// Whether to lease a job that a worker died over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Suspect {
    #[default]
    No,
    /// One, unless its next crash is its last: then whoever runs it has to do nothing else.
    Beside,
    /// One, whatever happened to it: nothing else is in hand.
    Alone,
}

/// What came of a [`Turn`].
#[derive(Default)]
pub(super) struct Turned {
    /// The ids of those that were still held.
    pub(super) completed: Vec<i64>,
    pub(super) settled: Vec<Settled>,
    pub(super) leased: Vec<Leased>,
    /// In how long the next job is due, if fewer were leased than wanted and one is known.
    pub(super) next_in: Option<Duration>,
    /// A suspect is due that has to be alone.
    pub(super) grave: bool,
}

impl Turn {
    pub(super) async fn take(
        self,
        floor: &Floor,
        queue: String,
        rate: Option<Rate>,
    ) -> Result<Turned, DbError> {
        let (worker, lease) = (floor.worker.clone(), floor.settings.lease);
        let last_crash = floor.settings.max_crashes.saturating_sub(1);
        let work = async move |conn: &mut Conn| {
            let Self { completed, unfinished, want, suspect } = self;
            let mut turned = Turned {
                completed: store::complete(conn, &completed).await?,
                settled: store::settle(conn, &unfinished).await?,
                ..Turned::default()
            };
            turned.grave = suspect == Suspect::Beside
                && store::suspect(conn, &queue).await?.is_some_and(|crashes| crashes >= last_crash);
            if suspect != Suspect::No && !turned.grave {
                turned.leased.extend(store::lease_suspect(conn, &queue, &worker, lease).await?);
            }
            let left = want.saturating_sub(turned.leased.len());
            if left == 0 {
                return Ok(turned);
            }
            let due = store::due(conn, &queue, rate, left, &worker, lease).await?;
            turned.leased.extend(due.jobs);
            turned.next_in = due.next_in;
            Ok(turned)
        };
        floor.db.write(work).await
    }
}
