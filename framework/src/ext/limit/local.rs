//! Counting in this process.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;

use super::rule::Verdict;

/// How many newcomers' counts there are while there is no room for one each.
const SHARED: usize = 1024;

/// How often those are looked for who have not come for so long that they need no count.
const SWEEP: Duration = Duration::from_secs(1);

/// The clients of one rule.
pub(super) struct Local {
    limiter: RateLimiter<u128, Bounded, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    burst: NonZeroU32,
    interval: Duration,
    /// Whether there was no room for somebody.
    full: Arc<AtomicBool>,
    swept: Mutex<Option<Instant>>,
}

impl Local {
    pub(super) fn new(interval: Duration, burst: NonZeroU32, most: usize) -> Self {
        let interval = interval.max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
        let clock = DefaultClock::default();
        let full = Arc::<AtomicBool>::default();
        let limiter = RateLimiter::new(quota, Bounded::new(most, Arc::clone(&full)), clock.clone());
        Self { limiter, clock, burst, interval, full, swept: Mutex::default() }
    }

    pub(super) fn check(&self, client: u128) -> Verdict {
        let verdict = match self.limiter.check_key(&client) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let reset = self.interval * self.burst.get().saturating_sub(remaining);
                Verdict { allowed: true, remaining, wait: Duration::ZERO, reset }
            }
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                Verdict { allowed: false, remaining: 0, wait, reset: self.interval * self.burst.get() }
            }
        };
        self.sweep();
        verdict
    }

    /// How many have a count of their own.
    pub(super) fn clients(&self) -> usize {
        self.limiter.len()
    }

    /// Makes room when it is needed.
    fn sweep(&self) {
        if !self.full.load(Relaxed) {
            return;
        }
        let Some(mut swept) = self.swept.try_lock() else { return };
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            self.limiter.retain_recent();
            *swept = Some(Instant::now());
        }
    }
}

/// Counts by client, and no more of them than there is room for.
struct Bounded {
    own: DashMapStateStore<u128>,
    count: AtomicUsize,
    most: usize,
    full: Arc<AtomicBool>,
    /// For those that came when there was no more room; several share one, so that a crowd of them gets no more than this.
    shared: Box<[InMemoryState]>,
}

impl Bounded {
    fn new(most: usize, full: Arc<AtomicBool>) -> Self {
        Self {
            own: DashMapStateStore::default(),
            count: AtomicUsize::new(0),
            most,
            full,
            shared: (0..SHARED).map(|_| InMemoryState::default()).collect(),
        }
    }
}

impl StateStore for Bounded {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, client: &u128, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(own) = self.own.get(client) {
            return own.measure_and_replace(&NotKeyed::NonKey, decide);
        }
        if self.count.load(Relaxed) >= self.most {
            self.full.store(true, Relaxed);
            return self.shared[place(*client)].measure_and_replace(&NotKeyed::NonKey, decide);
        }
        let own = self.own.entry(*client).or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            InMemoryState::default()
        });
        own.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl ShrinkableKeyedStateStore<u128> for Bounded {
    fn retain_recent(&self, drop_below: Nanos) {
        ShrinkableKeyedStateStore::retain_recent(&self.own, drop_below);
        let left = ShrinkableKeyedStateStore::len(&self.own);
        self.count.store(left, Relaxed);
        self.full.store(left >= self.most, Relaxed);
    }

    fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }
}

/// Neighbours in the network are not neighbours here.
fn place(client: u128) -> usize {
    let folded = (client as u64) ^ (client >> 64) as u64;
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % SHARED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(interval: Duration, burst: u32, most: usize) -> Local {
        Local::new(interval, NonZeroU32::new(burst).unwrap(), most)
    }

    #[test]
    fn a_client_gets_its_burst_and_is_told_how_long_to_wait() {
        let local = local(Duration::from_secs(60), 3, 10);
        let left: Vec<_> = (0..3).map(|_| local.check(1)).map(|verdict| verdict.remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = local.check(1);
        assert!(!refused.allowed);
        assert!((50..=60).contains(&refused.wait.as_secs()), "{refused:?}");
        assert!(local.check(2).allowed, "another client");
    }

    #[test]
    fn millions_of_clients_take_no_more_than_their_room_and_those_that_were_there_keep_theirs() {
        let local = local(Duration::from_secs(60), 3, 1000);
        assert_eq!(local.check(7).remaining, 2);
        let taken =
            (0..2_000_000_u128).filter(|client| local.check((2 << 64) | (client << 20)).allowed).count();
        assert_eq!(local.clients(), 1000);
        // Each that has room gets one; all others together get three of each shared count.
        assert!(taken <= 1000 + 3 * SHARED, "{taken}");
        assert_eq!(local.check(7).remaining, 1, "a client that was there before");
    }

    #[test]
    fn room_is_made_by_forgetting_those_that_have_their_burst_back() {
        let local = local(Duration::from_nanos(1), 1, 100);
        for client in 0..1000 {
            assert!(local.check(client).allowed);
        }
        local.limiter.retain_recent();
        assert!(local.clients() < 100, "{}", local.clients());
    }
}
