use std::time::Duration;

use actix_web::http::StatusCode;

/// Why a request to another service has no answer that is of use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL is none, or one that must not be asked.
    #[error("a request can not be sent to this URL: it {reason}")]
    Url {
        /// What is wrong with it; never the URL, which may hold a secret.
        reason: String,
    },
    /// What was to be sent is no request.
    #[error("a request to {server} can not be made: {reason}")]
    Request {
        /// Whom it was for.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no upstream of that name, or it has no address.
    #[error("there is no upstream `{name}`: {hint}")]
    UnknownUpstream {
        /// The name that was asked for.
        name: String,
        /// What to do.
        hint: String,
    },
    /// A URL of a user's leads to an address that is not public.
    #[error("{host} leads to {what}, and what users name may lead to public addresses only")]
    AddressRefused {
        /// The host of the URL.
        host: String,
        /// The addresses, as far as they are known.
        what: String,
    },
    /// The upstream has failed too often: it was not asked.
    #[error(
        "`{upstream}` was not asked: it failed again and again, so it is left alone for now; the next request may be sent \
         in {retry_in:?}"
    )]
    CircuitOpen {
        /// The upstream.
        upstream: String,
        /// When one request finds out whether it is back.
        retry_in: Duration,
    },
    /// There is no connection, so nothing was sent.
    #[error("{server} could not be reached, so nothing was sent: {reason}")]
    Connect {
        /// Host and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The time was over.
    #[error(
        "{server} did not answer within {within:?}: whether it has done what it was asked for is not known"
    )]
    Timeout {
        /// Host and port.
        server: String,
        /// The time that the request had in all.
        within: Duration,
    },
    /// The connection broke before there was an answer.
    #[error("{server} did not answer ({reason}): whether it has done what it was asked for is not known")]
    NoAnswer {
        /// Host and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection broke in the middle of the answer.
    #[error("the answer of {server} (status {status}) was cut off after {received} bytes: {reason}")]
    CutOff {
        /// Host and port.
        server: String,
        /// The status that it began with.
        status: StatusCode,
        /// How much of the body there was.
        received: usize,
        /// What went wrong.
        reason: String,
    },
    /// The answer is longer than it may be.
    #[error("the answer of {server} is longer than the {limit} bytes of max_response_bytes")]
    TooLarge {
        /// Host and port.
        server: String,
        /// How long it may be.
        limit: usize,
    },
    /// The answer sends elsewhere, and nobody is followed.
    #[error(
        "{server} answered {status} and sends to {to}: redirects are not followed, so ask there if that is meant"
    )]
    Redirect {
        /// Host and port.
        server: String,
        /// The status.
        status: StatusCode,
        /// The host it sends to.
        to: String,
    },
    /// The answer is no success, see [`Response::success`](super::Response::success).
    #[error("{server} answered {status}")]
    Status {
        /// Host and port.
        server: String,
        /// The status.
        status: StatusCode,
    },
    /// The body is not what it should be.
    #[error("the answer of {server} is not what was expected: {reason}")]
    Body {
        /// Host and port.
        server: String,
        /// What is wrong, without what it says.
        reason: String,
    },
    /// The client itself can not be made.
    #[error("the HTTP client can not be made: {0}")]
    Setup(String),
}

impl ClientError {
    /// Whether nothing was sent: what was asked for has not happened, and asking again is safe.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        matches!(
            self,
            Self::Url { .. }
                | Self::Request { .. }
                | Self::UnknownUpstream { .. }
                | Self::AddressRefused { .. }
                | Self::CircuitOpen { .. }
                | Self::Connect { .. }
                | Self::Setup(_)
        )
    }

    /// Whether the other side failed, not the request: what a circuit breaker counts.
    pub(super) const fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Timeout { .. } | Self::NoAnswer { .. } | Self::CutOff { .. }
        )
    }

    /// `error.type` of a span.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Request { .. } => "request",
            Self::UnknownUpstream { .. } => "unknown_upstream",
            Self::AddressRefused { .. } => "address_refused",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::NoAnswer { .. } => "no_answer",
            Self::CutOff { .. } => "cut_off",
            Self::TooLarge { .. } => "too_large",
            Self::Redirect { .. } => "redirect",
            Self::Status { .. } => "status",
            Self::Body { .. } => "body",
            Self::Setup(_) => "setup",
        }
    }
}
