use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Failures in a row after which a backend is left alone.
const FAILURES: u32 = 3;

/// Leaves a backend alone that does not answer, so that not every request waits for it in vain. Requests never try it:
/// the cache's own task does, see [`keeper`](super::keeper).
#[derive(Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    open: AtomicBool,
    since: Mutex<Option<Instant>>,
    opened: Notify,
}

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 && !self.is_open() {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Tells whether it opens now: once for each time that the backend goes away.
    pub(super) fn failed(&self) -> bool {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 < FAILURES
            || self.open.swap(true, Ordering::AcqRel)
        {
            return false;
        }
        *self.since.lock() = Some(Instant::now());
        self.opened.notify_waiters();
        true
    }

    /// Waits until it opens.
    pub(super) async fn opened(&self) {
        loop {
            let opened = self.opened.notified();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }

    /// The backend is there again; answers since when it was away.
    pub(super) fn close(&self) -> Option<Instant> {
        self.failures.store(0, Ordering::Relaxed);
        self.open.store(false, Ordering::Release);
        self.since.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_once_after_failures_in_a_row_and_closes_when_told() {
        let breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed());
        breaker.succeeded();
        assert!(!breaker.failed() && !breaker.failed() && !breaker.is_open());
        assert!(breaker.failed() && breaker.is_open());
        assert!(!breaker.failed(), "it is open already");
        breaker.succeeded();
        assert!(breaker.is_open(), "a late answer closes nothing");
        assert!(breaker.close().is_some() && !breaker.is_open());
        assert!(!breaker.failed(), "it counts from none again");
    }
}
