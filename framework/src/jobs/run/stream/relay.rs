//! From the database to the stream.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use tokio::time::sleep;

use super::sweep::check_epoch;
use super::{Room, Stream, WINDOW};
use crate::data::{Conn, DbError, RedisError};
use crate::jobs::error::JobsError;
use crate::jobs::run::floor::{Floor, Stop};
use crate::jobs::run::pace::Pace;
use crate::jobs::run::pause::next_pause;
use crate::jobs::store::{self, Front, Leased, Then, Unfinished};

/// Leased and published at once at most: enough to keep the workers busy while the database leases the next.
const BATCH: usize = 512;
/// How much work stands in a stream with no worker yet: what the workers of this process did lately in this time.
const AHEAD: Duration = Duration::from_millis(250);
/// The work of [`AHEAD`] is in so many entries at least, so that one holds what the workers of a process do in a millisecond,
/// and jobs that are not short have one each.
const ENTRIES: usize = 256;
/// No more jobs than this share an entry: by then what an entry costs is little beside what its jobs do.
const TOGETHER: usize = 16;
/// How long to wait for room in the stream when nobody says that there is some.
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
    let (Some(bell), Some(room)) = (floor.bells.get(queue), stream.rooms.get(queue)) else { return };
    let mut stop = floor.stop.subscribe();
    let mut outlet = Outlet {
        floor,
        stream,
        queue,
        room,
        pace: Pace::new(AHEAD, WINDOW, Instant::now()),
        least: 2 * floor.settings.concurrency_of(queue),
        leased: Batch::default(),
        front: Front::new(&**queue),
        waiting: None,
        next: Next::Now,
    };
    let mut pause = None;
    while *stop.borrow_and_update() == Stop::No {
        let wait = match outlet.step().await {
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
            () = room.made.notified(), if wait == ROOM => {}
            _ = stop.changed() => {}
            () = sleep(wait) => {}
        }
        outlet.next = Next::Now;
    }
    give_back(floor, &outlet.leased.jobs).await;
}

#[derive(Clone, Copy)]
enum Next {
    /// There is more.
    Now,
    /// Not before this time, unless somebody says so.
    In(Duration),
}

/// The way of a queue's jobs into its stream, one batch behind the other: one is added to the stream while the database
/// leases the next.
struct Outlet<'a> {
    floor: &'a Floor,
    stream: &'a Stream,
    queue: &'a Arc<str>,
    room: &'a Room,
    /// Of the workers of this process.
    pace: Pace,
    /// However slow they are, so many jobs may stand in the stream for them.
    least: usize,
    /// To be published in the next step.
    leased: Batch,
    /// How far the queue is leased.
    front: Front,
    /// How many jobs had no worker yet when the stream was last asked.
    waiting: Option<usize>,
    /// When the database may have more.
    next: Next,
}

/// Jobs that were leased to the stream in an epoch.
#[derive(Default)]
struct Batch {
    epoch: i64,
    jobs: Vec<Leased>,
}

impl Outlet<'_> {
    /// Publishes the batch that was leased, and leases the next one.
    async fn step(&mut self) -> Result<Next, JobsError> {
        self.pace.count(self.room.ended.swap(0, Ordering::Relaxed), Instant::now());
        let waiting = match self.waiting.take() {
            Some(waiting) => waiting + self.leased.jobs.len(),
            None if self.leased.jobs.is_empty() => self.stream.waiting(self.queue).await?,
            None => WINDOW,
        };
        let window = self.pace.ahead().max(self.least);
        let room = match (self.next, window.saturating_sub(waiting)) {
            // A few at a time would cost the database more than they save anybody.
            (Next::Now, room) if room >= window.div_ceil(4) => room.min(BATCH),
            _ => 0,
        };
        let batch = mem::take(&mut self.leased);
        if room == 0 && batch.jobs.is_empty() {
            return Ok(Next::In(ROOM));
        }
        let together = (self.pace.ahead() / ENTRIES).clamp(1, TOGETHER);
        let epoch = self.stream.epoch();
        let (now_waiting, due) = join(self.publish(&batch, together), self.lease(epoch, room)).await;
        // What was leased is published by the next step, whatever became of the batch before it.
        let leased = due.map(|(due, front)| {
            self.front = front;
            let interval = self.floor.settings.poll_interval;
            if due.jobs.len() < room {
                self.next = Next::In(due.next_in.map_or(interval, |next| next.min(interval)));
            }
            self.leased = Batch { epoch, jobs: due.jobs };
        });
        // It was not asked where nothing was published; since it was, the workers have taken some, and other processes may
        // have published a batch.
        self.waiting = Some(now_waiting?.unwrap_or(waiting));
        leased?;
        Ok(if self.leased.jobs.is_empty() { self.next } else { Next::Now })
    }

    async fn lease(&self, epoch: i64, want: usize) -> Result<(store::Due, Front), DbError> {
        let mut front = self.front.clone();
        if want == 0 {
            return Ok((store::Due::default(), front));
        }
        let lease = store::stream_lease(epoch, &self.stream.worker);
        let rate = self.floor.settings.rate_of(self.queue);
        let due = async move |conn: &mut Conn| {
            Ok((store::due(conn, &mut front, rate, want, &lease, store::TO_STREAM).await?, front))
        };
        self.floor.db.write(due).await
    }

    /// Tells how many jobs in the stream have no worker yet, if it was asked.
    async fn publish(
        &self,
        Batch { epoch, jobs }: &Batch,
        together: usize,
    ) -> Result<Option<usize>, RedisError> {
        if jobs.is_empty() {
            return Ok(None);
        }
        if let Err(error) = self.stream.publish(self.queue, *epoch, jobs, together).await {
            give_back(self.floor, jobs).await;
            return Err(error);
        }
        self.stream.waiting(self.queue).await.map(Some)
    }
}

/// Jobs that may not be in the stream: they are due again. Should some be in it all the same, their tokens are old.
async fn give_back(floor: &Floor, jobs: &[Leased]) {
    if jobs.is_empty() {
        return;
    }
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
