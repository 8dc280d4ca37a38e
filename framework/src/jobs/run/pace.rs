use std::time::{Duration, Instant};

/// So many jobs tell how fast the workers are, however soon they were done.
const ENOUGH: u32 = 64;

/// How fast a queue's workers are, for how much to have ready ahead of them: as many as they did lately in a time. Of
/// jobs that take longer none are, so that those which wait are there for other processes, and in their order.
pub(super) struct Pace {
    /// The work of this time is had ready.
    time: Duration,
    /// And no more jobs than this.
    most: usize,
    since: Instant,
    done: u32,
    ahead: usize,
}

impl Pace {
    pub(super) fn new(time: Duration, most: usize, now: Instant) -> Self {
        Self { time, most, since: now, done: 0, ahead: 0 }
    }

    pub(super) fn ahead(&self) -> usize {
        self.ahead
    }

    /// So many jobs were done.
    pub(super) fn count(&mut self, done: usize, now: Instant) {
        self.done = self.done.saturating_add(u32::try_from(done).unwrap_or(u32::MAX));
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < self.time / 4 && (self.done < ENOUGH || elapsed.is_zero()) {
            return;
        }
        let ahead = f64::from(self.done) * self.time.as_secs_f64() / elapsed.as_secs_f64();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
        let ahead = (ahead as usize).min(self.most);
        *self = Self { since: now, done: 0, ahead, ..*self };
    }

    /// What was had ready was not begun: it was too much.
    pub(super) fn forget(&mut self) {
        self.ahead = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_of_short_jobs_some_are_had_ready() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut pace = Pace::new(Duration::from_millis(20), 512, began);
        pace.count(8, at(1));
        assert_eq!(pace.ahead(), 0, "too early to tell");
        pace.count(92, at(10));
        assert_eq!(pace.ahead(), 200);
        pace.count(63, at(11));
        assert_eq!(pace.ahead(), 200, "too few to tell");
        pace.count(1, at(12));
        assert_eq!(pace.ahead(), 512, "enough");
        pace.count(100_000, at(20));
        assert_eq!(pace.ahead(), 512);
        pace.count(8, at(1020));
        assert_eq!(pace.ahead(), 0);
    }
}
