//! Handing jobs out by Redis Streams, where one database is outgrown.
//!
//! The database stays the truth about every job; Redis says who runs it. Each process publishes jobs that are due: the
//! database leases them to the stream (`relay`), and then they are added to it, no more than the workers will take in a
//! moment, so that what Redis holds is bounded whatever waits, and what is urgent or tried again does not stand behind it.
//! Workers read them as a consumer group (`feed`), and what became of a job is written to the database, with its fencing
//! token, before its entry is acknowledged and deleted: what is in a stream is what was published and has not ended, so
//! nothing is ever trimmed. Short jobs share entries (`entry`), each of which ends with the last of its jobs.
//!
//! Every process looks after all (`sweep`): it gives back what was delivered to a worker that is dead, what a publisher
//! died over before it was in the stream, and everything when Redis has lost something. Redis has, when it was started
//! anew or a key is gone; then a new epoch begins, the database takes back all that was published before, and what is
//! left of it in the streams is passed over. Whatever Redis forgets or says twice, the token lets a job end once.

mod delivery;
mod entry;
mod feed;
mod relay;
mod sweep;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_redis::redis::{Cmd, Pipeline, cmd};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use crate::data::{Conn, Db, DbError, Redis, RedisError, RedisReader};
use crate::jobs::error::JobsError;
use crate::jobs::store::{self, Leased};
use delivery::EntryId;
use entry::{FIELD, Replies};

pub(super) use delivery::Delivery;
pub(super) use entry::Entry;
#[cfg(any(fuzzing, test))]
pub(super) use entry::encode;
pub(super) use feed::{Feed, acknowledge};
pub(super) use relay::relay_all;
pub(super) use sweep::{check_epoch, sweep};

/// The consumer group of every stream.
const GROUP: &str = "workers";
/// Jobs that are published and have no worker yet, at most, a batch per process more or less.
const WINDOW: usize = 4096;
/// How long a reader waits for an entry before it looks around.
const BLOCK: Duration = Duration::from_secs(1);
/// The oldest Redis whose streams lose nothing that is pending.
const OLDEST: u32 = 7;

/// What this process has made room for in a queue's stream.
#[derive(Default)]
struct Room {
    /// Jobs that ended here since it was last asked.
    ended: AtomicUsize,
    made: Notify,
    /// How many jobs an entry of the stream held lately, less one.
    further: AtomicUsize,
}

/// The streams of one database's jobs, as one process has them.
pub(super) struct Stream {
    redis: Redis,
    /// Before the names of all keys.
    prefix: String,
    epoch: AtomicI64,
    /// This process, as a consumer and as a publisher.
    pub(super) worker: String,
    /// By queue.
    rooms: HashMap<Arc<str>, Room>,
    /// A stream or its group was gone.
    lost: AtomicBool,
    /// One looks at a time whether the epoch counts: two would begin two.
    checking: Mutex<()>,
}

impl Stream {
    /// The streams of a database's jobs, on a Redis that can be relied on.
    pub(super) async fn open(
        redis: Redis,
        db: &Db,
        worker: String,
        queues: &[Arc<str>],
    ) -> Result<Self, JobsError> {
        let info = redis.info().await?;
        let major = info.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < OLDEST) {
            return Err(JobsError::OldRedis {
                server: redis.server().to_owned(),
                version: info.version,
                oldest: OLDEST,
            });
        }
        if info.maxmemory_policy != "noeviction" {
            tracing::warn!(
                server = redis.server(),
                policy = info.maxmemory_policy,
                "this Redis throws keys away when its memory is full: set maxmemory-policy to noeviction; until then \
                 jobs are published again from the database whenever it does"
            );
        }
        if !info.append_only {
            tracing::warn!(
                server = redis.server(),
                "this Redis keeps no append-only file: each time it is started, all jobs that it had are published \
                 again from the database"
            );
        }
        let fresh = Uuid::new_v4().simple().to_string()[..12].to_owned();
        let identity: Result<_, DbError> =
            db.write(async move |conn: &mut Conn| store::identify(conn, &fresh).await).await;
        let identity = identity?;
        let stream = Self {
            redis,
            prefix: format!("spanbox:jobs:{}", identity.namespace),
            epoch: AtomicI64::new(identity.epoch),
            worker,
            rooms: queues.iter().map(|queue| (Arc::clone(queue), Room::default())).collect(),
            lost: AtomicBool::new(false),
            checking: Mutex::default(),
        };
        for queue in queues {
            stream.ensure_group(queue).await?;
        }
        Ok(stream)
    }

    fn key(&self, queue: &str) -> String {
        format!("{}:queue:{queue}", self.prefix)
    }

    /// Holds `epoch:run_id` as long as Redis has lost nothing.
    fn marker(&self) -> String {
        format!("{}:epoch", self.prefix)
    }

    /// Is there as long as a process lives.
    fn alive_key(&self, worker: &str) -> String {
        format!("{}:alive:{worker}", self.prefix)
    }

    pub(super) fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A process that knows of a later epoch is right.
    fn advance(&self, epoch: i64) {
        self.epoch.fetch_max(epoch, Ordering::AcqRel);
    }

    /// Adds jobs to the stream of their queue, up to `together` in an entry.
    async fn publish(
        &self,
        queue: &str,
        epoch: i64,
        jobs: &[Leased],
        together: usize,
    ) -> Result<(), RedisError> {
        let key = self.key(queue);
        let mut pipeline = Pipeline::with_capacity(jobs.len().div_ceil(together));
        let mut left = jobs;
        while !left.is_empty() {
            let (entry, rest) = left.split_at(entry::fitting(left, together));
            left = rest;
            pipeline.cmd("XADD").arg(&key).arg("*").arg(FIELD).arg(entry::encode(epoch, entry)).ignore();
        }
        self.were_together(queue, jobs.len(), pipeline.len());
        self.redis.pipeline("PIPELINE XADD", &pipeline).await
    }

    /// How many jobs in a stream have no worker yet, by what its entries held lately.
    pub(super) async fn waiting(&self, queue: &str) -> Result<usize, RedisError> {
        let (pending, ..): Pending =
            match self.redis.command("XPENDING", &self.of_group("XPENDING", queue)).await {
                Err(error) if error.code() == Some("NOGROUP") => return Ok(0),
                pending => pending?,
            };
        let length: usize = self.redis.command("XLEN", cmd("XLEN").arg(self.key(queue))).await?;
        Ok(length.saturating_sub(pending) * self.together(queue))
    }

    /// How many jobs an entry of a stream held lately.
    fn together(&self, queue: &str) -> usize {
        1 + self.rooms.get(queue).map_or(0, |room| room.further.load(Ordering::Relaxed))
    }

    fn were_together(&self, queue: &str, jobs: usize, entries: usize) {
        if let Some(room) = self.rooms.get(queue).filter(|_| entries > 0) {
            room.further.store(jobs.div_ceil(entries).saturating_sub(1), Ordering::Relaxed);
        }
    }

    fn of_group(&self, command: &str, queue: &str) -> Cmd {
        let mut cmd = cmd(command);
        cmd.arg(self.key(queue)).arg(GROUP);
        cmd
    }

    /// Reads up to about `count` jobs, and waits for an entry if there are none. `again` reads what was delivered to this
    /// process before and is not acknowledged: after an answer that was lost on its way.
    async fn read(
        &self,
        reader: &mut RedisReader,
        queue: &str,
        count: usize,
        again: bool,
    ) -> Result<Vec<Entry>, RedisError> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.worker).arg("COUNT").arg(count.div_ceil(self.together(queue)));
        read.arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX));
        read.arg("STREAMS").arg(self.key(queue)).arg(if again { "0" } else { ">" });
        let replies: Option<Vec<(String, Replies)>> = reader.command("XREADGROUP", &read).await?;
        let replies = replies.unwrap_or_default().into_iter().flat_map(|(_, replies)| replies);
        let entries: Vec<_> = replies.map(Entry::read).collect();
        self.were_together(queue, entries.iter().map(|entry| entry.jobs.len()).sum(), entries.len());
        Ok(entries)
    }

    /// Makes the group of a queue's stream, and the stream, if they are not there.
    async fn ensure_group(&self, queue: &str) -> Result<(), RedisError> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(self.key(queue)).arg(GROUP).arg("0").arg("MKSTREAM");
        match self.redis.command::<()>("XGROUP CREATE", &create).await {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            made => made,
        }
    }

    /// A stream or its group is gone, and with it jobs: a new epoch has to begin.
    fn report_loss(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Acknowledges entries whose jobs have ended, and deletes them: both or none.
    async fn finish(&self, queue: &str, entries: &[&EntryId]) -> Result<(), RedisError> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.atomic();
        pipeline.cmd("XACK").arg(self.key(queue)).arg(GROUP).arg(entries).ignore();
        pipeline.cmd("XDEL").arg(self.key(queue)).arg(entries).ignore();
        self.redis.pipeline("MULTI XACK", &pipeline).await
    }

    /// Says that this process lives, and that the workers of these entries do.
    pub(super) async fn beat(&self, lease: Duration, in_hand: &[Arc<Delivery>]) -> Result<(), RedisError> {
        let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let mut by_queue: HashMap<&str, Vec<&EntryId>> = HashMap::new();
        for delivery in in_hand {
            by_queue.entry(&delivery.queue).or_default().push(&delivery.entry);
        }
        let mut pipeline = Pipeline::with_capacity(by_queue.len() + 1);
        pipeline.cmd("SET").arg(self.alive_key(&self.worker)).arg(1).arg("PX").arg(lease).ignore();
        for (queue, entries) in by_queue {
            // With JUSTID it is no delivery. What was acknowledged meanwhile is not claimed.
            let claim = pipeline.cmd("XCLAIM").arg(self.key(queue)).arg(GROUP).arg(&self.worker).arg(0);
            claim.arg(entries).arg("JUSTID").ignore();
        }
        self.redis.pipeline("PIPELINE XCLAIM", &pipeline).await
    }

    /// Takes back that this process lives: it stops.
    pub(super) async fn leave(&self) -> Result<(), RedisError> {
        self.redis.command("DEL", cmd("DEL").arg(self.alive_key(&self.worker))).await
    }
}

/// The summary of what a group has pending: how many; the first and the last; by consumer.
type Pending = (usize, Option<String>, Option<String>, Option<Vec<(String, usize)>>);
