use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::JobError;
use super::store::{self, Held, Leased};
use crate::data::Conn;

/// What a run knows of its job, and how it ends it in a transaction of its own.
///
/// ```no_run
/// # use diesel_async::RunQueryDsl as _;
/// # use spanbox::data::{Conn, Db, query};
/// # use spanbox::jobs::{JobContext, JobError};
/// # async fn run(db: Db, ctx: JobContext) -> Result<(), JobError> {
/// db.write(async move |conn: &mut Conn| -> Result<(), JobError> {
///     let sql = "UPDATE orders SET status = 'paid' WHERE id = 1";
///     query!(conn, c => diesel::sql_query(sql).execute(c).await)?;
///     ctx.complete_in(conn).await
/// })
/// .await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct JobContext {
    held: Held,
    attempt: u32,
    max_attempts: u32,
    settled: Arc<AtomicBool>,
}

impl JobContext {
    /// The context of the run that this lease is for.
    #[must_use]
    pub fn new(leased: &Leased) -> Self {
        Self {
            held: leased.held(),
            attempt: leased.attempt,
            max_attempts: leased.max_attempts,
            settled: Arc::default(),
        }
    }

    /// The job's id.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.held.id
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many there are at most.
    #[must_use]
    pub const fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// Completes the job in the caller's transaction, so that it is completed if and only if what else the transaction
    /// holds takes place. Do it last: the job's row stays locked until the COMMIT.
    ///
    /// # Errors
    ///
    /// [`JobError::lost_lease`] when another worker may have the job by now: return it, so that the transaction rolls
    /// back. And those of the database.
    pub async fn complete_in(&self, conn: &mut Conn) -> Result<(), JobError> {
        let done = store::complete(conn, &[self.held]).await?;
        if done.is_empty() {
            return Err(JobError::lost_lease(self.held.id));
        }
        self.settled.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether [`complete_in`](Self::complete_in) went through; the transaction around it may have failed since.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }
}
