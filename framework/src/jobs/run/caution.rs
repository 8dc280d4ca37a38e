use std::time::{Duration, Instant};

/// How often a job that a worker died over is looked for.
const LOOK: Duration = Duration::from_secs(2);
/// What kills its process does so soon, most of the time: after this, more of them may be in hand.
const PROBATION: Duration = Duration::from_millis(500);

/// How many jobs that a worker died over a queue may have in hand: one at first, since the next crash is blamed on all
/// of them. Each that ends well lets one more in, and each [`PROBATION`] without a crash doubles their number, so that
/// those which are innocent, most of them, do not wait long for each other. (The ramp is TCP's slow start.)
pub(super) struct Caution {
    in_hand: usize,
    allowed: usize,
    /// How many workers there are.
    most: usize,
    look_at: Instant,
}

impl Caution {
    pub(super) fn new(most: usize, now: Instant) -> Self {
        Self { in_hand: 0, allowed: 1, most, look_at: now }
    }

    /// How many more may be leased, if it is time to look for some.
    pub(super) fn room(&mut self, now: Instant) -> usize {
        if self.look_at > now {
            return 0;
        }
        self.look_at = now + LOOK;
        if self.in_hand > 0 {
            self.allow(self.allowed);
        }
        self.allowed.saturating_sub(self.in_hand)
    }

    /// So many were leased.
    pub(super) fn found(&mut self, jobs: usize, now: Instant) {
        self.in_hand += jobs;
        if jobs > 0 {
            self.look_at = now + PROBATION;
        } else if self.in_hand == 0 {
            self.allowed = 1;
        }
    }

    /// So many are no longer in hand, and nobody died.
    pub(super) fn ended(&mut self, jobs: usize, now: Instant) {
        if jobs > 0 {
            self.in_hand = self.in_hand.saturating_sub(jobs);
            self.allow(jobs);
            self.look_at = now;
        }
    }

    /// There may be some.
    pub(super) fn look(&mut self, now: Instant) {
        self.look_at = now;
    }

    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    fn allow(&mut self, more: usize) {
        self.allowed = (self.allowed + more).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_of_them_are_let_in_the_longer_nobody_dies() {
        let began = Instant::now();
        let at = |steps: u32| began + PROBATION * steps;
        let mut caution = Caution::new(6, began);
        assert_eq!(caution.room(began), 1);
        caution.found(1, began);
        assert_eq!(caution.room(began), 0, "not yet");
        assert_eq!(caution.room(at(1)), 1);
        caution.found(1, at(1));
        assert_eq!(caution.room(at(2)), 2);
        caution.found(2, at(2));
        assert_eq!(caution.room(at(3)), 2, "no more than workers");
        caution.found(2, at(3));
        assert_eq!(caution.room(at(4)), 0);
    }

    #[test]
    fn each_that_ends_lets_one_more_in_at_once() {
        let now = Instant::now();
        let mut caution = Caution::new(8, now);
        assert_eq!(caution.room(now), 1);
        caution.found(1, now);
        caution.ended(1, now);
        assert_eq!(caution.room(now), 2);
        caution.found(2, now);
        caution.ended(2, now);
        assert_eq!(caution.room(now), 4);
        // There are no others, and the next ones are met with care again.
        caution.found(0, now);
        assert_eq!(caution.room(now + LOOK), 1);
    }
}
