//! Requests that another site makes a browser send: a token that only our own pages know, and where the browser says
//! that a request comes from.

use std::future::{Ready, ready};

use actix_session::{Session, SessionExt as _};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use crate::ext::auth::{hash, random};
use crate::redact::Secret;
use crate::web::{Problem, parse_query};

/// The field of a form that holds the token.
pub const CSRF_FIELD: &str = "csrf_token";

/// The header that may hold it for a script.
const CSRF_HEADER: &str = "x-csrf-token";

/// Where the token is in the session.
const KEY: &str = "csrf";

/// The token of this session, for a hidden field [`CSRF_FIELD`] of each form. As the argument of a handler it is made
/// when there is none yet.
#[derive(Clone, Debug)]
pub struct CsrfToken(Secret<String>);

impl CsrfToken {
    /// The token, 64 hexadecimal digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Makes another token, as at a sign-in.
    pub(super) fn renew(session: &Session) -> Result<Self, Problem> {
        let token = random();
        session.insert(KEY, &token).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Self(Secret::new(token)))
    }

    fn of(session: &Session) -> Option<Self> {
        session.get::<String>(KEY).ok().flatten().map(|token| Self(Secret::new(token)))
    }

    /// Compared by hashes, so that the time that it takes tells nothing.
    fn is(&self, presented: &str) -> bool {
        hash(self.expose()) == hash(presented)
    }
}

impl FromRequest for CsrfToken {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let session = request.get_session();
        ready(Self::of(&session).map_or_else(|| Self::renew(&session), Ok))
    }
}

/// A form (`application/x-www-form-urlencoded`) of one of our own pages. It is 403 without the [`CsrfToken`] of its
/// session in [`CSRF_FIELD`], or from another site; 415 when it is something else; 400 when a field does not fit.
#[derive(Clone, Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let token = CsrfToken::of(&request.get_session());
        let elsewhere = origin(request.headers()) == Origin::Elsewhere;
        let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|value| {
            value.as_bytes().to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
        });
        let body = Bytes::from_request(request, payload);
        async move {
            if elsewhere {
                return Err(foreign());
            }
            if !is_form {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(Problem::new(status, "unsupported-media-type")
                    .detail("send the form as `application/x-www-form-urlencoded`"));
            }
            let body = body.await.map_err(|error| {
                let status = error.as_response_error().status_code();
                Problem::new(status, "unreadable-form").detail(error.to_string())
            })?;
            let mut presented = None;
            let mut rest = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in url::form_urlencoded::parse(&body) {
                if name == CSRF_FIELD {
                    presented = Some(value.into_owned());
                } else {
                    rest.append_pair(&name, &value);
                }
            }
            match (token, presented) {
                (Some(token), Some(presented)) if token.is(&presented) => {}
                _ => return Err(no_token()),
            }
            parse_query(&rest.finish()).map(Self)
        }
        .boxed_local()
    }
}

/// Where a browser says that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Here,
    Elsewhere,
    /// It does not say, or there is no browser.
    Untold,
}

/// By `Sec-Fetch-Site`, which no script can set, or else by `Origin`.
fn origin(headers: &HeaderMap) -> Origin {
    if let Some(site) = headers.get("sec-fetch-site") {
        // `none`: the person typed the address, or opened a bookmark.
        return if site == "same-origin" || site == "none" { Origin::Here } else { Origin::Elsewhere };
    }
    let Some(origin) = headers.get(ORIGIN) else { return Origin::Untold };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Origin::Here,
        _ => Origin::Elsewhere,
    }
}

/// Whether a request that changes something, and that is from somebody by a cookie alone, may do so.
pub(super) fn check(request: &HttpRequest, session: &Session) -> Result<(), Problem> {
    if request.method().is_safe() {
        return Ok(());
    }
    match origin(request.headers()) {
        Origin::Here => Ok(()),
        Origin::Elsewhere => Err(foreign()),
        Origin::Untold => {
            let presented = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok());
            match (CsrfToken::of(session), presented) {
                (Some(token), Some(presented)) if token.is(presented) => Ok(()),
                _ => Err(no_token()),
            }
        }
    }
}

fn foreign() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "cross-site-request")
        .detail("the request comes from another site, which may not act for who is signed in here")
}

fn no_token() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "csrf-token")
        .detail("the form is not one of this session: load the page again, and send it once more")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_browser_says_where_a_request_comes_from() {
        for (headers, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], Origin::Here),
            (&[("sec-fetch-site", "none")], Origin::Here),
            (&[("sec-fetch-site", "same-site")], Origin::Elsewhere),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://shop.example")], Origin::Elsewhere),
            (&[("origin", "https://shop.example")], Origin::Here),
            (&[("origin", "https://SHOP.example")], Origin::Here),
            (&[("origin", "https://shop.example:8443")], Origin::Elsewhere),
            (&[("origin", "https://shop.example.evil.example")], Origin::Elsewhere),
            (&[("origin", "null")], Origin::Elsewhere),
            (&[], Origin::Untold),
        ] {
            let mut request = TestRequest::default().insert_header((HOST, "shop.example"));
            for header in headers {
                request = request.insert_header(*header);
            }
            assert_eq!(origin(request.to_http_request().headers()), expected, "{headers:?}");
        }
    }
}
