use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

/// A time of day in nanoseconds, in half the room of an optional [`SystemTime`]: each message carries two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(NonZeroU64);

impl Stamp {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Enough until the year 2554.
        Self::from_nanos(
            since.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(since.subsec_nanos())),
        )
    }

    pub(super) fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }

    pub(super) fn nanos(self) -> u64 {
        self.0.get()
    }

    pub(super) fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.nanos())
    }

    /// Zero if the clock was set back in between.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos().saturating_sub(earlier.nanos()))
    }
}
