//! The extension `auth` over HTTP: which tokens are taken, and for how long.

mod forged;
mod sessions;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Data, Path};
use serde_json::Value;
use spanbox::app::Service;
use spanbox::data::{Conn, Db, Migrations};
use spanbox::ext::auth::{self, Auth, SessionId, SignError, SignedIn};
use spanbox::module::Module;
use spanbox::testing::{Answer, TestApp};
use spanbox::web::{Json, Principal, Problem};

static MIGRATIONS: Migrations = auth::MIGRATIONS;

async fn sign_in(auth: Data<Auth>, db: Db, name: Path<String>) -> Result<Json<SignedIn>, Problem> {
    let roles = vec!["user".to_owned()];
    let signed = db.write(async move |conn: &mut Conn| auth.sign_in(conn, &name, roles).await).await;
    signed.map(Json).map_err(|error: SignError| error.into())
}

async fn sign_out(auth: Data<Auth>, db: Db, session: SessionId) -> Result<HttpResponse, Problem> {
    db.write(async move |conn: &mut Conn| auth.sign_out(conn, session.as_str()).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn lock_out(auth: Data<Auth>, db: Db, name: Path<String>) -> Result<HttpResponse, Problem> {
    db.write(async move |conn: &mut Conn| auth.sign_out_everywhere(conn, &name).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn create_app(profile: Option<&str>) -> Service {
    let doors = Module::new("doors")
        .post("/in/{name}", sign_in)
        .post("/out", sign_out)
        .post("/lock-out/{name}", lock_out)
        .get("/me", async |principal: Principal| Json(principal.id().to_owned()))
        .get("/open", async |principal: Option<Principal>| {
            Json(principal.map(|principal| principal.id().to_owned()))
        });
    Service::new("hall", "1")
        .profile(profile)
        .migrations(&MIGRATIONS)
        .extension(Auth::new("hall"))
        .module(doors)
}

/// The access token of somebody who has just signed in.
async fn enter(app: &TestApp, name: &str) -> String {
    let answer = app.send(Method::POST, &format!("/in/{name}"), &[], Default::default()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json::<Value>()["access_token"].as_str().unwrap().to_owned()
}

async fn get(app: &TestApp, path: &str, authorization: &str) -> Answer {
    app.send(Method::GET, path, &[("authorization", authorization)], Default::default()).await
}

/// Asks who one is with a token.
async fn me(app: &TestApp, token: &str) -> Answer {
    get(app, "/me", &format!("Bearer {token}")).await
}
