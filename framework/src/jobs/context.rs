use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::failure::JobError;
use super::store::{self, Held, Leased};
use crate::data::{Conn, Db};

/// What a run knows of its job, and how it ends it in a transaction of its own. Cheap to clone.
///
/// ```no_run
/// # use diesel_async::RunQueryDsl as _;
/// # use spanbox::data::{Conn, query};
/// # use spanbox::jobs::{JobContext, JobError};
/// # async fn run(ctx: JobContext) -> Result<(), JobError> {
/// let db = ctx.db().clone();
/// db.write(async move |conn: &mut Conn| -> Result<(), JobError> {
///     let sql = "UPDATE orders SET status = 'paid' WHERE id = 1";
///     query!(conn, c => diesel::sql_query(sql).execute(c).await)?;
///     ctx.complete_in(conn).await
/// })
/// .await
/// # }
/// ```
#[derive(Clone)]
pub struct JobContext {
    run: Arc<Run>,
}

struct Run {
    held: Held,
    attempt: u32,
    max_attempts: u32,
    db: Db,
    lease: Duration,
    deadline: Option<Instant>,
    cancelled: watch::Receiver<Option<Cancelled>>,
    settled: Arc<AtomicBool>,
}

/// Why a run should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// Somebody asked for the job to be cancelled: unless it completes, it will be, whatever its end.
    Requested,
    /// The lease was lost, so another worker may have the job: nothing of this run counts any more.
    LeaseLost,
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "it was asked to be cancelled",
            Self::LeaseLost => "its lease was lost to another worker",
        })
    }
}

/// A job's lease as its worker has it.
pub(super) struct Terms {
    /// For how long a heartbeat prolongs the lease.
    pub(super) lease: Duration,
    /// How long the run may take.
    pub(super) limit: Option<Duration>,
    pub(super) cancelled: watch::Receiver<Option<Cancelled>>,
    pub(super) settled: Arc<AtomicBool>,
}

impl JobContext {
    /// The context of the run that this lease is for, of a minute without a deadline: to call a job's
    /// [`run`](super::Job::run) oneself, as a test may.
    #[must_use]
    pub fn new(leased: &Leased, db: &Db) -> Self {
        let (_, cancelled) = watch::channel(None);
        let lease = Duration::from_secs(60);
        Self::on_terms(leased, db, Terms { lease, limit: None, cancelled, settled: Arc::default() })
    }

    /// The context of a run that begins now.
    pub(super) fn on_terms(leased: &Leased, db: &Db, terms: Terms) -> Self {
        let Terms { lease, limit, cancelled, settled } = terms;
        let run = Run {
            held: leased.held(),
            attempt: leased.attempt,
            max_attempts: leased.max_attempts,
            db: db.clone(),
            lease,
            deadline: limit.and_then(|limit| Instant::now().checked_add(limit)),
            cancelled,
            settled,
        };
        Self { run: Arc::new(run) }
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.run.held.id
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.run.attempt
    }

    /// How many there are at most.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.run.max_attempts
    }

    /// The database that the job is kept in.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.run.db
    }

    /// When this run is ended by its policy's timeout: it is dropped at its next `await`, and the job is tried again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.run.deadline
    }

    /// Why this run should end, if it should. It is dropped a few seconds after, at its next `await`.
    #[must_use]
    pub fn cancellation(&self) -> Option<Cancelled> {
        *self.run.cancelled.borrow()
    }

    /// Waits until this run should end, which may be never.
    pub async fn cancelled(&self) -> Cancelled {
        let mut cancelled = self.run.cancelled.clone();
        let told = cancelled.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match told {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Prolongs the lease and asks the database whether it is still held: before something that can not be undone and
    /// that the database knows nothing of. The lease is kept without it.
    ///
    /// # Errors
    ///
    /// [`JobError::lost_lease`] when another worker may have the job by now. And those of the database.
    pub async fn heartbeat(&self) -> Result<(), JobError> {
        let (held, lease) = (self.run.held, self.run.lease);
        let beats = self
            .run
            .db
            .write(async move |conn: &mut Conn| store::heartbeat(conn, &[held], lease).await)
            .await?;
        if beats.is_empty() { Err(JobError::lost_lease(held.id)) } else { Ok(()) }
    }

    /// Completes the job in the caller's transaction, so that it is completed if and only if what else the transaction
    /// holds takes place. Do it last: the job's row stays locked until the COMMIT.
    ///
    /// # Errors
    ///
    /// [`JobError::lost_lease`] when another worker may have the job by now: return it, so that the transaction rolls
    /// back. And those of the database.
    pub async fn complete_in(&self, conn: &mut Conn) -> Result<(), JobError> {
        let done = store::complete(conn, &[self.run.held]).await?;
        if done.is_empty() {
            return Err(JobError::lost_lease(self.run.held.id));
        }
        self.run.settled.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether [`complete_in`](Self::complete_in) went through; the transaction around it may have failed since.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.run.settled.load(Ordering::Acquire)
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("held", &self.run.held)
            .field("attempt", &self.run.attempt)
            .finish_non_exhaustive()
    }
}
