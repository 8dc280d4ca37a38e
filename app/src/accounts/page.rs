//! The pages to sign in and out on.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use spanbox::data::{Conn, Db};
use spanbox::ext::auth::Auth;
use spanbox::ext::session::{self, CsrfToken, Form};
use spanbox::web::{Principal, Problem, Settings};

use super::error::AccountError;
use super::input::Credentials;
use super::routes::address;
use super::schema::{SignInForm, SignOutForm};
use super::settings::AccountSettings;
use super::sign_in::sign_in as enter;

const PATH: &str = "/accounts/sign-in";

/// Where the token goes. What else is in a page is fixed, so that nothing has to be escaped.
const TOKEN: &str = "{csrf_token}";
const NOTE: &str = "{note}";
const SIGN_IN: &str = include_str!("sign_in.html");
const SIGN_OUT: &str = include_str!("sign_out.html");

/// The form to sign in, or to sign out.
#[utoipa::path(
    get,
    path = "/accounts/sign-in",
    tag = "pages",
    operation_id = "sign_in_page",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub(super) async fn form(token: CsrfToken, principal: Option<Principal>) -> HttpResponse {
    page(if principal.is_some() { SIGN_OUT } else { SIGN_IN }, &token, "", HttpResponse::Ok())
}

/// Signs in with a session cookie, by the form of the page.
#[utoipa::path(
    post,
    path = "/accounts/sign-in",
    tag = "pages",
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Signed in.", headers(("Location" = String, description = "The page, which is another one now."))),
        (status = 401, description = "The page again: the two do not belong together.", body = String, content_type = "text/html"),
    )
)]
pub(super) async fn sign_in(
    auth: Data<Auth>,
    db: Db,
    settings: Settings<AccountSettings>,
    request: HttpRequest,
    token: CsrfToken,
    Form(credentials): Form<Credentials>,
) -> Result<HttpResponse, Problem> {
    match enter(&auth, &db, &settings, address(&request), credentials).await {
        Ok((user, signed)) => {
            let former = session::current(&request);
            let principal = Principal::new(user.subject(), user.roles());
            session::begin(&request, principal, &signed)?;
            if let Some(former) = former {
                db.write(async move |conn: &mut Conn| auth.sign_out(conn, &former).await).await?;
            }
            Ok(HttpResponse::SeeOther().insert_header((LOCATION, PATH)).finish())
        }
        Err(AccountError::Credentials) => {
            let note = "This e-mail address and this password do not belong together.";
            Ok(page(SIGN_IN, &token, note, HttpResponse::Unauthorized()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Only the token, which [`Form`] takes out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Ends the session of the cookie, by the form of the page.
#[utoipa::path(
    post,
    path = "/accounts/sign-out",
    tag = "pages",
    request_body(content = SignOutForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Signed out.", headers(("Location" = String, description = "The page, which is another one now."))))
)]
pub(super) async fn sign_out(
    auth: Data<Auth>,
    db: Db,
    request: HttpRequest,
    Form(Nothing {}): Form<Nothing>,
) -> Result<HttpResponse, Problem> {
    if let Some(session) = session::end(&request) {
        db.write(async move |conn: &mut Conn| auth.sign_out(conn, &session).await).await?;
    }
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, PATH)).finish())
}

fn page(
    text: &'static str,
    token: &CsrfToken,
    note: &str,
    mut response: actix_web::HttpResponseBuilder,
) -> HttpResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    response
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .content_type("text/html; charset=utf-8")
        .body(text.replace(TOKEN, token.expose()).replace(NOTE, note))
}
