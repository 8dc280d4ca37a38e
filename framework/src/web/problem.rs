use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use serde::Serialize;

use crate::data::DbError;

/// As much as a text of a problem document holds.
const MAX_TEXT: usize = 200;

/// What stands before the slug in a problem's `type`.
const TYPE_PREFIX: &str = "urn:problem-type:spanbox:";

/// An error answer: a problem document (RFC 9457) for the client, and apart from it the cause, which only the
/// trace and the log see.
///
/// Handlers answer `Result<_, Problem>`; the error type of a part of a service converts into it in one place. An
/// error that nobody converted is a 500 that tells the client nothing but the trace id.
///
/// ```
/// use actix_web::http::StatusCode;
/// use spanbox::web::Problem;
///
/// let problem = Problem::new(StatusCode::CONFLICT, "illegal-transition")
///     .detail("a completed order can not be cancelled")
///     .cause(std::io::Error::other("order 7 is completed"));
/// assert_eq!(problem.to_string(), "409 illegal-transition: a completed order can not be cancelled");
/// ```
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// One input that is wrong: where it stands and what is expected.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The name of the field, or its path as in `lines[0].quantity`.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of a kind: a short slug that stays the same from release to release, e.g. `out-of-stock`.
    pub fn new(status: StatusCode, kind: impl Into<Cow<'static, str>>) -> Self {
        Self { status, kind: kind.into(), detail: None, errors: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// 400: the request can not be understood.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request").detail(detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found").detail(detail)
    }

    /// 409: not in this state.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict").detail(detail)
    }

    /// 422: understood, and one field is not acceptable.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid").field(field, detail)
    }

    /// 500: our fault. The client learns nothing of the cause.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal").cause(cause)
    }

    /// What went wrong this time, for the client to read. Default: nothing beyond the title. It is cut at 200
    /// characters: it may hold what the client sent.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(match detail.into() {
            Cow::Owned(detail) => Cow::Owned(cut(detail)),
            fixed => fixed,
        });
        self
    }

    /// Adds an input that is wrong. Default: none. Both texts are cut at 200 characters: they may hold what the
    /// client sent.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { field: cut(field.into()), detail: cut(detail.into()) });
        self
    }

    /// Adds a header to the answer, e.g. `Retry-After`. Default: none.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Why, for the trace alone, and for the log when it is a 5xx. Default: nothing.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The slug of its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) const fn has_cause(&self) -> bool {
        self.cause.is_some()
    }

    pub(super) fn public_detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The inputs that are wrong.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

/// The document as it goes over the wire.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let document = Document {
            r#type: problem_type(&self.kind),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.as_deref(),
            errors: &self.errors,
            trace_id: current_trace_id(),
        };
        // A struct of strings and numbers always serialises.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = HttpResponse::build(self.status);
        response.insert_header((actix_web::http::header::CONTENT_TYPE, "application/problem+json"));
        for header in &self.headers {
            response.append_header(header.clone());
        }
        response.body(body)
    }
}

/// The `type` of a kind of problem.
pub(crate) fn problem_type(kind: &str) -> String {
    format!("{TYPE_PREFIX}{kind}")
}

fn current_trace_id() -> Option<String> {
    Context::map_current(|cx| {
        let span = cx.span();
        let span_context = span.span_context();
        span_context.is_valid().then(|| span_context.trace_id().to_string())
    })
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.kind)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        for error in &self.errors {
            write!(f, "; {}: {}", error.field, error.detail)?;
        }
        Ok(())
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Any failure of the database is ours, and most pass: 503 when it could not be reached or had no connection free,
/// 500 otherwise.
impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if error.is_unavailable() {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "database-unavailable")
                .detail("the database can not be reached at the moment; try again")
                .header(actix_web::http::header::RETRY_AFTER, HeaderValue::from_static("1"))
                .cause(error)
        } else {
            Self::internal(error)
        }
    }
}

/// Turns an error of actix or of another library, which knows nothing of problem documents, into one. `None` when
/// the error came with an answer of its own, which its author meant to be sent.
///
/// A 4xx keeps its text, since it is about the client's own input; anything else says only its status.
pub(super) fn from_foreign(error: &actix_web::Error, answered: StatusCode) -> Option<Problem> {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Io(cause)) if cause.kind() == std::io::ErrorKind::TimedOut => {
            return Some(slow_body());
        }
        Some(PayloadError::Incomplete(_) | PayloadError::EncodingCorrupted) => return Some(broken_body()),
        _ => {}
    }
    let status = error.as_response_error().status_code();
    // Asked again for its status, an error that was made of an answer knows only 500.
    if status != answered {
        return None;
    }
    let problem = Problem::new(status, kind_of(status));
    Some(if status.is_client_error() {
        problem.detail(error.to_string())
    } else {
        problem.cause(error.to_string())
    })
}

/// 400: what came of the body is not all of it.
pub(super) fn broken_body() -> Problem {
    Problem::bad_request("the body ends before it is whole, or its chunks can not be read")
}

/// 408: the body did not arrive within `server.body_timeout`.
pub(super) fn slow_body() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout").detail("the body did not arrive in time")
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What serde and the standard library say to programmers, in words for a client.
pub(super) fn plain(text: &str) -> String {
    if text.contains("invalid digit found in string")
        || text.contains("cannot parse integer from empty string")
        || [" to a i", " to a u"].iter().any(|end| text.contains(end))
    {
        return "must be a whole number".to_owned();
    }
    if text.contains("number too large to fit") || text.contains("number too small to fit") {
        return "is out of range".to_owned();
    }
    if let Some((_, expected)) =
        text.split_once("`, expected ").filter(|_| text.starts_with("unknown variant `"))
    {
        return format!("must be {}", expected.replace('`', ""));
    }
    if let Some((found, _)) = text.split_once(", expected struct ") {
        return format!("{found}, expected an object");
    }
    text.to_owned()
}

/// The slug of a status that has no story of its own.
pub(super) fn kind_of(status: StatusCode) -> Cow<'static, str> {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => Cow::Borrowed("internal"),
        status => match status.canonical_reason() {
            Some(reason) => Cow::Owned(reason.to_ascii_lowercase().replace([' ', '\''], "-")),
            None => Cow::Borrowed("error"),
        },
    }
}

/// Whether an answer is already a problem document.
pub(super) fn is_problem(response: &HttpResponse<BoxBody>) -> bool {
    response
        .headers()
        .get(actix_web::http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/problem+json"))
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use serde_json::json;

    use super::*;

    async fn body(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&to_bytes(problem.error_response().into_body()).await.unwrap()).unwrap()
    }

    #[actix::test]
    async fn the_document_names_the_field_and_hides_the_cause() {
        let problem =
            Problem::invalid("amount", "has three decimals").cause(std::io::Error::other("hunter2"));
        assert_eq!(
            body(&problem).await,
            json!({
                "type": "urn:problem-type:spanbox:invalid",
                "title": "Unprocessable Entity",
                "status": 422,
                "errors": [{ "field": "amount", "detail": "has three decimals" }],
            })
        );
        assert_eq!(problem.source().unwrap().to_string(), "hunter2");
    }

    #[test]
    fn texts_of_libraries_become_words_for_clients_and_are_cut() {
        for (text, words) in [
            ("can not parse \"x\" to a i64", "must be a whole number"),
            ("invalid digit found in string", "must be a whole number"),
            ("unknown variant `x`, expected `a` or `b`", "must be a or b"),
            (
                "invalid type: sequence, expected struct OrderDraft",
                "invalid type: sequence, expected an object",
            ),
            ("missing field `a`", "missing field `a`"),
        ] {
            assert_eq!(plain(text), words);
        }
        let problem = Problem::invalid("é".repeat(1000), "x".repeat(1000));
        assert_eq!(problem.errors()[0].field.chars().count(), MAX_TEXT + 1);
    }

    #[actix::test]
    async fn a_foreign_server_error_says_only_its_status() {
        let error = actix_web::error::ErrorInternalServerError("secret detail");
        let document = body(&from_foreign(&error, StatusCode::INTERNAL_SERVER_ERROR).unwrap()).await;
        assert_eq!(document["status"], 500);
        assert!(!document.to_string().contains("secret"));
    }
}
