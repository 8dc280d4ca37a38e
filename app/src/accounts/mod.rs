//! Accounts: who may sign in, with which password, and what they may do.

mod admin;
mod attempts;
mod caller;
mod error;
mod first_admin;
mod input;
mod page;
mod routes;
mod schema;
mod settings;
mod sign_in;
mod store;
mod user;

use spanbox::module::Module;

pub(crate) use caller::{Caller, Scope};
pub(crate) use error::PROBLEMS;
pub(crate) use routes::Api;

use settings::AccountSettings;

/// The module `/api/accounts`, with the pages below `/accounts`.
pub(crate) fn module() -> Module {
    Module::new("accounts")
        .settings::<AccountSettings>()
        .post("/api/accounts/register", routes::register)
        .post("/api/accounts/login", routes::login)
        .post("/api/accounts/refresh", routes::refresh)
        .post("/api/accounts/logout", routes::logout)
        .get("/api/accounts/me", routes::me)
        .post("/api/accounts/password", routes::password)
        .post("/api/accounts/{id}/disable", admin::disable)
        .post("/api/accounts/{id}/enable", admin::enable)
        .get("/accounts/sign-in", page::form)
        .post("/accounts/sign-in", page::sign_in)
        .post("/accounts/sign-out", page::sign_out)
        .on_start(first_admin::create)
        .after(no_store)
}

/// Neither tokens nor what an account holds is for a cache on the way.
fn no_store(_: &actix_web::HttpRequest, response: &mut actix_web::HttpResponse) {
    use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
