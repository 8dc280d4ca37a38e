use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use spanbox::data::DbError;
use spanbox::ext::auth::{PasswordError, SignError};
use spanbox::web::Problem;

/// The kinds of problems that are this module's own: slug, status, and what they say.
pub(crate) const PROBLEMS: [(&str, u16, &str); 3] = [
    (
        "bad-credentials",
        401,
        "The e-mail address and the password do not belong together, or the account is disabled.",
    ),
    ("bad-refresh-token", 401, "The refresh token is good for nothing (any more): sign in again."),
    ("too-many-failures", 429, "Too many passwords were wrong; `Retry-After`."),
];

/// What can go wrong with an account.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountError {
    /// The same for an account that is not there, one that is disabled, and another password.
    #[error("this e-mail address and this password do not belong together")]
    Credentials,
    #[error("there were too many failures: try again in {0:?}")]
    TooMany(Duration),
    #[error("the refresh token is good for nothing (any more): sign in again")]
    RefreshToken,
    #[error("somebody has this e-mail address already")]
    Taken,
    #[error("there is no account {0}")]
    NotFound(i64),
    #[error("nobody can disable the own account")]
    Own,
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Sign(SignError),
}

impl From<SignError> for AccountError {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Database(error) => Self::Database(error),
            error => Self::Sign(error),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let unauthorised = |kind: &'static str| {
            let problem = Self::new(StatusCode::UNAUTHORIZED, kind).detail(error.to_string());
            problem.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        };
        match error {
            AccountError::Credentials => unauthorised("bad-credentials"),
            AccountError::RefreshToken => unauthorised("bad-refresh-token"),
            AccountError::TooMany(wait) => {
                // Rounded up: who comes back then is let in.
                let seconds = wait.as_secs() + 1;
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures")
                    .detail(format!("there were too many failures: try again in {seconds} s"))
                    .header(RETRY_AFTER, HeaderValue::from(seconds))
            }
            AccountError::Taken | AccountError::Own => Self::conflict(error.to_string()),
            AccountError::NotFound(_) => Self::not_found(error.to_string()),
            AccountError::Password(error) => error.into(),
            AccountError::Database(error) => error.into(),
            AccountError::Sign(error) => error.into(),
        }
    }
}
