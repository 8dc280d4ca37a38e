use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::dispatcher::WeakDispatch;

use super::TARGET;

/// How often an outage that goes on is logged.
const REMINDER: Duration = Duration::from_secs(60);

/// Where a service's own warnings go. Filled once the subscriber is there; weak, because the subscriber holds the
/// exporters that hold this.
pub(super) type LateDispatch = OnceLock<WeakDispatch>;

/// Says that a collector cannot be reached: once, then at most once a minute, and when it is over.
#[derive(Debug)]
pub(super) struct Outage {
    signal: &'static str,
    endpoint: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    logged_at: Option<Instant>,
    announced: bool,
    failures: u64,
    lost: u64,
    overflow: Overflow,
}

/// What found the queue full, which may happen without a failure.
#[derive(Clone, Copy, Debug, Default)]
struct Overflow {
    told_at: Option<Instant>,
    told: u64,
}

impl Outage {
    pub(super) fn new(signal: &'static str, endpoint: String) -> Self {
        Self { signal, endpoint, state: Mutex::default() }
    }

    /// An export failed, and `lost` items with it.
    pub(super) fn failed(&self, now: Instant, lost: u64, reason: &str, logs: &LateDispatch) {
        let (failures, lost) = {
            let mut state = self.state.lock();
            state.failures += 1;
            state.lost += lost;
            if state.logged_at.is_some_and(|at| now.saturating_duration_since(at) < REMINDER) {
                return;
            }
            state.logged_at = Some(now);
            state.announced = true;
            (state.failures, state.lost)
        };
        with(logs, || {
            tracing::warn!(
                target: TARGET,
                endpoint = %self.endpoint,
                failures,
                lost,
                reason,
                "{} cannot be exported; this is said at most once a minute",
                self.signal
            );
        });
    }

    /// So many have found the queue full since the start.
    pub(super) fn overflowed(&self, now: Instant, dropped: u64, logs: &LateDispatch) {
        let since = {
            let mut state = self.state.lock();
            let Overflow { told_at, told } = state.overflow;
            let soon = told_at.is_some_and(|at| now.saturating_duration_since(at) < REMINDER);
            if dropped == told || soon {
                return;
            }
            state.overflow = Overflow { told_at: Some(now), told: dropped };
            dropped - told
        };
        with(logs, || {
            tracing::warn!(
                target: TARGET,
                endpoint = %self.endpoint,
                dropped = since,
                "{} are dropped: they come faster than they are exported; this is said at most once a minute",
                self.signal
            );
        });
    }

    /// An export succeeded. An end is logged only when the beginning was.
    pub(super) fn succeeded(&self, logs: &LateDispatch) {
        let ended = {
            let mut state = self.state.lock();
            if state.failures == 0 {
                return;
            }
            // The time of the last warning stays, so that a collector that comes and goes is no flood either.
            let State { logged_at, overflow, .. } = *state;
            std::mem::replace(&mut *state, State { logged_at, overflow, ..State::default() })
        };
        if ended.announced {
            with(logs, || {
                tracing::info!(
                    target: TARGET,
                    endpoint = %self.endpoint,
                    failures = ended.failures,
                    lost = ended.lost,
                    "{} are exported again",
                    self.signal
                );
            });
        }
    }
}

pub(super) fn with(logs: &LateDispatch, log: impl FnOnce()) {
    if let Some(dispatch) = logs.get().and_then(WeakDispatch::upgrade) {
        tracing::dispatcher::with_default(&dispatch, log);
    }
}
