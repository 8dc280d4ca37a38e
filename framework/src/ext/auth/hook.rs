//! Who a request is from, by its access token.

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use std::future::{Ready, ready};

use super::Auth;
use super::error::TokenError;
use super::tokens::Bearer;
use crate::data::DbError;
use crate::telemetry;
use crate::web::{Principal, Problem};

/// The session that a request belongs to, beside its [`Principal`]: what a sign-out ends.
///
/// As the argument of a handler it is 401 for a request without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    pub(in crate::ext) const fn new(id: String) -> Self {
        Self(id)
    }

    /// Its text, which is not secret: it is in the access token, and gives no access.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromRequest for SessionId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let found = request.extensions().get::<Self>().cloned();
        ready(match found {
            Some(session) => Ok(session),
            // In the words of who asks for the principal.
            None => Err(match Principal::from_request(request, payload).into_inner() {
                Err(problem) => problem,
                Ok(_) => Problem::bad_request("this request belongs to no session that could be ended"),
            }),
        })
    }
}

/// Looks at `Authorization` before a handler does. None is nobody; one that is no good token is refused.
pub(super) async fn authenticate(auth: Auth, request: HttpRequest) -> Result<(), Problem> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let bearer = match (values.next(), values.next()) {
        (None, _) => return Ok(()),
        (Some(_), Some(_)) => return Err(TokenError::NotBearer.into()),
        (Some(value), None) => {
            let token = value.to_str().ok().and_then(token).ok_or(TokenError::NotBearer)?;
            auth.inner.tokens.read(token)?
        }
    };
    let Bearer { subject, session, roles } = bearer;
    if !auth.is_alive(&session, &subject).await? {
        return Err(TokenError::Revoked.into());
    }
    auth.admit(&request, Principal::new(subject, roles), SessionId::new(session));
    Ok(())
}

/// The token of a header's value. The scheme is written in any case (RFC 9110, section 11.1).
fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' ')).filter(|token| !token.is_empty())
}

impl Auth {
    /// Whether a session of a subject has not ended.
    pub(in crate::ext) async fn is_alive(&self, session: &str, subject: &str) -> Result<bool, DbError> {
        self.inner.standing.is_alive(session, subject).await
    }

    /// Says that a request is from somebody, to handlers and on its span.
    pub(in crate::ext) fn admit(&self, request: &HttpRequest, principal: Principal, session: SessionId) {
        let (key, value) = self.inner.names.on_spans(principal.id());
        telemetry::set_attribute(key, value);
        request.extensions_mut().insert(session);
        principal.set_on(request);
    }
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn the_scheme_is_bearer_in_any_case_and_a_token_follows() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(token(value), expected, "{value}");
        }
    }
}
