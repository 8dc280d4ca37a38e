use std::time::Duration;

use super::backoff::Backoff;

/// How a kind of job is tried, how often and how long. A job's [`policy`](super::Job::policy) says it.
///
/// ```
/// use std::time::Duration;
/// use spanbox::jobs::{Backoff, Causality, Policy};
///
/// let policy = Policy::default()
///     .max_attempts(5)
///     .timeout(Duration::from_secs(30))
///     .backoff(Backoff::new(Duration::from_secs(10)))
///     .causality(Causality::Link);
/// assert_eq!(policy.attempts(), 5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    max_attempts: u32,
    timeout: Duration,
    backoff: Backoff,
    priority: u8,
    causality: Causality,
    link_after: Duration,
    max_payload: usize,
    baggage: &'static [&'static str],
}

/// How a run stands to the trace that enqueued the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Causality {
    /// Its spans are in that trace. A retry, or a job that was due late, is a trace of its own with a link all the same.
    #[default]
    Child,
    /// Its spans are a trace of their own with a link to that one.
    Link,
}

/// Priorities go from 0, which runs first, to this one.
pub(super) const LAST_PRIORITY: u8 = 9;

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_attempts: 20,
            timeout: Duration::from_secs(300),
            backoff: Backoff::default(),
            priority: 5,
            causality: Causality::default(),
            link_after: Duration::from_secs(60),
            max_payload: 64 * 1024,
            baggage: &[],
        }
    }
}

impl Policy {
    /// How often a job is begun before it becomes a dead letter: 20 unless set, and at least once. What is given back
    /// at a stop does not count; what its worker died over does.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// How long one attempt may take: 5 minutes unless set.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long to wait before the next attempt: [`Backoff::default`] unless set.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// From 0, which runs first, to 9: 5 unless set. Enqueueing fails with anything else. Of a queue's jobs that are
    /// due, one of a lower number always goes first.
    #[must_use]
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// How a run stands to the trace that enqueued it: [`Causality::Child`] unless set.
    #[must_use]
    pub const fn causality(mut self, causality: Causality) -> Self {
        self.causality = causality;
        self
    }

    /// A job that was to wait longer than this before its first run is linked, not a child: a minute unless set.
    #[must_use]
    pub const fn link_after(mut self, delay: Duration) -> Self {
        self.link_after = delay;
        self
    }

    /// How many bytes of JSON a job may have: 64 KiB unless set.
    #[must_use]
    pub const fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// The keys of the baggage that are stored with the job: none unless set. They are read by whoever reads the table.
    #[must_use]
    pub const fn baggage(mut self, keys: &'static [&'static str]) -> Self {
        self.baggage = keys;
        self
    }

    /// How often a job is begun.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.max_attempts
    }

    /// How long one attempt may take.
    #[must_use]
    pub const fn run_limit(&self) -> Duration {
        self.timeout
    }

    /// The delay after the attempt that failed, counted from 1, of the job with this id.
    #[must_use]
    pub fn delay_after(&self, attempt: u32, id: i64) -> Duration {
        self.backoff.after(attempt, id.cast_unsigned())
    }

    /// Whether a run is linked to the trace that enqueued it: by policy, as a retry, or when it was to wait for `delay`.
    #[must_use]
    pub fn links(&self, attempt: u32, delay: Duration) -> bool {
        self.causality == Causality::Link || attempt > 1 || delay > self.link_after
    }

    pub(super) const fn payload_limit(&self) -> usize {
        self.max_payload
    }

    pub(super) const fn default_priority(&self) -> u8 {
        self.priority
    }

    pub(super) const fn baggage_keys(&self) -> &'static [&'static str] {
        self.baggage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_or_a_long_delay_is_a_trace_of_its_own() {
        let policy = Policy::default().link_after(Duration::from_secs(10));
        assert!(!policy.links(1, Duration::from_secs(10)));
        assert!(policy.links(2, Duration::ZERO));
        assert!(policy.links(1, Duration::from_secs(11)));
        assert!(policy.causality(Causality::Link).links(1, Duration::ZERO));
    }

    #[test]
    fn a_job_is_begun_at_least_once() {
        assert_eq!(Policy::default().max_attempts(0).attempts(), 1);
    }
}
