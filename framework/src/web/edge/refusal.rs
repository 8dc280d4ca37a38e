//! Requests that no handler should see.

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use crate::web::Problem;
use crate::web::host::Host;
use crate::web::request::Target;

/// What a request's own line and its `Host` do not agree on.
const ANOTHER_HOST: &str = "the target of the request is another host than its `Host` header";
const NO_HOST: &str = "the `Host` header names no host";

pub(super) fn check(request: &ServiceRequest, target: &Target) -> Result<(), Problem> {
    let (request, payload) = request.parts();
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
    let encoding = || request.headers().get(CONTENT_ENCODING);
    if !matches!(payload, Payload::None) && encoding().is_some_and(|encoding| encoding != "identity") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type")
            .detail("send the body without `Content-Encoding`: nothing is unpacked here")
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    let noted = request.extensions().get::<Unsound>().map(|unsound| unsound.0);
    noted.map_or(Ok(()), |what| Err(Problem::bad_request(what)))
}

/// Whoever sends an unsound request hopes that two servers read it differently: nothing else is read from there. Nor is
/// what is left of a body that is too slow or too large.
pub(super) fn close(request: &HttpRequest, response: &mut HttpResponse) {
    let unread = matches!(response.status(), StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE);
    if unread || request.extensions().contains::<Unsound>() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// What is wrong with a request, on the request.
struct Unsound(&'static str);

/// Notes on a request what is wrong with it, for [`check`] and for [`close`], whoever answers it.
pub(super) fn note(request: &HttpRequest, host: Option<&Host>) {
    if let Some(what) = unsound(request, host) {
        request.extensions_mut().insert(Unsound(what));
    }
}

/// What is wrong with the host of a request (RFC 9112, sections 3.2 and 3.2.2): a `Host` that can be none, or another one than
/// that of an absolute target, in HTTP/2 of `:authority`. An empty one is right where there is no host.
fn unsound(request: &HttpRequest, host: Option<&Host>) -> Option<&'static str> {
    let host = host?;
    if !host.sound {
        return Some(NO_HOST);
    }
    let authority = request.uri().authority()?;
    (!authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())).then_some(ANOTHER_HOST)
}
