use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[telemetry.database]`: what is looked for in statements.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseTelemetrySettings {
    /// A statement that takes this long is slow: it gets the event `db.slow_statement`, is counted and logged. It is
    /// looked for where statements are measured (with metrics) or their trace is recorded. Default 500 ms; `0s` is never.
    #[serde(with = "humantime_serde")]
    pub slow_statement: Duration,
    /// So often the same statement from one place in the code, within one request, run of a job or message that begins a
    /// trace, is N+1: the span of that gets the event `db.n_plus_one`, and it is counted and logged. The place is that
    /// of `Db::read` and its like. It is looked for in traces that are recorded. Default 5; 0 is
    /// never.
    pub n_plus_one: u32,
    /// Ends every query with a comment that says what asked for it (sqlcommenter): `db_driver`, `framework`, and of a
    /// request `module` and `route`, for the database's own logs and statistics. Each route then has prepared statements
    /// of its own, found by their text. Default false.
    pub comment: bool,
    /// Puts `traceparent` into the comment, too. No two statements are then alike, so none is kept prepared: each is
    /// parsed and planned anew. Default false.
    pub comment_traceparent: bool,
}

impl Default for DatabaseTelemetrySettings {
    fn default() -> Self {
        Self {
            slow_statement: Duration::from_millis(500),
            n_plus_one: 5,
            comment: false,
            comment_traceparent: false,
        }
    }
}

impl DatabaseTelemetrySettings {
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.n_plus_one == 1 {
            let message = "must be 0 (never) or at least 2: once is no repetition, got 1";
            wrong.push(("database.n_plus_one", message.to_owned()));
        }
        if self.comment_traceparent && !self.comment {
            let message = "goes into the comments of telemetry.database.comment, which is off: set that, too";
            wrong.push(("database.comment_traceparent", message.to_owned()));
        }
        wrong
    }

    /// How long a slow statement takes, if any is.
    #[must_use]
    pub fn slow(&self) -> Option<Duration> {
        Some(self.slow_statement).filter(|slow| !slow.is_zero())
    }
}
