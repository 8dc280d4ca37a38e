use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Problem;
use super::limits::Limits;
use super::objects::Objects;
use super::problem::{broken_body, plain, slow_body};

/// A JSON body, in and out.
///
/// In: the type must be `application/json` (or `…+json`) without a content encoding, else 415; larger than `server.max_body_bytes` is 413;
/// slower than `server.body_timeout` is 408; text that is no JSON, or nested deeper than 128, is 400; more values than
/// `server.max_json_values` are 413; JSON that does not fit the type is 422 with the path of the field. Nothing is read
/// past the limit.
///
/// Out: 200 with the value as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> Json<T> {
    /// Reads a text as the body of a request is read.
    ///
    /// # Errors
    ///
    /// 400 for a text that is no JSON, and 422 with the path of the field for JSON that does not fit.
    pub fn from_slice(text: &[u8]) -> Result<Self, Problem> {
        parse(text).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json_body(request, payload);
        Box::pin(async move { parse(&body.await?).map(Self) })
    }
}

/// The body of a request that says that it is JSON, as it came.
pub(crate) fn json_body(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let acceptable = is_json(request);
    let limits = Limits::of(request);
    let mut payload = payload.take();
    async move {
        if !acceptable {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")
                .detail("send the body with `Content-Type: application/json` and no `Content-Encoding`"));
        }
        let body = read(&mut payload).await.map_err(|error| unreadable(&error, &limits))?;
        if has_more_values(&body, limits.max_json_values) {
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large")
                .detail(format!("the body has more than {} values", limits.max_json_values)));
        }
        Ok(body)
    }
}

impl<T: Serialize> Responder for Json<T> {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        match serde_json::to_vec(&self.0) {
            Ok(body) => HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(body),
            Err(error) => HttpResponse::from_error(Problem::internal(error)),
        }
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return false;
    }
    value
        .parse::<mime::Mime>()
        .is_ok_and(|mime| mime.subtype() == mime::JSON || mime.suffix() == Some(mime::JSON))
}

/// The limits themselves are on the payload, see [`limits`](super::limits).
async fn read(payload: &mut Payload) -> Result<Bytes, PayloadError> {
    let Some(first) = payload.next().await.transpose()? else { return Ok(Bytes::new()) };
    let Some(second) = payload.next().await.transpose()? else { return Ok(first) };
    let mut body = BytesMut::with_capacity((first.len() + second.len()) * 2);
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(chunk) = payload.next().await.transpose()? {
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unreadable(error: &PayloadError, limits: &Limits) -> Problem {
    match error {
        PayloadError::Overflow => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large")
            .detail(format!("the body is larger than {} bytes", limits.max_body_bytes)),
        PayloadError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => slow_body(),
        PayloadError::Incomplete(_) | PayloadError::EncodingCorrupted => broken_body(),
        error => Problem::bad_request(format!("the body could not be read: {error}")),
    }
}

/// Whether a text of JSON has more values than `most`. Each takes two bytes with the comma before the next, so that a
/// short text is not looked at.
fn has_more_values(body: &[u8], most: usize) -> bool {
    if body.len() / 2 <= most {
        return false;
    }
    let (mut commas, mut quoted, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => commas += 1,
            _ => {}
        }
    }
    commas >= most
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::bad_request("the body is empty: JSON is expected"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(Objects(&mut json)).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => Problem::invalid(field(path, &inner), message(&inner)),
            _ => Problem::bad_request(format!("the body is no JSON: {inner}")),
        }
    })?;
    json.end().map_err(|error| Problem::bad_request(format!("the body is no JSON: {error}")))?;
    Ok(value)
}

/// serde names a missing or an unknown field only in its message, and its path is that of the object around it.
fn field(path: String, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    match (named, path.as_str()) {
        (Some(name), ".") => name.to_owned(),
        (Some(name), around) if !around.ends_with(name) => format!("{around}.{name}"),
        (None, ".") => "body".to_owned(),
        _ => path,
    }
}

/// The message without serde_json's ` at line 1 column 7`, which the field's name replaces.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    plain(text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its parsing is looked at")]
    struct Order {
        name: String,
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its parsing is looked at")]
    struct Line {
        quantity: u32,
    }

    #[test]
    fn values_are_counted_wherever_they_stand() {
        for (text, count) in [
            (&b"[1,2,3]"[..], 3),
            (br#"[1,2,3,[4,5]]"#, 5),
            (br#"{"a":"1,2\",3","b":[]}"#, 2),
            (br#"["\\",","]"#, 2),
        ] {
            let shown = String::from_utf8_lossy(text);
            assert!(!has_more_values(text, count), "{shown}");
            assert!(has_more_values(text, count - 1), "{shown}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse::<serde_json::Value>(nested(127).as_bytes()).is_ok());
        assert_eq!(parse::<serde_json::Value>(nested(129).as_bytes()).unwrap_err().status(), 400);
        assert_eq!(parse::<serde_json::Value>(nested(500_000).as_bytes()).unwrap_err().status(), 400);
    }

    #[test]
    fn the_field_that_does_not_fit_is_named() {
        for (body, status, field) in [
            (r#"{"name":1,"lines":[]}"#, 422, Some("name")),
            (r#"{"lines":[]}"#, 422, Some("name")),
            (r#"{"name":"a","lines":[],"extra":1}"#, 422, Some("extra")),
            (r#"{"name":"a","lines":[{"quantity":1},{"quantity":-1}]}"#, 422, Some("lines[1].quantity")),
            (r#"{"name":"a","lines":[{}]}"#, 422, Some("lines[0].quantity")),
            (r#"{"name":"a","name":"b","lines":[]}"#, 422, Some("name")),
            (r#"[]"#, 422, Some("body")),
            (r#"["a",[]]"#, 422, Some("body")),
            (r#"{"name":"#, 400, None),
            (r#"{"name":"a","lines":[]} x"#, 400, None),
            ("", 400, None),
        ] {
            let problem = parse::<Order>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{body}: {problem}");
            assert_eq!(
                problem.errors().first().map(|error| error.field.as_str()),
                field,
                "{body}: {problem}"
            );
        }
    }
}
