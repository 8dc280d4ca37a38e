//! A circuit breaker: an upstream that fails again and again is left alone for a while, so that it can recover and nobody
//! waits for it in vain.
//!
//! Closed, every request passes. After `failures` in a row it opens, and every request is refused at once. After
//! `open_for` it is half-open: one request passes; with its success the breaker is closed, with its failure open again.
//! (The states and their names are those of Michael Nygard's "Release It!", 2007.)

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::settings::BreakerSettings;

pub(super) struct Breaker {
    settings: BreakerSettings,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    /// Counts the changes of the state, so that what began before one does not count after it.
    generation: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        failed: u32,
    },
    Open {
        until: Instant,
    },
    /// One request is finding out.
    HalfOpen,
}

/// How a breaker is, as telemetry and errors call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// Requests are refused.
    Open,
    /// The next request finds out whether the upstream is back.
    HalfOpen,
}

impl BreakerState {
    pub(super) const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// `closed`, `open` or `half_open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A request that may be sent. Dropped without a word, it says nothing of the upstream.
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    generation: u64,
    pub(super) state: BreakerState,
    told: bool,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self { settings, inner: Mutex::new(Inner { state: State::Closed { failed: 0 }, generation: 0 }) }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.inner.lock().state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if now < until => BreakerState::Open,
            State::Open { .. } | State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// Whether a request may be sent now; `Err` says when to ask again.
    pub(super) fn admit(self: &Arc<Self>, now: Instant) -> Result<Permit, Duration> {
        let mut inner = self.inner.lock();
        let state = match inner.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if now < until => return Err(until - now),
            State::Open { .. } => {
                inner.change(State::HalfOpen);
                BreakerState::HalfOpen
            }
            State::HalfOpen => return Err(self.settings.open_for),
        };
        Ok(Permit { breaker: Arc::clone(self), generation: inner.generation, state, told: false })
    }
}

impl Inner {
    fn change(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

impl Permit {
    /// Says how the request ended; the answer is the state that this has led to, if it is another one.
    pub(super) fn end(mut self, failed: bool, now: Instant) -> Option<BreakerState> {
        self.told = true;
        let settings = &self.breaker.settings;
        let mut inner = self.breaker.inner.lock();
        if inner.generation != self.generation {
            return None;
        }
        let open = State::Open { until: now + settings.open_for };
        match (&mut inner.state, failed) {
            (State::Closed { failed: count }, true) => {
                *count = count.saturating_add(1);
                if settings.failures == 0 || *count < settings.failures {
                    return None;
                }
                inner.change(open);
                Some(BreakerState::Open)
            }
            (State::Closed { failed: count }, false) => {
                *count = 0;
                None
            }
            (State::HalfOpen, true) => {
                inner.change(open);
                Some(BreakerState::Open)
            }
            (State::HalfOpen, false) => {
                inner.change(State::Closed { failed: 0 });
                Some(BreakerState::Closed)
            }
            (State::Open { .. }, _) => None,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.breaker.inner.lock();
        // Who was to find out has gone: the next one may.
        if !self.told && inner.generation == self.generation && matches!(inner.state, State::HalfOpen) {
            inner.change(State::Open { until: Instant::now() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(5);

    fn breaker(failures: u32) -> Arc<Breaker> {
        Arc::new(Breaker::new(BreakerSettings { failures, open_for: OPEN_FOR }))
    }

    fn call(breaker: &Arc<Breaker>, failed: bool, now: Instant) -> Option<BreakerState> {
        breaker.admit(now).map_or(None, |permit| permit.end(failed, now))
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_one_success() {
        let (breaker, now) = (breaker(3), Instant::now());
        for failed in [true, true, false, true, true] {
            assert_eq!(call(&breaker, failed, now), None);
        }
        assert_eq!(call(&breaker, true, now), Some(BreakerState::Open));
        assert_eq!(breaker.admit(now + OPEN_FOR / 5).err(), Some(OPEN_FOR / 5 * 4));
        assert_eq!(breaker.state(now), BreakerState::Open);

        let later = now + OPEN_FOR;
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        let probe = breaker.admit(later).ok().unwrap();
        assert!(breaker.admit(later).is_err(), "two at once find out");
        assert_eq!(probe.end(true, later), Some(BreakerState::Open));
        assert!(breaker.admit(later).is_err());
        assert_eq!(call(&breaker, false, later + OPEN_FOR), Some(BreakerState::Closed));
        assert_eq!(breaker.state(later + OPEN_FOR), BreakerState::Closed);
    }

    #[test]
    fn what_began_before_a_change_does_not_count_after_it() {
        let (breaker, now) = (breaker(1), Instant::now());
        let slow: Vec<_> = (0..3).map(|_| breaker.admit(now).ok().unwrap()).collect();
        assert_eq!(call(&breaker, true, now), Some(BreakerState::Open));
        assert_eq!(call(&breaker, false, now + OPEN_FOR), Some(BreakerState::Closed));
        for permit in slow {
            assert_eq!(permit.end(true, now + OPEN_FOR), None);
        }
        assert_eq!(breaker.state(now + OPEN_FOR), BreakerState::Closed);
    }

    #[test]
    fn a_probe_that_was_given_up_leaves_its_place_to_the_next() {
        let (breaker, now) = (breaker(1), Instant::now());
        call(&breaker, true, now);
        let later = now + OPEN_FOR;
        drop(breaker.admit(later).ok().unwrap());
        assert!(breaker.admit(Instant::now() + OPEN_FOR).is_ok());
    }

    #[test]
    fn with_no_number_of_failures_it_never_opens() {
        let (breaker, now) = (breaker(0), Instant::now());
        assert!((0..1000).all(|_| call(&breaker, true, now).is_none()));
    }
}
