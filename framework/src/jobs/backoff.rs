use std::time::Duration;

/// How long to wait before a job is tried again: exponential, with jitter, bounded.
///
/// After attempt *n* the delay is `base × factor^(n−1)`, at most `max`, of which a random part is taken away: with a
/// jitter of 0.5, the default, it lies between half of that and all of it. So jobs that failed together do not come
/// back together (the idea is "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). By default the delays are
/// about 1 s, 2 s, 4 s, … up to an hour.
///
/// ```
/// use std::time::Duration;
/// use spanbox::jobs::Backoff;
///
/// let backoff = Backoff::new(Duration::from_secs(2)).jitter(0.0).max(Duration::from_secs(10));
/// let delays: Vec<_> = (1..=4).map(|attempt| backoff.after(attempt, 0).as_secs()).collect();
/// assert_eq!(delays, [2, 4, 8, 10]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    base: Duration,
    factor: f64,
    max: Duration,
    jitter: f64,
}

/// No delay is longer, whatever is asked for: 30 days.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

impl Backoff {
    /// A first delay of `base`; doubled each time, at most an hour, with half of it left to chance.
    #[must_use]
    pub const fn new(base: Duration) -> Self {
        Self { base, factor: 2.0, max: Duration::from_secs(3600), jitter: 0.5 }
    }

    /// Always about `delay`.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self { base: delay, factor: 1.0, max: delay, jitter: 0.5 }
    }

    /// By how much a delay is longer than the one before: 2 unless set. Less than 1, or no number, counts as 1.
    #[must_use]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = if factor >= 1.0 { factor } else { 1.0 };
        self
    }

    /// The longest delay: an hour unless set, and never above 30 days.
    #[must_use]
    pub const fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// The part of a delay that is left to chance, from 0 to 1: 0.5 unless set.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = if jitter >= 0.0 { jitter.min(1.0) } else { 0.0 };
        self
    }

    /// The delay after the attempt that has failed, counted from 1. The same seed gives the same delay; the job's id
    /// and attempt make a good one.
    #[must_use]
    pub fn after(&self, attempt: u32, seed: u64) -> Duration {
        let steps = attempt.saturating_sub(1).min(i32::MAX.unsigned_abs()).cast_signed();
        let longest = self.max.min(LONGEST).as_secs_f64();
        // An overflow is infinite, and then the longest; zero times infinite is no number, and then zero.
        let delay = (self.base.as_secs_f64() * self.factor.powi(steps)).min(longest);
        let delay = if self.base.is_zero() { 0.0 } else { delay };
        let chance = unit(mix(seed ^ u64::from(attempt).rotate_left(32)));
        Duration::from_secs_f64(delay * (1.0 - self.jitter * chance))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1))
    }
}

/// Spreads a seed over all bits (the finalizer of `SplitMix64`, Steele, Lea and Flood, 2014).
const fn mix(seed: u64) -> u64 {
    let a = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

/// A number from 0 to 1 of the upper 53 bits.
#[allow(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds exactly")]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / ((1_u64 << 53) - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arbitrary settings of a seed, extremes among them.
    fn arbitrary(seed: u64) -> (Backoff, u32) {
        let pick = |n: u64| mix(seed.wrapping_mul(31).wrapping_add(n));
        let base = [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_millis(pick(0) % 100_000),
            Duration::MAX,
        ];
        let factor = [0.0, 1.0, 1.5, 2.0, 1e300, f64::INFINITY, f64::NAN, -3.0];
        let max = [Duration::ZERO, Duration::from_millis(pick(1) % 10_000_000), Duration::MAX];
        let jitter = [0.0, 0.5, 1.0, 7.0, -1.0, f64::NAN];
        let attempt = [0, 1, 2, 3, 20, 1000, u32::MAX];
        let at = |n: u64, len: usize| usize::try_from(pick(n) % len as u64).unwrap();
        let backoff =
            Backoff::new(base[at(2, 4)]).factor(factor[at(3, 8)]).max(max[at(4, 3)]).jitter(jitter[at(5, 6)]);
        (backoff, attempt[at(6, 7)])
    }

    #[test]
    fn no_delay_is_above_the_longest_whatever_the_settings() {
        for seed in 0..100_000 {
            let (backoff, attempt) = arbitrary(seed);
            let delay = backoff.after(attempt, seed);
            assert!(delay <= backoff.max.min(LONGEST), "{backoff:?} {attempt} {seed}");
            assert_eq!(delay, backoff.after(attempt, seed), "not reproducible: {backoff:?} {attempt} {seed}");
        }
    }

    #[test]
    fn a_delay_lies_within_its_jitter_and_grows_with_the_attempts() {
        let backoff = Backoff::new(Duration::from_millis(100)).max(Duration::from_secs(1000));
        for seed in 0..10_000 {
            let mut whole = 0.1;
            for attempt in 1..=10 {
                let delay = backoff.after(attempt, seed).as_secs_f64();
                assert!(
                    delay >= whole * 0.499 && delay <= whole * 1.001,
                    "{attempt} {seed}: {delay} of {whole}"
                );
                whole *= 2.0;
            }
        }
    }

    #[test]
    fn jobs_that_failed_together_come_back_apart() {
        let backoff = Backoff::new(Duration::from_secs(1)).jitter(1.0);
        let mut tenths = [0_u32; 10];
        for seed in 0..10_000_u64 {
            let tenth = (backoff.after(1, seed).as_secs_f64() * 9.999) as usize;
            tenths[tenth] += 1;
        }
        assert!(tenths.iter().all(|count| (800..1200).contains(count)), "{tenths:?}");
    }
}
