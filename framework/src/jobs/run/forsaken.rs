//! Giving jobs back that stand in a stream of Redis which nobody looks after.

use std::collections::HashSet;
use std::time::Duration;

use super::floor::{Bell, Floor};
use crate::data::{Conn, DbError};
use crate::jobs::error::JobsError;
use crate::jobs::store::{self, Held, Then, Unfinished};

/// Given back in one step at most.
const BATCH: usize = 500;
/// For so long the processes of before may go on, while all are being given another transport.
const FORSAKEN: Duration = Duration::from_secs(60);

/// Gives back everything that is leased under a name, or, without one, under any for longer than [`FORSAKEN`].
pub(super) async fn take_back(floor: &Floor, name: Option<&str>) -> Result<usize, JobsError> {
    let mut all = 0;
    loop {
        let name = name.map(str::to_owned);
        let jobs: Result<_, DbError> = floor
            .db
            .write(async move |conn: &mut Conn| {
                let jobs = match name {
                    Some(name) => store::published(conn, &name, BATCH).await?,
                    None => store::forsaken(conn, FORSAKEN, BATCH).await?,
                };
                let held: Vec<Held> = jobs.iter().map(store::InStream::held).collect();
                store::settle(conn, &back(&held)).await?;
                Ok(jobs)
            })
            .await;
        let jobs = jobs?;
        all += jobs.len();
        ring(floor, jobs.iter().map(|job| &*job.queue));
        if jobs.len() < BATCH {
            return Ok(all);
        }
    }
}

/// Jobs that were published by processes which had them handed out by Redis are due again, where the database hands them
/// out now: nobody may be left who looks after their stream.
pub(super) async fn take_back_forsaken(floor: &Floor) -> Result<(), JobsError> {
    let all = take_back(floor, None).await?;
    if all > 0 {
        tracing::warn!(
            jobs = all,
            "jobs that stood in a stream of Redis were taken back: jobs.transport is `database` here, and has to be the \
             same in all processes"
        );
    }
    Ok(())
}

pub(super) fn back(held: &[Held]) -> Vec<Unfinished> {
    let unfinished =
        |held: &Held| Unfinished { held: *held, then: Then::GiveBack, error: None, trace_id: None };
    held.iter().map(unfinished).collect()
}

pub(super) fn ring<'a>(floor: &Floor, queues: impl Iterator<Item = &'a str>) {
    let queues: HashSet<&str> = queues.collect();
    queues.into_iter().filter_map(|queue| floor.bells.get(queue)).for_each(Bell::ring);
}
