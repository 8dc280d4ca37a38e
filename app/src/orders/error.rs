use spanbox::data::DbError;
use spanbox::jobs::JobsError;
use spanbox::web::{PreconditionFailed, Problem};

use super::status::Status;

/// What can go wrong with an order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("there is no order {0}")]
    NotFound(i64),
    #[error("order {id} is {from} and can not become {to}", from = .from.as_str(), to = .to.as_str())]
    IllegalStep { id: i64, from: Status, to: Status },
    #[error("order {id} is {status}: only a pending order can be changed", status = .status.as_str())]
    NotPending { id: i64, status: Status },
    #[error(transparent)]
    Precondition(#[from] PreconditionFailed),
    #[error("what was sent does not fit: {0}")]
    Refused(Problem),
    #[error("an answer could not be written: {0}")]
    Answer(String),
    #[error("order {0} is being processed; it can be deleted when it has ended")]
    InProcess(i64),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Jobs(JobsError),
}

impl OrderError {
    pub(super) fn broken(error: impl ToString) -> Self {
        Self::Answer(error.to_string())
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound(_) => Self::not_found(error.to_string()),
            OrderError::IllegalStep { .. } | OrderError::NotPending { .. } | OrderError::InProcess(_) => {
                Self::conflict(error.to_string())
            }
            OrderError::Precondition(failed) => failed.into(),
            OrderError::Refused(problem) => problem,
            OrderError::Answer(error) => Self::internal(error),
            OrderError::Database(error) => error.into(),
            OrderError::Jobs(error) => Self::internal(error),
        }
    }
}

/// A failure of the database is one, whoever meets it.
impl From<JobsError> for OrderError {
    fn from(error: JobsError) -> Self {
        match error {
            JobsError::Db(error) => Self::Database(error),
            error => Self::Jobs(error),
        }
    }
}
