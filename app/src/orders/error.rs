use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use spanbox::data::DbError;
use spanbox::web::Problem;

use super::status::Status;

/// What can go wrong with an order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("there is no order {0}")]
    NotFound(i64),
    #[error("order {id} is {from} and can not become {to}", from = .from.as_str(), to = .to.as_str())]
    IllegalStep { id: i64, from: Status, to: Status },
    #[error("too many orders wait to be processed; try again in a moment")]
    Backlog,
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound(_) => Self::not_found(error.to_string()),
            OrderError::IllegalStep { .. } => Self::conflict(error.to_string()),
            OrderError::Backlog => Self::new(StatusCode::SERVICE_UNAVAILABLE, "backlog")
                .detail(error.to_string())
                .header(RETRY_AFTER, HeaderValue::from_static("1")),
            OrderError::Database(error) => error.into(),
        }
    }
}
