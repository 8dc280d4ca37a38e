use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How a job's run failed, and what is to become of the job.
///
/// Any error turns into one by `?`, and then the job is tried again after its [`Backoff`](super::Backoff), as long as
/// it has attempts left. So that this can be, it is no `std::error::Error` itself.
///
/// ```
/// use spanbox::jobs::JobError;
///
/// fn parse(amount: &str) -> Result<i64, JobError> {
///     amount.parse().map_err(JobError::give_up)
/// }
/// assert_eq!(parse("7").unwrap(), 7);
/// assert!(parse("seven").unwrap_err().gives_up());
/// ```
pub struct JobError {
    next: Next,
    cause: Box<dyn Error + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Retry,
    RetryIn(Duration),
    GiveUp,
    LostLease,
}

impl JobError {
    /// The job is tried again after its policy's backoff.
    pub fn retry(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { next: Next::Retry, cause: cause.into() }
    }

    /// The job is tried again after `delay`, e.g. what a `Retry-After` said.
    pub fn retry_in(delay: Duration, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { next: Next::RetryIn(delay), cause: cause.into() }
    }

    /// Trying again is of no use: the job becomes a dead letter.
    pub fn give_up(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { next: Next::GiveUp, cause: cause.into() }
    }

    /// The lease was lost, so another worker may have the job: nothing of this run may count. The transaction in which
    /// this comes up must be rolled back, which returning it from the unit of work does.
    #[must_use]
    pub fn lost_lease(id: i64) -> Self {
        Self {
            next: Next::LostLease,
            cause: format!("the lease of job {id} was lost to another worker").into(),
        }
    }

    /// Whether the job is not to be tried again.
    #[must_use]
    pub fn gives_up(&self) -> bool {
        self.next == Next::GiveUp
    }

    /// Whether another worker may have the job.
    #[must_use]
    pub fn is_lost_lease(&self) -> bool {
        self.next == Next::LostLease
    }

    /// The delay that the error asks for.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        if let Next::RetryIn(delay) = self.next { Some(delay) } else { None }
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.cause.as_ref()
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// The cause and its causes, in one line.
impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.cause.to_string();
        f.write_str(&shown)?;
        let mut cause = self.cause.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors show their source themselves.
            if !shown.contains(&text) {
                write!(f, ": {text}")?;
            }
            shown = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobError").field("next", &self.next).field("cause", &self.cause).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_is_one_to_try_again() {
        fn run() -> Result<(), JobError> {
            Err(std::io::Error::other("refused"))?;
            Ok(())
        }
        let error = run().unwrap_err();
        assert!(!error.gives_up() && !error.is_lost_lease() && error.delay().is_none());
        assert_eq!(error.to_string(), "refused");
    }

    #[test]
    fn each_kind_says_what_is_next() {
        assert_eq!(JobError::retry_in(Duration::from_secs(3), "busy").delay(), Some(Duration::from_secs(3)));
        assert!(JobError::give_up("no such order").gives_up());
        assert!(JobError::lost_lease(4).is_lost_lease());
    }
}
