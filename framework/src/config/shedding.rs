//! When a service refuses requests to get well again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Section;

/// `[shedding]`: from when on requests are refused with 503, because something that they need can not keep up.
///
/// ```toml
/// [shedding]
/// job_lag = "2m"
/// exclude = ["GET /api/orders/{id}"]
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SheddingSettings {
    /// Whether requests are refused at all. Default true.
    pub enabled: bool,
    /// The oldest message of an actor may be so old. Default 5 s; `0s` does not look. Workers of jobs are looked at by
    /// `job_lag`.
    #[serde(with = "humantime_serde")]
    pub mailbox_age: Duration,
    /// Who waits for a connection of the database may have waited so long. Default 2 s; `0s` does not look.
    #[serde(with = "humantime_serde")]
    pub pool_wait: Duration,
    /// The oldest job that is due may have been for so long. Default 10 minutes; `0s` does not look. Known in processes
    /// that run jobs, and measured every few seconds.
    #[serde(with = "humantime_serde")]
    pub job_lag: Duration,
    /// How often it is looked at. Default 250 ms.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long all of it must be below half of its limit before requests are taken again. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub calm: Duration,
    /// What `Retry-After` tells clients. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// Actors whose messages may be old, by name.
    pub ignore_actors: Vec<String>,
    /// Routes that are answered all the same, as `GET /api/orders/{id}`; besides those of modules that are
    /// [critical](crate::module::Module::critical).
    pub exclude: Vec<String>,
}

impl Default for SheddingSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            mailbox_age: Duration::from_secs(5),
            pool_wait: Duration::from_secs(2),
            job_lag: Duration::from_secs(600),
            interval: Duration::from_millis(250),
            calm: Duration::from_secs(1),
            retry_after: Duration::from_secs(2),
            ignore_actors: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl Section for SheddingSettings {
    const NAME: &'static str = "shedding";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.interval < Duration::from_millis(10) {
            wrong.push(("interval", format!("must be at least 10ms, got {:?}", self.interval)));
        }
        if self.retry_after < Duration::from_secs(1) {
            wrong.push(("retry_after", "must be at least 1s: the header has whole seconds".to_owned()));
        }
        wrong
    }
}
