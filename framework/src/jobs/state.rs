use std::fmt;
use std::str::FromStr;

/// Where a job stands.
///
/// ```text
/// available ─ lease ─► running ─┬─► completed
///     ▲  │                      ├─► available   failed and due again, given back, or its lease ran out
///     │  └─ cancel ─► cancelled ├─► cancelled   asked for while it ran, and it did not complete
///     │                   ▲     ├─► dead        gave up, attempts spent, or its worker died over it too often
///     │                discard  └─► parked      nobody knows its kind, or its payload does not parse
///     └──────── retry ────┴───────── dead, parked
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waits for a worker, or for its time.
    Available,
    /// A worker has a lease on it.
    Running,
    /// Done.
    Completed,
    /// A dead letter: it will not be tried again by itself.
    Dead,
    /// Given up on request.
    Cancelled,
    /// Put aside, because no worker can make anything of it.
    Parked,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Available, Self::Running, Self::Completed, Self::Dead, Self::Cancelled, Self::Parked];

    /// Its name, as stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Parked => "parked",
        }
    }

    /// Whether a job may go from here to `next` in one step, as the picture shows.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Available => matches!(next, Self::Running | Self::Cancelled),
            Self::Running => !matches!(next, Self::Running),
            Self::Dead | Self::Parked => matches!(next, Self::Available | Self::Cancelled),
            Self::Completed | Self::Cancelled => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no such state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state of a job: available, running, completed, dead, cancelled or parked")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| UnknownState(name.to_owned()))
    }
}
