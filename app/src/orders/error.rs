use spanbox::data::DbError;
use spanbox::jobs::JobsError;
use spanbox::web::Problem;

use super::status::Status;

/// What can go wrong with an order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("there is no order {0}")]
    NotFound(i64),
    #[error("order {id} is {from} and can not become {to}", from = .from.as_str(), to = .to.as_str())]
    IllegalStep { id: i64, from: Status, to: Status },
    #[error("order {0} is being processed; it can be deleted when it has ended")]
    InProcess(i64),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Jobs(JobsError),
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound(_) => Self::not_found(error.to_string()),
            OrderError::IllegalStep { .. } | OrderError::InProcess(_) => Self::conflict(error.to_string()),
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
