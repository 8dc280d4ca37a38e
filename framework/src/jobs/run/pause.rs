use std::time::Duration;

/// How long to wait when a server fails, at first and at most.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// The pause after this one.
pub(super) fn next_pause(before: Option<Duration>) -> Duration {
    before.map_or(SHORTEST, |before| (before * 2).min(LONGEST))
}
