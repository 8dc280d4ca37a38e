use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use super::Problem;

/// Who a request is from, once somebody has found out: a hook that knows tokens, or one that knows sessions.
///
/// As the argument of a handler it is 401 for a request that is from nobody; `Option<Principal>` is for handlers that
/// answer anybody.
///
/// ```
/// use spanbox::web::{Json, Principal};
///
/// async fn me(principal: Principal) -> Json<String> {
///     Json(principal.id().to_owned())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    id: String,
    roles: Vec<String>,
}

impl Principal {
    /// The principal of an id, which is never reused, with its roles.
    #[must_use]
    pub const fn new(id: String, roles: Vec<String>) -> Self {
        Self { id, roles }
    }

    /// The one that a request is from, as far as anybody has found out.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Says that a request is from this one.
    pub fn set_on(self, request: &HttpRequest) {
        request.extensions_mut().insert(self);
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether it has a role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|has| has == role)
    }
}

impl FromRequest for Principal {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| {
            Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated")
                .detail("this needs a sign-in: send an access token as `Authorization: Bearer …`")
                .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }))
    }
}
