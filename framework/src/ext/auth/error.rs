use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::data::DbError;
use crate::web::Problem;

/// What is wrong with a token. Nothing of the token is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The header `Authorization` is something else.
    #[error("the request is not authorised by `Authorization: Bearer …`")]
    NotBearer,
    /// It is no access token of this service.
    #[error("the access token is not one of this service")]
    Malformed,
    /// Its header names no key that is accepted.
    #[error("the access token is signed with a key that is not accepted")]
    UnknownKey,
    /// Its signature is not that of its key, or not by the key's algorithm.
    #[error("the signature of the access token is not valid")]
    Signature,
    /// It was issued by or for somebody else.
    #[error("the access token is not meant for this service")]
    Foreign,
    /// Its time is over.
    #[error("the access token has expired: refresh it")]
    Expired,
    /// Its time has not come.
    #[error("the access token is not valid yet: look at the clock")]
    NotYet,
    /// Its session has ended: a sign-out, another password, a user who was locked out.
    #[error("the session of the access token has ended: sign in again")]
    Revoked,
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let challenge = format!(r#"Bearer error="invalid_token", error_description="{error}""#);
        let challenge =
            HeaderValue::from_str(&challenge).unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        Self::new(StatusCode::UNAUTHORIZED, "invalid-token")
            .detail(error.to_string())
            .header(WWW_AUTHENTICATE, challenge)
    }
}

/// Why a password was not hashed or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// As many as may wait do already.
    #[error("{waiting} passwords wait already to be hashed (auth.password.waiting)")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// What is stored is no hash of argon2id, or argon2 refused to work.
    #[error("the password could not be hashed or compared: {0}")]
    Argon2(String),
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy")
                .detail("too many sign in at the moment; try again")
                .header(RETRY_AFTER, HeaderValue::from_static("1"))
                .cause(error),
            error => Self::internal(error),
        }
    }
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The access token could not be signed.
    #[error("an access token could not be signed: {0}")]
    Sign(String),
    /// The session could not be stored.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<SignError> for Problem {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Database(error) => error.into(),
            error => Self::internal(error),
        }
    }
}
