//! Requests that no handler should see.

use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, HOST, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};

use crate::web::Problem;
use crate::web::request::Target;

/// What a request's own line and its `Host` do not agree on.
const UNSOUND: &str = "the target of the request is another host than its `Host` header";

pub(super) fn check(request: &HttpRequest, target: &Target) -> Result<(), Problem> {
    // TRACE answers with the request, credentials and all; CONNECT makes a proxy of a server.
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        let allow = match target {
            Target::Route(route) => HeaderValue::from_str(&route.allow).ok(),
            Target::Mount(_) | Target::Nothing => None,
        };
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed")
            .detail("this service answers neither TRACE nor CONNECT")
            .header(ALLOW, allow.unwrap_or_else(|| HeaderValue::from_static("GET, HEAD"))));
    }
    // Some extractors of actix unpack a body, a whole chunk at a time, before anything looks at its size.
    if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")
            .detail("send the body without `Content-Encoding`: nothing is unpacked here")
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    if is_unsound(request) { Err(Problem::bad_request(UNSOUND)) } else { Ok(()) }
}

/// Whoever sends an unsound request hopes that two servers read it differently: nothing else is read from there. Nor is
/// what is left of a body that is too slow or too large.
pub(super) fn close(request: &HttpRequest, response: &mut HttpResponse) {
    let unread = matches!(response.status(), StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE);
    if unread || is_unsound(request) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// Whether the authority of an absolute target (RFC 9112, section 3.2.2; in HTTP/2, `:authority`) and `Host` differ.
fn is_unsound(request: &HttpRequest) -> bool {
    let (Some(authority), Some(host)) = (request.uri().authority(), request.headers().get(HOST)) else {
        return false;
    };
    !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
}
