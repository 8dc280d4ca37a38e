//! Cookie sessions for pages (feature `session`): who signs in on a page stays signed in by a cookie.
//!
//! [`CookieSessions`] is an extension that builds on [`auth`](super::auth): [`begin`] puts a session of
//! [`Auth::sign_in`](super::auth::Auth::sign_in) into the cookie, and a request that brings the cookie is from its
//! [`Principal`], until [`end`], until the session is ended in the database
//! ([`Auth::sign_out`](super::auth::Auth::sign_out)), or until `session.idle_timeout` or `session.max_age`. A request with an access token is
//! judged by that alone.
//!
//! The cookie is encrypted, and holds ids alone; what ends a session is in the database, so that no store of sessions is
//! needed beside it. It is `HttpOnly`, `Secure` and `SameSite=Lax`. At each sign-in there is a new session in it and a new
//! [`CsrfToken`].
//!
//! What a cookie authorises is refused with 403 when another site makes the browser ask for it: a request that is not
//! `GET`, `HEAD`, `OPTIONS` or `TRACE` has to come from here by its `Sec-Fetch-Site` or `Origin`, or bring the token as
//! `X-CSRF-Token`; a [`Form`] has to hold it in any case, also where nobody is signed in yet.
//!
//! ```
//! use actix_web::HttpResponse;
//! use spanbox::app::Service;
//! use spanbox::data::Migrations;
//! use spanbox::ext::auth::{self, Auth};
//! use spanbox::ext::session::{CSRF_FIELD, CookieSessions, CsrfToken, Form};
//! use spanbox::module::Module;
//!
//! async fn page(token: CsrfToken) -> HttpResponse {
//!     let hidden = format!(r#"<input type="hidden" name="{CSRF_FIELD}" value="{}">"#, token.expose());
//!     HttpResponse::Ok().content_type("text/html").body(format!("<form method=post>{hidden}<button>Go</button></form>"))
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Nothing {}
//!
//! async fn go(Form(Nothing {}): Form<Nothing>) -> HttpResponse {
//!     HttpResponse::NoContent().finish()
//! }
//!
//! static MIGRATIONS: Migrations = auth::MIGRATIONS;
//!
//! let service = Service::new("hall", "1.0.0")
//!     .migrations(&MIGRATIONS)
//!     .extension(Auth::new("hall"))
//!     .extension(CookieSessions)
//!     .module(Module::new("doors").get("/go", page).post("/go", go));
//! assert!(service.prepare().is_ok());
//! ```

mod csrf;
mod settings;

use actix_identity::config::LogoutBehavior;
use actix_identity::{Identity, IdentityExt as _, IdentityMiddleware};
use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_session::storage::CookieSessionStore;
use actix_session::{SessionExt as _, SessionMiddleware};
use actix_web::cookie::{Key, SameSite};
use actix_web::{HttpMessage as _, HttpRequest};

pub use csrf::{CSRF_FIELD, CsrfToken, Form};
pub use settings::{CookieSameSite, SessionSettings};

use super::auth::{Auth, SessionId, SignedIn, derive, random};
use crate::config::{Loader, ServiceSettings};
use crate::ext::Extension;
use crate::module::{Boot, BoxError};
use crate::web::{Principal, Problem};

/// Whose session it is, and with which roles, in the cookie beside the session's id.
const SUBJECT: &str = "subject";
const ROLES: &str = "roles";

/// The extension `session`, see the [module documentation](self). It is installed after `auth`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CookieSessions;

impl Extension for CookieSessions {
    const NAME: &'static str = "session";
    const AFTER: &'static [&'static str] = &["auth"];
    const SURROUNDS: &'static [&'static str] = &["session cookie", "CSRF"];
    type Installed = ();

    fn settings(loader: &mut Loader) {
        loader.section::<SessionSettings>();
    }

    async fn install(self, boot: Boot) -> Result<(), BoxError> {
        let settings = boot.settings::<SessionSettings>()?;
        let secret = boot.settings::<ServiceSettings>()?.secret_key.filter(|key| !key.expose().is_empty());
        let secret = secret.unwrap_or_else(|| random().into());
        let halves = ["spanbox cookies: signature", "spanbox cookies: encryption"];
        let key = Key::from(&halves.map(|half| derive(secret.expose().as_bytes(), half)).concat());
        let auth = boot.provided::<Auth>()?;
        let cookie = settings.clone();
        boot.wrap(move || {
            SessionMiddleware::builder(CookieSessionStore::default(), key.clone())
                .cookie_name(cookie.name())
                .cookie_secure(cookie.secure)
                .cookie_http_only(true)
                .cookie_path("/".to_owned())
                .cookie_content_security(CookieContentSecurity::Private)
                .cookie_same_site(match cookie.same_site {
                    CookieSameSite::Lax => SameSite::Lax,
                    CookieSameSite::Strict => SameSite::Strict,
                })
                .session_lifecycle(BrowserSession::default())
                .build()
        });
        boot.wrap(move || {
            IdentityMiddleware::builder()
                .logout_behavior(LogoutBehavior::PurgeSession)
                .login_deadline(Some(settings.max_age))
                .visit_deadline(Some(settings.idle_timeout))
                .build()
        });
        boot.before(move |request| identify((*auth).clone(), request));
        Ok(())
    }
}

/// Signs in by cookie: what comes from this browser from now on is from this principal.
///
/// # Errors
///
/// 500 when the cookie can not be written.
pub fn begin(request: &HttpRequest, principal: Principal, signed: &SignedIn) -> Result<(), Problem> {
    let session = request.get_session();
    let failed = |error: &dyn std::fmt::Display| Problem::internal(error.to_string());
    session.insert(SUBJECT, principal.id()).map_err(|error| failed(&error))?;
    session.insert(ROLES, principal.roles()).map_err(|error| failed(&error))?;
    CsrfToken::renew(&session)?;
    Identity::login(&request.extensions(), signed.session.clone()).map_err(|error| failed(&error))?;
    Ok(())
}

/// The session that this browser is signed in with.
#[must_use]
pub fn current(request: &HttpRequest) -> Option<String> {
    request.get_identity().ok()?.id().ok()
}

/// Forgets who this browser is signed in as, and gives the session, for [`Auth::sign_out`].
pub fn end(request: &HttpRequest) -> Option<String> {
    let session = current(request)?;
    request.get_identity().ok()?.logout();
    Some(session)
}

/// Looks at the cookie before a handler does.
async fn identify(auth: Auth, request: HttpRequest) -> Result<(), Problem> {
    if Principal::of(&request).is_some() {
        return Ok(());
    }
    let session = request.get_session();
    let Some(id) = current(&request) else { return Ok(()) };
    let subject = session.get::<String>(SUBJECT).ok().flatten().unwrap_or_default();
    let roles = session.get::<Vec<String>>(ROLES).ok().flatten().unwrap_or_default();
    if !auth.is_alive(&id, &subject).await? {
        end(&request);
        return Ok(());
    }
    csrf::check(&request, &session)?;
    auth.admit(&request, Principal::new(subject, roles), SessionId::new(id));
    Ok(())
}
