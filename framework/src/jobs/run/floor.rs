use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::signals::Signals;
use super::stream::{Delivery, Stream};
use crate::data::Db;
use crate::jobs::context::Cancelled;
use crate::jobs::kinds::Kinds;
use crate::jobs::settings::JobsSettings;
use crate::jobs::store::{Beat, Held};

/// What all that runs jobs in a process shares.
pub(super) struct Floor {
    pub(super) db: Db,
    /// Hands the jobs out, unless the database does.
    pub(super) stream: Option<Arc<Stream>>,
    pub(super) settings: JobsSettings,
    pub(super) kinds: Kinds,
    /// Who this process is to the others; no two are the same, not even one after the other.
    pub(super) worker: String,
    pub(super) signals: Signals,
    /// By queue.
    pub(super) bells: HashMap<Arc<str>, Bell>,
    /// How far the stop is.
    pub(super) stop: watch::Sender<Stop>,
    in_hand: Mutex<HashMap<i64, InHand>>,
    alone: Mutex<Option<Alone>>,
}

/// How far a stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// There is none.
    No,
    /// Nothing is leased any more.
    Leasing,
    /// What runs is ended where it is, and given back.
    Running,
}

/// A name for this process that no other has, not even one after the other.
pub(super) fn name_worker() -> String {
    format!(
        "{}:{}:{}",
        gethostname::gethostname().to_string_lossy(),
        std::process::id(),
        &uuid::Uuid::new_v4().simple().to_string()[..12]
    )
}

/// Wakes the dispatcher of a queue.
#[derive(Default)]
pub(super) struct Bell {
    pub(super) rung: Notify,
    /// The same, for who publishes to a stream.
    pub(super) due_to_publish: Notify,
    /// Jobs may be due.
    pub(super) due: AtomicBool,
    /// A job that a worker died over may be due.
    pub(super) suspects: AtomicBool,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.due.store(true, Ordering::Release);
        self.rung.notify_one();
        self.due_to_publish.notify_one();
    }
}

/// A queue that wants the process for one job, whose next crash is its last.
struct Alone {
    queue: Arc<str>,
    since: Instant,
    /// Once it is leased.
    job: Option<i64>,
}

/// A job that this process has a lease on.
struct InHand {
    held: Held,
    /// What brought it, if it was handed out by a stream.
    delivery: Option<Arc<Delivery>>,
    cancel: watch::Sender<Option<Cancelled>>,
    settled: Arc<AtomicBool>,
    /// Its end is being written.
    settling: bool,
}

/// What a run gets of its job's entry.
pub(super) struct Entered {
    pub(super) cancelled: watch::Receiver<Option<Cancelled>>,
    pub(super) settled: Arc<AtomicBool>,
}

impl Floor {
    pub(super) fn new(
        db: Db,
        stream: Option<Stream>,
        settings: JobsSettings,
        kinds: Kinds,
        signals: Signals,
        worker: String,
        queues: &[Arc<str>],
    ) -> Self {
        Self {
            db,
            stream: stream.map(Arc::new),
            settings,
            kinds,
            worker,
            signals,
            bells: queues.iter().map(|queue| (Arc::clone(queue), Bell::default())).collect(),
            stop: watch::Sender::new(Stop::No),
            in_hand: Mutex::default(),
            alone: Mutex::default(),
        }
    }

    /// Notes that a job was leased: its lease is kept from now on.
    pub(super) fn enter(&self, held: Held, delivery: Option<Arc<Delivery>>) -> Entered {
        let (cancel, cancelled) = watch::channel(None);
        let settled = Arc::<AtomicBool>::default();
        let entered = Entered { cancelled, settled: Arc::clone(&settled) };
        self.in_hand.lock().insert(held.id, InHand { held, delivery, cancel, settled, settling: false });
        entered
    }

    /// Notes that a job is no longer this process's, and tells what has ended with it of a stream.
    pub(super) fn leave(&self, held: Held) -> Option<Arc<Delivery>> {
        let mut in_hand = self.in_hand.lock();
        let same = in_hand.get(&held.id).is_some_and(|job| job.held == held);
        let left = if same { in_hand.remove(&held.id) } else { None };
        let mut alone = self.alone.lock();
        match &*alone {
            Some(Alone { job: Some(job), .. }) if *job == held.id => {
                *alone = None;
                self.bells.values().for_each(Bell::ring);
            }
            Some(_) if in_hand.is_empty() => self.bells.values().for_each(|bell| bell.rung.notify_one()),
            _ => {}
        }
        left.and_then(|job| job.delivery).and_then(Delivery::leave)
    }

    /// The ends of these jobs are being written: that tells whether their leases were held, and nothing else.
    pub(super) fn settle(&self, jobs: impl IntoIterator<Item = Held>) {
        let mut in_hand = self.in_hand.lock();
        for held in jobs {
            if let Some(job) = in_hand.get_mut(&held.id).filter(|job| job.held == held) {
                job.settling = true;
            }
        }
    }

    /// What is held on a lease of the database.
    pub(super) fn leased(&self) -> Vec<Held> {
        self.in_hand.lock().values().filter(|job| job.delivery.is_none()).map(|job| job.held).collect()
    }

    /// What was handed out by streams, and what brought it.
    pub(super) fn delivered(&self) -> (Vec<Held>, Vec<Arc<Delivery>>) {
        let in_hand = self.in_hand.lock();
        let of_streams =
            in_hand.values().filter_map(|job| Some((job.held, Arc::clone(job.delivery.as_ref()?))));
        let (held, mut deliveries): (Vec<_>, Vec<_>) = of_streams.unzip();
        drop(in_hand);
        deliveries.sort_unstable_by_key(Arc::as_ptr);
        deliveries.dedup_by(|one, other| Arc::ptr_eq(one, other));
        (held, deliveries)
    }

    pub(super) fn has_any_of(&self, jobs: impl IntoIterator<Item = Held>) -> bool {
        let in_hand = self.in_hand.lock();
        jobs.into_iter().any(|held| in_hand.get(&held.id).is_some_and(|job| job.held == held))
    }

    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.lock().len()
    }

    /// Tells the runs what a heartbeat told, and how many leases are lost.
    pub(super) fn hear(&self, asked: &[Held], beats: &[Beat]) -> usize {
        let beats: HashMap<i64, bool> = beats.iter().map(|beat| (beat.id, beat.cancel_requested)).collect();
        let in_hand = self.in_hand.lock();
        let mut lost = 0;
        for held in asked {
            // What left meanwhile was settled, and so was what its own run has completed.
            let Some(job) = in_hand.get(&held.id).filter(|job| job.held == *held) else { continue };
            let reason = match beats.get(&held.id) {
                Some(false) => continue,
                Some(true) => Cancelled::Requested,
                None if job.settling || job.settled.load(Ordering::Acquire) => continue,
                None => Cancelled::LeaseLost,
            };
            let changed = job.cancel.send_if_modified(|told| told.replace(reason) != Some(reason));
            lost += usize::from(changed && reason == Cancelled::LeaseLost);
        }
        lost
    }

    /// The queue that has the process for itself, or waits for it: no other may lease.
    pub(super) fn alone(&self) -> Option<Arc<str>> {
        self.alone.lock().as_ref().map(|alone| Arc::clone(&alone.queue))
    }

    /// Asks that this queue may have the process for itself.
    pub(super) fn ask_alone(&self, queue: &Arc<str>) {
        let alone = || Alone { queue: Arc::clone(queue), since: Instant::now(), job: None };
        self.alone.lock().get_or_insert_with(alone);
    }

    /// Whether the queue that asked may lease its job: when nothing else is in hand, or that took longer than a lease.
    /// What is still running then may have to be run again, but neither is it blamed for a crash nor does everything
    /// else wait for it.
    pub(super) fn may_be_alone(&self) -> bool {
        let others = self.in_hand() > 0;
        self.alone.lock().as_ref().is_some_and(|alone| {
            alone.job.is_none() && (!others || alone.since.elapsed() >= self.settings.lease)
        })
    }

    /// The queue that asked has leased its job. Once that is no longer in hand, the others go on.
    pub(super) fn be_alone(&self, job: i64) {
        if let Some(alone) = &mut *self.alone.lock() {
            alone.job = Some(job);
        }
    }

    /// Lets the others go on.
    pub(super) fn leave_alone(&self, queue: &Arc<str>) {
        let mut alone = self.alone.lock();
        if alone.as_ref().is_some_and(|alone| alone.queue == *queue) {
            *alone = None;
            self.bells.values().for_each(Bell::ring);
        }
    }
}
