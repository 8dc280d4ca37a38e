//! What becomes of a request whose handler has asked an actor, and has no answer.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};

use crate::actor::AskError;
use crate::web::Problem;

/// An actor that can not keep up is 503, for the client to try again; whatever else is ours.
impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::MailboxFull | AskError::Timeout => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy")
                .detail("what the request needs is busy at the moment; try again")
                .header(RETRY_AFTER, HeaderValue::from_static("1"))
                .cause(error),
            error => Self::internal(error),
        }
    }
}
