use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a panicked actor is started again, and when it is given up.
///
/// The intensity limit is OTP's: more than `max_restarts` panics `within` a period, and the actor stops for good;
/// what is in its mailbox becomes dead letters. Between a panic and the restart messages wait, twice as long after
/// each panic of the period.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    max_restarts: usize,
    within: Duration,
    backoff_min: Duration,
    backoff_max: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl RestartPolicy {
    /// Five restarts within 30 s, after pauses from 10 ms to 5 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_restarts: 5,
            within: Duration::from_secs(30),
            backoff_min: Duration::from_millis(10),
            backoff_max: Duration::from_secs(5),
        }
    }

    /// A panic stops the actor for good.
    #[must_use]
    pub const fn never() -> Self {
        Self::new().max_restarts(0)
    }

    /// Restarts allowed in the period. Default 5.
    #[must_use]
    pub const fn max_restarts(mut self, restarts: usize) -> Self {
        self.max_restarts = restarts;
        self
    }

    /// The period. Default 30 s.
    #[must_use]
    pub const fn within(mut self, period: Duration) -> Self {
        self.within = period;
        self
    }

    /// The pause before the first restart of a period, and the longest pause. Default 10 ms and 5 s.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff_min = first;
        self.backoff_max = longest;
        self
    }
}

/// The panics of the running period.
pub(super) struct Intensity {
    policy: RestartPolicy,
    recent: VecDeque<Instant>,
}

impl Intensity {
    pub(super) fn new(policy: RestartPolicy) -> Self {
        Self { policy, recent: VecDeque::new() }
    }

    /// The pause before the restart after a panic at `now`, or `None` to give up.
    pub(super) fn next_pause(&mut self, now: Instant) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) > self.policy.within) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.policy.max_restarts {
            return None;
        }
        let doublings = u32::try_from(self.recent.len()).unwrap_or(u32::MAX).min(31);
        self.recent.push_back(now);
        Some(self.policy.backoff_min.saturating_mul(1 << doublings).min(self.policy.backoff_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy::new()
            .max_restarts(3)
            .within(Duration::from_secs(10))
            .backoff(Duration::from_secs(1), Duration::from_secs(3))
    }

    #[test]
    fn the_pause_doubles_up_to_its_limit_and_then_the_actor_is_given_up() {
        let now = Instant::now();
        let mut intensity = Intensity::new(policy());
        let pauses: Vec<_> = (0..4).map(|_| intensity.next_pause(now).map(|pause| pause.as_secs())).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn panics_before_the_period_are_forgotten() {
        let now = Instant::now();
        let mut intensity = Intensity::new(policy());
        for _ in 0..3 {
            intensity.next_pause(now);
        }
        assert_eq!(intensity.next_pause(now + Duration::from_secs(11)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn never_means_never() {
        assert_eq!(Intensity::new(RestartPolicy::never()).next_pause(Instant::now()), None);
    }
}
