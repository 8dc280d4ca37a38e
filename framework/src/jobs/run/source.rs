//! Where jobs come from and where their ends are written: one unit of work for both.

use std::time::Duration;

use super::floor::Floor;
use crate::data::{Conn, DbError};
use crate::jobs::store::{self, Front, Held, Leased, Rate, Settled, Unfinished};

/// What a dispatcher wants of the database in one unit of work.
#[derive(Clone, Default)]
pub(super) struct Turn {
    pub(super) completed: Vec<Held>,
    pub(super) unfinished: Vec<Unfinished>,
    /// How many jobs to lease at most.
    pub(super) want: usize,
    pub(super) suspects: Suspects,
}

/// Which jobs to lease that a worker died over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Suspects {
    #[default]
    None,
    /// So many at most, of those whose next crash is not their last.
    Beside(usize),
    /// One whose next crash is its last: whoever runs it should do nothing else.
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
    /// How far the queue is leased, if it was.
    pub(super) front: Option<Front>,
    /// No others are due than one that should be alone.
    pub(super) grave: bool,
}

impl Turn {
    pub(super) async fn take(
        self,
        floor: &Floor,
        mut front: Front,
        rate: Option<Rate>,
    ) -> Result<Turned, DbError> {
        let (worker, lease) = (floor.worker.clone(), floor.settings.lease);
        let last_crash = floor.settings.max_crashes.saturating_sub(1);
        let work = async move |conn: &mut Conn| {
            let Self { completed, unfinished, want, suspects } = self;
            let mut turned = Turned {
                completed: store::complete(conn, &completed).await?,
                settled: store::settle(conn, &unfinished).await?,
                ..Turned::default()
            };
            match suspects {
                Suspects::None => {}
                Suspects::Beside(limit) => {
                    let crashes = 1..last_crash;
                    turned.leased =
                        store::lease_suspects(conn, front.queue(), crashes, limit, &worker, lease).await?;
                    turned.grave = turned.leased.is_empty()
                        && store::suspect(conn, front.queue())
                            .await?
                            .is_some_and(|crashes| crashes >= last_crash);
                }
                Suspects::Alone => {
                    let crashes = last_crash.max(1)..u32::MAX;
                    turned.leased =
                        store::lease_suspects(conn, front.queue(), crashes, 1, &worker, lease).await?;
                }
            }
            let left = want.saturating_sub(turned.leased.len());
            if left == 0 {
                return Ok(turned);
            }
            let due = store::due(conn, &mut front, rate, left, &worker, lease).await?;
            turned.front = Some(front);
            turned.leased.extend(due.jobs);
            turned.next_in = due.next_in;
            Ok(turned)
        };
        floor.db.write(work).await
    }
}
