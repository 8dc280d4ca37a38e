use std::time::Duration;

use chrono::{DateTime, Utc};
use opentelemetry::trace::FutureExt as _;

use super::carried::Carried;
use super::error::JobsError;
use super::job::Job;
use super::messaging;
use super::name;
use super::policy::{LAST_PRIORITY, Policy};
use super::run::CHANNEL;
use super::store::{self, Enqueued, NewJob, micros};
use crate::data::Conn;

/// A job on its way into the table, with what differs from its kind's policy.
///
/// The trace context that is current when it is enqueued goes with it.
#[derive(Debug)]
#[must_use]
pub struct Enqueue<J> {
    job: J,
    policy: Policy,
    queue: Option<String>,
    delay: Duration,
    run_at: Option<DateTime<Utc>>,
    unique: Option<(String, Duration)>,
}

impl<J: Job> Enqueue<J> {
    /// The job as its kind's policy has it, due at once.
    pub fn new(job: J) -> Self {
        Self { job, policy: J::policy(), queue: None, delay: Duration::ZERO, run_at: None, unique: None }
    }

    /// Due this long after the database's now: at once unless set.
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Due at this time by the database's clock; if that is past, at once. It takes precedence over a delay.
    pub const fn run_at(mut self, time: DateTime<Utc>) -> Self {
        self.run_at = Some(time);
        self
    }

    /// The queue: [`Job::QUEUE`] unless set.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// From 0, which runs first, to 9: the policy's unless set.
    pub const fn priority(mut self, priority: u8) -> Self {
        self.policy = self.policy.priority(priority);
        self
    }

    /// How often it is begun: the policy's unless set.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.policy = self.policy.max_attempts(attempts);
        self
    }

    /// At most one job of this kind with this key: not while one waits, runs or is parked, and not within `period` of
    /// when that one was enqueued, whatever became of it. With a period of zero, the end of one job lets the next in.
    pub fn unique(mut self, key: impl Into<String>, period: Duration) -> Self {
        self.unique = Some((key.into(), period));
        self
    }

    /// Stores it in the caller's transaction: it is there for the workers if and only if that commits.
    ///
    /// # Errors
    ///
    /// [`JobsError`]; whatever was wrong with the job itself is found before the database is asked.
    pub async fn enqueue(self, conn: &mut Conn) -> Result<Enqueued, JobsError> {
        let key = self.unique.as_ref().map_or_else(String::new, |(key, _)| key.clone());
        let stored = send::<J>(conn, vec![self.into_row()?]).await?;
        stored.into_iter().next().ok_or(JobsError::Contended { key })
    }

    fn into_row(self) -> Result<NewJob, JobsError> {
        let kind = J::NAME;
        name::kind(kind)?;
        let queue = self.queue.unwrap_or_else(|| J::QUEUE.to_owned());
        name::queue(&queue)?;
        let priority = self.policy.default_priority();
        if priority > LAST_PRIORITY {
            return Err(JobsError::Priority { kind: kind.to_owned(), priority });
        }
        let unique = match self.unique {
            Some((key, period)) => Some((name::unique_key(kind, &key)?, micros(period))),
            None => None,
        };
        let payload = serde_json::to_string(&self.job)
            .map_err(|source| JobsError::Payload { kind: kind.to_owned(), source })?;
        let (bytes, max) = (payload.len(), self.policy.payload_limit());
        if bytes > max {
            return Err(JobsError::PayloadTooLarge { kind: kind.to_owned(), bytes, max });
        }
        Ok(NewJob {
            queue,
            kind,
            payload,
            priority,
            max_attempts: self.policy.attempts(),
            delay: micros(self.delay),
            run_at: self.run_at.map(|time| time.timestamp_micros()),
            unique,
            carried: Carried::default(),
        })
    }
}

/// Stores a job in the caller's transaction, as its kind's policy has it.
///
/// # Errors
///
/// As [`Enqueue::enqueue`].
pub async fn enqueue<J: Job>(conn: &mut Conn, job: J) -> Result<Enqueued, JobsError> {
    Enqueue::new(job).enqueue(conn).await
}

/// Stores jobs in the caller's transaction, a statement for every thousand, and tells in their order what became of
/// each. For jobs with more than their policy, give [`Enqueue`]s.
///
/// # Errors
///
/// As [`Enqueue::enqueue`]; then none is stored, if the transaction is rolled back.
pub async fn enqueue_many<J: Job>(
    conn: &mut Conn,
    jobs: impl IntoIterator<Item = impl Into<Enqueue<J>>>,
) -> Result<Vec<Enqueued>, JobsError> {
    let rows: Vec<_> = jobs.into_iter().map(|job| job.into().into_row()).collect::<Result<_, _>>()?;
    send::<J>(conn, rows).await
}

/// Stores jobs with the context of the span that their enqueue is, and tells those who wait for some.
async fn send<J: Job>(conn: &mut Conn, mut rows: Vec<NewJob>) -> Result<Vec<Enqueued>, JobsError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let queue = first.queue.clone();
    let cx = messaging::producer(conn, J::NAME, &queue, rows.len());
    let carried = Carried::capture(&cx, J::policy().baggage_keys());
    for row in &mut rows {
        row.carried = carried.clone();
        if row.queue != queue {
            conn.announce(CHANNEL, row.queue.clone());
        }
    }
    conn.announce(CHANNEL, queue);
    store::insert(conn, &rows).with_context(cx).await
}

impl<J: Job> From<J> for Enqueue<J> {
    fn from(job: J) -> Self {
        Self::new(job)
    }
}
