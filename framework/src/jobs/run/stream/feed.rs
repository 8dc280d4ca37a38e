//! What a dispatcher gets of a stream, and what it says of what has ended.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::delivery::{Delivery, EntryId};
use super::entry::Entry;
use super::{BLOCK, Stream};
use crate::data::{Conn, Db, DbError, RedisReader};
use crate::jobs::error::JobsError;
use crate::jobs::run::floor::Stop;
use crate::jobs::run::pause::next_pause;
use crate::jobs::store::{self, Held};

/// Acknowledged at once at most.
const BATCH: usize = 1000;
/// After an answer was lost: more than a process has in hand.
const ALL: usize = 20_000;

type Reading = LocalBoxFuture<'static, Result<(RedisReader, Vec<Entry>), JobsError>>;

/// The entries of a queue's stream, a few at a time.
///
/// A read that has begun is read to its end: what Redis has delivered is this process's, whoever still listens.
pub(in crate::jobs::run) struct Feed {
    stream: Arc<Stream>,
    queue: Arc<str>,
    stop: watch::Receiver<Stop>,
    db: Db,
    reader: Option<RedisReader>,
    reading: Option<Reading>,
    /// An answer was lost: what it said was delivered is asked for again.
    again: bool,
    pause: Option<Duration>,
}

impl Feed {
    pub(in crate::jobs::run) fn new(
        stream: Arc<Stream>,
        queue: Arc<str>,
        stop: watch::Receiver<Stop>,
        db: Db,
    ) -> Self {
        Self { stream, queue, stop, db, reader: None, reading: None, again: false, pause: None }
    }

    /// Whether a read is under way.
    pub(in crate::jobs::run) fn reads(&self) -> bool {
        self.reading.is_some()
    }

    /// Begins to read up to about `count` jobs, unless a read is under way.
    pub(in crate::jobs::run) fn want(&mut self, count: usize) {
        if count == 0 || self.reading.is_some() {
            return;
        }
        let (stream, queue, mut stop) =
            (Arc::clone(&self.stream), Arc::clone(&self.queue), self.stop.clone());
        let db = self.db.clone();
        let (reader, again, pause) = (self.reader.take(), self.again, self.pause);
        let count = if again { ALL } else { count };
        let reading = async move {
            if let Some(pause) = pause {
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = stop.wait_for(|stop| *stop != Stop::No) => {}
                }
            }
            let mut reader = match reader {
                Some(reader) => reader,
                None => stream.redis.reader(BLOCK).await?,
            };
            let entries = stream.read(&mut reader, &queue, count, again).await;
            if let Err(error) = &entries
                && error.code() == Some("NOGROUP")
            {
                stream.report_loss();
                stream.ensure_group(&queue).await?;
                return Ok((reader, Vec::new()));
            }
            let mut entries = entries?;
            if again {
                forget_ended(&db, &mut entries).await?;
            }
            Ok((reader, entries))
        };
        self.reading = Some(reading.boxed_local());
    }

    /// The entries that the read under way brings, maybe none; never if there is none.
    pub(in crate::jobs::run) async fn next(&mut self) -> Vec<Entry> {
        let Some(reading) = &mut self.reading else { return pending().await };
        let read = reading.await;
        self.reading = None;
        match read {
            Ok((reader, entries)) => {
                if self.pause.take().is_some() {
                    tracing::info!(queue = %self.queue, "the jobs' Redis is back");
                }
                self.reader = Some(reader);
                self.again = false;
                entries
            }
            Err(error) => {
                if self.pause.is_none() {
                    tracing::warn!(queue = %self.queue, %error, "jobs have to wait for Redis");
                }
                self.pause = Some(next_pause(self.pause));
                self.again = true;
                Vec::new()
            }
        }
    }

    /// Whether an entry was published in an epoch that counts.
    pub(in crate::jobs::run) fn is_current(&self, entry: &Entry) -> bool {
        self.stream.advance(entry.epoch);
        entry.epoch >= self.stream.epoch()
    }
}

/// Takes those jobs out of entries that were delivered before which have ended since: all that is left to do is to
/// acknowledge those.
async fn forget_ended(db: &Db, entries: &mut [Entry]) -> Result<(), DbError> {
    let held: Vec<Held> = entries.iter().flat_map(Entry::held).collect();
    let running = db.read(async move |conn: &mut Conn| store::still_held(conn, &held).await).await?;
    let running: HashSet<i64> = running.into_iter().map(|beat| beat.id).collect();
    for entry in entries {
        entry.jobs.retain(|job| running.contains(&job.id));
    }
    Ok(())
}

/// Acknowledges the entries of jobs that have ended, many at a time, until nobody names any more.
pub(in crate::jobs::run) async fn acknowledge(
    stream: Arc<Stream>,
    queue: Arc<str>,
    mut ended: mpsc::UnboundedReceiver<Arc<Delivery>>,
    stop: watch::Receiver<Stop>,
) {
    let mut deliveries = Vec::new();
    while ended.recv_many(&mut deliveries, BATCH).await > 0 {
        let entries: Vec<&EntryId> = deliveries.iter().map(|delivery| &delivery.entry).collect();
        let mut pause = None;
        while let Err(error) = stream.finish(&queue, &entries).await {
            if *stop.borrow() != Stop::No {
                // Whoever looks after the stream finds that these jobs have ended, and acknowledges them.
                tracing::debug!(%error, "ended jobs are left in the stream");
                return;
            }
            let next = next_pause(pause);
            sleep(next).await;
            pause = Some(next);
        }
        if let Some(room) = stream.rooms.get(&queue) {
            room.ended.fetch_add(deliveries.iter().map(|delivery| delivery.jobs).sum(), Ordering::Relaxed);
            room.made.notify_one();
        }
        deliveries.clear();
    }
}
