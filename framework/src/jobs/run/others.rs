use std::time::{Duration, Instant};

/// Whether the leases of other processes tell anything. After an outage of the database, or on a machine that was
/// suspended, all of them have run out, and whoever is alive needs the time of a lease to prolong theirs.
pub(super) struct Others {
    lease: Duration,
    awake: Instant,
    /// None while this process is cut off.
    judged_from: Option<Instant>,
}

impl Others {
    /// A process that has just started judges at once: else one that is restarted again and again would never take what
    /// it left itself.
    pub(super) fn new(lease: Duration) -> Self {
        let now = Instant::now();
        Self { lease, awake: now, judged_from: Some(now) }
    }

    /// This process is awake, which it should be several times in a lease.
    pub(super) fn awake(&mut self, now: Instant) {
        if now.saturating_duration_since(self.awake) > self.lease {
            self.were_cut_off();
        }
        self.awake = now;
    }

    pub(super) fn were_cut_off(&mut self) {
        self.judged_from = None;
    }

    pub(super) fn are_cut_off(&self) -> bool {
        self.judged_from.is_none()
    }

    /// Whether those who are alive had the time to say so. The database answers, so that they could.
    pub(super) fn may_be_judged(&mut self, now: Instant) -> bool {
        *self.judged_from.get_or_insert(now + self.lease) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_cut_off_gives_the_others_the_time_of_a_lease() {
        let lease = Duration::from_secs(10);
        let mut others = Others::new(lease);
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(others.may_be_judged(at(0)));
        others.were_cut_off();
        assert!(others.are_cut_off());
        assert!(!others.may_be_judged(at(5)));
        others.awake(at(9));
        assert!(!others.may_be_judged(at(14)) && others.may_be_judged(at(15)));
        // Having slept is the same.
        others.awake(at(40));
        assert!(others.are_cut_off() && !others.may_be_judged(at(40)));
    }
}
