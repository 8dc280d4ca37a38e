use std::time::{Duration, Instant};

use super::dispatcher::MOST;

/// How much work is leased ahead of the workers: what they did lately in this time.
const AHEAD: Duration = Duration::from_millis(20);
/// And no more than this, which is a full turn for the workers while the next full turn is under way.
const MOST_AHEAD: usize = 2 * MOST;

/// How fast a queue's workers are, for how much to lease ahead of them. Of jobs that take longer than [`AHEAD`] nothing
/// is, so that those which wait are there for other processes.
pub(super) struct Pace {
    since: Instant,
    done: u32,
    ahead: usize,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, done: 0, ahead: 0 }
    }

    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    /// So many jobs were done.
    pub(super) fn count(&mut self, done: usize, now: Instant) {
        self.done = self.done.saturating_add(u32::try_from(done).unwrap_or(u32::MAX));
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < AHEAD / 4 {
            return;
        }
        let ahead = f64::from(self.done) * AHEAD.as_secs_f64() / elapsed.as_secs_f64();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
        let ahead = ahead.min(f64::from(u16::MAX)) as usize;
        *self = Self { ahead: ahead.min(MOST_AHEAD), ..Self::new(now) };
    }

    /// What was leased ahead was not begun: it was too much.
    pub(super) fn forget(&mut self) {
        self.ahead = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_of_short_jobs_some_are_leased_ahead() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut pace = Pace::new(began);
        pace.count(8, at(1));
        assert_eq!(pace.ahead(), 0, "too early to tell");
        pace.count(92, at(10));
        assert_eq!(pace.ahead(), 200);
        pace.count(100_000, at(20));
        assert_eq!(pace.ahead(), MOST_AHEAD);
        pace.count(8, at(1020));
        assert_eq!(pace.ahead(), 0);
    }
}
