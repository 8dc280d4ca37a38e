use std::time::Instant;

use parking_lot::Mutex;

/// How many retries are there without a request that has earned them.
const RESERVE: f64 = 10.0;
/// What is saved up at most.
const MOST: f64 = 100.0;
/// What time alone gives, a second.
const A_SECOND: f64 = 1.0;

/// What retries are paid from, so that they are a share of the requests and not a multiple: who is down is not buried by
/// them. (The idea is Finagle's `RetryBudget`.)
pub(super) struct Budget {
    share: f64,
    inner: Mutex<Inner>,
}

struct Inner {
    saved: f64,
    since: Instant,
}

impl Budget {
    pub(super) fn new(share: f64, now: Instant) -> Self {
        Self { share, inner: Mutex::new(Inner { saved: RESERVE, since: now }) }
    }

    /// A request has begun.
    pub(super) fn earn(&self) {
        let mut inner = self.inner.lock();
        inner.saved = (inner.saved + self.share).min(MOST);
    }

    /// Whether there may be one more retry.
    pub(super) fn spend(&self, now: Instant) -> bool {
        let mut inner = self.inner.lock();
        if inner.saved < RESERVE {
            let passed = now.saturating_duration_since(inner.since).as_secs_f64();
            inner.saved = (inner.saved + passed * A_SECOND).min(RESERVE);
        }
        inner.since = now;
        let enough = inner.saved >= 1.0;
        if enough {
            inner.saved -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn retries_are_a_share_of_the_requests_and_a_few_besides() {
        let now = Instant::now();
        let budget = Budget::new(0.25, now);
        let retried = (0..1000).filter(|_| {
            budget.earn();
            budget.spend(now)
        });
        assert_eq!(retried.count(), 260);
        assert!(!budget.spend(now));
        let later = now + Duration::from_secs(3);
        assert_eq!((0..100).filter(|_| budget.spend(later)).count(), 3);
    }

    #[test]
    fn nobody_saves_up_for_ever() {
        let now = Instant::now();
        let budget = Budget::new(1.0, now);
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!((0..1000).filter(|_| budget.spend(now)).count(), 100);
    }
}
