use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The id of an entry of a stream, as Redis writes it: `milliseconds-number`.
pub(in crate::jobs::run) type EntryId = String;

/// An entry of a stream, as it was delivered to this process. It ends with the last of its jobs.
#[derive(Debug)]
pub(in crate::jobs::run) struct Delivery {
    pub(super) queue: Arc<str>,
    pub(super) entry: EntryId,
    pub(super) jobs: usize,
    /// How many of them have not ended.
    left: AtomicUsize,
}

impl Delivery {
    pub(super) fn new(queue: &Arc<str>, entry: EntryId, jobs: usize) -> Arc<Self> {
        Arc::new(Self { queue: Arc::clone(queue), entry, jobs, left: AtomicUsize::new(jobs) })
    }

    /// One of its jobs has ended; itself, if that was the last.
    pub(in crate::jobs::run) fn leave(self: Arc<Self>) -> Option<Arc<Self>> {
        (self.left.fetch_sub(1, Ordering::AcqRel) == 1).then_some(self)
    }
}
