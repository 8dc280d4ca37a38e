//! From the database to the stream.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::sweep::check_epoch;
use super::{Stream, WINDOW};
use crate::data::{Conn, DbError};
use crate::jobs::error::JobsError;
use crate::jobs::run::{Floor, MOST, Stop, next_pause};
use crate::jobs::store::{self, Leased, Then, Unfinished};

/// How long to wait for room in the window when nobody says that there is some.
const ROOM: Duration = Duration::from_millis(20);

/// Publishes the jobs that are due, until the process takes no more; not before it is known that the stream counts.
pub(in crate::jobs::run) async fn relay_all(floor: &Floor, stream: &Stream) {
    let mut pause = None;
    while let Err(error) = check_epoch(floor, stream).await {
        if *floor.stop.borrow() != Stop::No {
            return;
        }
        if pause.is_none() {
            tracing::warn!(%error, "jobs are not published");
        }
        let next = next_pause(pause);
        sleep(next).await;
        pause = Some(next);
    }
    join_all(floor.bells.keys().map(|queue| relay(floor, stream, queue))).await;
}

async fn relay(floor: &Floor, stream: &Stream, queue: &Arc<str>) {
    let Some(bell) = floor.bells.get(queue) else { return };
    let mut stop = floor.stop.subscribe();
    let mut pause = None;
    while *stop.borrow_and_update() == Stop::No {
        let wait = match publish_due(floor, stream, queue).await {
            Ok(Next::Now) => {
                pause = None;
                continue;
            }
            Ok(Next::In(wait)) => {
                pause = None;
                wait
            }
            Err(error) => {
                if pause.is_none() {
                    tracing::warn!(%queue, %error, "jobs are not published");
                }
                let next = next_pause(pause);
                pause = Some(next);
                next
            }
        };
        tokio::select! {
            () = bell.due_to_publish.notified(), if pause.is_none() => {}
            () = stream.room.notified(), if wait == ROOM => {}
            _ = stop.changed() => {}
            () = sleep(wait) => {}
        }
    }
}

enum Next {
    /// There is more.
    Now,
    /// Not before this time, unless somebody says so.
    In(Duration),
}

/// Publishes a batch.
async fn publish_due(floor: &Floor, stream: &Stream, queue: &Arc<str>) -> Result<Next, JobsError> {
    let room = WINDOW.saturating_sub(stream.length(queue).await?);
    let want = room.min(MOST);
    if want == 0 {
        return Ok(Next::In(ROOM));
    }
    let epoch = stream.epoch();
    let lease = store::stream_lease(epoch, &stream.worker);
    let (name, rate) = (queue.to_string(), floor.settings.rate_of(queue));
    let due: Result<_, DbError> = floor
        .db
        .write(async move |conn: &mut Conn| {
            store::due(conn, &name, rate, want, &lease, store::TO_STREAM).await
        })
        .await;
    let store::Due { jobs, next_in } = due?;
    if !jobs.is_empty()
        && let Err(error) = stream.publish(queue, epoch, &jobs).await
    {
        give_back(floor, &jobs).await;
        return Err(error.into());
    }
    if jobs.len() == want {
        return Ok(Next::Now);
    }
    let interval = floor.settings.poll_interval;
    Ok(Next::In(next_in.map_or(interval, |next| next.min(interval))))
}

/// Jobs that may not be in the stream: they are due again. Should some be in it all the same, their tokens are old.
async fn give_back(floor: &Floor, jobs: &[Leased]) {
    let back: Vec<Unfinished> = jobs
        .iter()
        .map(|job| Unfinished { held: job.held(), then: Then::GiveBack, error: None, trace_id: None })
        .collect();
    let mut pause = None;
    loop {
        let back = back.clone();
        let given: Result<_, DbError> =
            floor.db.write(async move |conn: &mut Conn| store::settle(conn, &back).await).await;
        match given {
            Ok(_) => return,
            // The process ends: others find that they are not in the stream once it is dead.
            Err(_) if *floor.stop.borrow() != Stop::No => return,
            Err(error) => {
                tracing::debug!(%error, "jobs that could not be published are not given back yet");
                let next = next_pause(pause);
                sleep(next).await;
                pause = Some(next);
            }
        }
    }
}
