use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::name;
use super::store::Rate;
use crate::config::{Section, built_without};

/// `[jobs]`: how jobs are run.
///
/// ```toml
/// [jobs]
/// concurrency = 8
///
/// [jobs.queues.mails]
/// concurrency = 2
/// rate = { jobs = 100, per = "1m" }
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobsSettings {
    /// Whether the command `serve` runs jobs too. Default true; with false, start `worker` beside it.
    pub in_serve: bool,
    /// Who hands the jobs out: `database`, the default, or `redis`, Redis Streams on `redis.url` (feature `redis`), where
    /// one database is outgrown. The jobs are kept in the database either way.
    pub transport: Transport,
    /// How many jobs of one queue run at a time in a process. Default 8.
    pub concurrency: usize,
    /// Threads that run jobs; 0, the default, is one per core, at most 4.
    pub threads: usize,
    /// For how long a job is a worker's before others may take it for dead. It is prolonged every third of this while
    /// the job runs, however long that is. Default 10 s, at least 1 s.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often a queue is looked at when nobody says that there is something in it. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// A job that so many of its workers died over is a dead letter. Default 3.
    pub max_crashes: u32,
    /// How long completed jobs are kept. Default a day.
    #[serde(with = "humantime_serde")]
    pub keep_completed: Duration,
    /// How long cancelled jobs are kept. Default a week.
    #[serde(with = "humantime_serde")]
    pub keep_cancelled: Duration,
    /// How long dead letters are kept. Default 90 days. Parked jobs are kept until somebody decides.
    #[serde(with = "humantime_serde")]
    pub keep_dead: Duration,
    /// What is different for single queues, by name.
    pub queues: BTreeMap<String, QueueSettings>,
}

/// Who hands jobs out.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// The database that they are in.
    #[default]
    Database,
    /// Redis Streams (feature `redis`).
    Redis,
}

/// `[jobs.queues.<name>]`: what is different for one queue.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// How many of its jobs run at a time in a process.
    pub concurrency: Option<usize>,
    /// How many of its jobs are begun in some time, over all processes together. Default no limit.
    pub rate: Option<RateSettings>,
}

/// `rate = { jobs = 100, per = "1m" }`: at most so many at once, and evenly so many in that time.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// How many jobs.
    pub jobs: u32,
    /// In how much time.
    #[serde(with = "humantime_serde")]
    pub per: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for JobsSettings {
    fn default() -> Self {
        Self {
            in_serve: true,
            transport: Transport::default(),
            concurrency: 8,
            threads: 0,
            lease: Duration::from_secs(10),
            poll_interval: Duration::from_secs(1),
            max_crashes: 3,
            keep_completed: DAY,
            keep_cancelled: DAY * 7,
            keep_dead: DAY * 90,
            queues: BTreeMap::new(),
        }
    }
}

impl JobsSettings {
    /// How many jobs of a queue run at a time.
    #[must_use]
    pub fn concurrency_of(&self, queue: &str) -> usize {
        self.queues.get(queue).and_then(|settings| settings.concurrency).unwrap_or(self.concurrency)
    }

    /// How fast a queue may go, if there is a limit.
    #[must_use]
    pub fn rate_of(&self, queue: &str) -> Option<Rate> {
        let rate = self.queues.get(queue)?.rate.as_ref()?;
        Some(Rate { jobs: rate.jobs, per: rate.per })
    }

    pub(super) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)),
            threads => threads,
        }
    }
}

impl Section for JobsSettings {
    const NAME: &'static str = "jobs";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.transport == Transport::Redis && !cfg!(feature = "redis") {
            let without = built_without("redis", "set it to \"database\"");
            wrong.push(("transport", format!("is \"redis\", and {without}")));
        }
        let most = 10_000;
        if !(1..=most).contains(&self.concurrency) {
            wrong.push(("concurrency", format!("must be 1 to {most}")));
        }
        if self.threads > 256 {
            wrong.push(("threads", "must be at most 256".to_owned()));
        }
        if self.lease < Duration::from_secs(1) {
            wrong.push(("lease", "must be at least 1s: shorter ones are lost to a busy machine".to_owned()));
        }
        if self.poll_interval < Duration::from_millis(10) {
            wrong.push(("poll_interval", "must be at least 10ms".to_owned()));
        }
        if self.max_crashes == 0 {
            wrong.push(("max_crashes", "must be at least 1".to_owned()));
        }
        for (queue, settings) in &self.queues {
            if let Err(error) = name::queue(queue) {
                wrong.push(("queues", format!("has a queue that is none: {error}")));
            }
            if settings.concurrency.is_some_and(|concurrency| !(1..=most).contains(&concurrency)) {
                wrong.push(("queues", format!("gives `{queue}` a concurrency that is not 1 to {most}")));
            }
            if settings.rate.as_ref().is_some_and(|rate| rate.jobs == 0 || rate.per.is_zero()) {
                wrong.push(("queues", format!("gives `{queue}` a rate of no jobs, or in no time")));
            }
        }
        wrong
    }
}
