//! Smaller answers for clients that can read them.

use std::sync::LazyLock;

use actix_http::encoding::Encoder;
use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding, ETAG,
    Encoding, HeaderMap, HeaderValue, VARY,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

/// What is offered, the best first.
static OFFERED: LazyLock<[Encoding; 4]> =
    LazyLock::new(|| [Encoding::zstd(), Encoding::brotli(), Encoding::gzip(), Encoding::identity()]);

/// Which answers are compressed: of text, not too small, and such as nobody has thought about already.
///
/// Not HTML: a page holds its visitor's token against forged requests beside what somebody else made it show, and how
/// well the two compress together tells of the token (BREACH). Not what has a strong `ETag`, which names these bytes.
/// Not a stream of events, which would wait for more to compress.
pub(in crate::web) struct Compression {
    pub(super) from: u64,
}

impl Compression {
    pub(in crate::web) fn compress(&self, request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
        if !self.is_worth_it(&response) {
            return response;
        }
        let asked = request.headers().contains_key(ACCEPT_ENCODING);
        let accepted = if asked { request.get_header::<AcceptEncoding>() } else { None };
        match accepted.and_then(|accepted| accepted.negotiate(OFFERED.iter())) {
            Some(Encoding::Known(encoding)) if encoding != ContentEncoding::Identity => {
                response.map_body(|head, body| BoxBody::new(Encoder::response(encoding, head, body)))
            }
            _ => {
                // That it is not compressed depends on what was asked for as well.
                add_vary(response.headers_mut());
                response
            }
        }
    }

    fn is_worth_it(&self, response: &HttpResponse) -> bool {
        let large = match response.body().size() {
            BodySize::Sized(size) => size >= self.from,
            BodySize::Stream => true,
            BodySize::None => false,
        };
        let headers = response.headers();
        let strong = |etag: &HeaderValue| !etag.as_bytes().starts_with(b"W/");
        large
            && is_text(headers)
            && !headers.contains_key(CONTENT_ENCODING)
            && !headers.get(ETAG).is_some_and(strong)
            && !says(headers, "no-transform")
            && !matches!(response.status(), StatusCode::PARTIAL_CONTENT | StatusCode::SWITCHING_PROTOCOLS)
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let Some(is) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let is = is.split(';').next().unwrap_or_default().trim();
    match is.split_once('/') {
        Some(("text", kind)) => !matches!(kind, "html" | "event-stream"),
        Some(("application", kind)) => {
            matches!(kind, "json" | "javascript" | "xml" | "x-ndjson") || kind.ends_with("+json")
        }
        Some(("image", kind)) => kind == "svg+xml",
        _ => false,
    }
}

fn says(headers: &HeaderMap, word: &str) -> bool {
    headers
        .get_all(CACHE_CONTROL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|said| said.trim().eq_ignore_ascii_case(word))
}

/// Says once that the answer depends on `Accept-Encoding`.
fn add_vary(headers: &mut HeaderMap) {
    let said = headers
        .get_all(VARY)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == "*" || name.trim().eq_ignore_ascii_case("accept-encoding"));
    if !said {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}
