use std::net::IpAddr;

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use spanbox::data::{Conn, Db};
use spanbox::ext::auth::{Auth, Exchange, SessionId, SignedIn};
use spanbox::web::{ClientAddress, Json, Principal, Problem, Settings};
use utoipa::OpenApi;

use super::attempts::Attempt;
use super::caller::id_of;
use super::error::AccountError;
use super::input::{Credentials, PasswordChange, Refresh, Registration};
use super::settings::AccountSettings;
use super::sign_in::{sign_in, verify};
use super::store;
use super::user::{NewUser, Role, User, Wire};

/// The operations of this module. Each new route has a `#[utoipa::path]` and stands here.
#[derive(OpenApi)]
#[openapi(paths(
    register,
    login,
    refresh,
    logout,
    me,
    password,
    super::admin::disable,
    super::admin::enable,
    super::page::form,
    super::page::sign_in,
    super::page::sign_out
))]
pub(crate) struct Api;

/// Makes an account of the role `user`.
#[utoipa::path(
    post,
    path = "/api/accounts/register",
    tag = "accounts",
    request_body = Registration,
    responses((status = 201, body = Wire, headers(("Location" = String, description = "Where the account is, for its user."))))
)]
pub(super) async fn register(
    auth: Data<Auth>,
    db: Db,
    Json(new): Json<Registration>,
) -> Result<HttpResponse, Problem> {
    if new.password.tells(&new.email) {
        return Err(Problem::invalid("password", "must not be the e-mail address"));
    }
    let hash = auth.passwords().hash(new.password.into_secret()).await?;
    let user = NewUser::new(new.email, hash, Role::User);
    let user =
        db.write(async move |conn: &mut Conn| store::insert(conn, user).await?.ok_or(AccountError::Taken));
    Ok(HttpResponse::Created().insert_header((LOCATION, "/api/accounts/me")).json(user.await?))
}

/// Signs in: an access token and a refresh token.
#[utoipa::path(
    post,
    path = "/api/accounts/login",
    tag = "accounts",
    request_body = Credentials,
    responses((status = 200, body = SignedIn))
)]
pub(super) async fn login(
    auth: Data<Auth>,
    db: Db,
    settings: Settings<AccountSettings>,
    request: HttpRequest,
    Json(credentials): Json<Credentials>,
) -> Result<Json<SignedIn>, Problem> {
    let (_, signed) = sign_in(&auth, &db, &settings, address(&request), credentials).await?;
    Ok(Json(signed))
}

/// The next pair for a refresh token, which is good once.
#[utoipa::path(
    post,
    path = "/api/accounts/refresh",
    tag = "accounts",
    request_body = Refresh,
    responses((status = 200, body = SignedIn))
)]
pub(super) async fn refresh(
    auth: Data<Auth>,
    db: Db,
    Json(Refresh { refresh_token }): Json<Refresh>,
) -> Result<Json<SignedIn>, Problem> {
    let signed = db
        .write(async move |conn: &mut Conn| {
            let Exchange::Good { subject, session } = auth.exchange(conn, &refresh_token).await? else {
                return Ok::<_, AccountError>(None);
            };
            let user = match subject.parse() {
                Ok(id) => store::lock(conn, id).await?,
                Err(_) => None,
            };
            match user.filter(|user| !user.is_disabled()) {
                Some(user) => Ok(auth.renew(conn, &session, user.roles()).await?),
                None => Ok(None),
            }
        })
        .await?;
    Ok(Json(signed.ok_or(AccountError::RefreshToken)?))
}

/// Ends the session, and with it both of its tokens.
#[utoipa::path(
    post,
    path = "/api/accounts/logout",
    tag = "accounts",
    security(("bearer" = [])),
    responses((status = 204, description = "It has ended."))
)]
pub(super) async fn logout(auth: Data<Auth>, db: Db, session: SessionId) -> Result<HttpResponse, Problem> {
    db.write(async move |conn: &mut Conn| auth.sign_out(conn, session.as_str()).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The account of who asks.
#[utoipa::path(
    get,
    path = "/api/accounts/me",
    tag = "accounts",
    security(("bearer" = [])),
    responses((status = 200, body = Wire))
)]
pub(super) async fn me(db: Db, principal: Principal) -> Result<Json<User>, Problem> {
    Ok(Json(own(&db, &principal).await?))
}

/// Takes another password, and ends all sessions, this one too.
#[utoipa::path(
    post,
    path = "/api/accounts/password",
    tag = "accounts",
    request_body = PasswordChange,
    security(("bearer" = [])),
    responses((status = 204, description = "It is the password now."))
)]
pub(super) async fn password(
    auth: Data<Auth>,
    db: Db,
    settings: Settings<AccountSettings>,
    request: HttpRequest,
    principal: Principal,
    Json(change): Json<PasswordChange>,
) -> Result<HttpResponse, Problem> {
    let user = own(&db, &principal).await?;
    let email = user.email();
    if change.new_password.tells(&email) {
        return Err(Problem::invalid("new_password", "must not be the e-mail address"));
    }
    let attempt = Attempt::new(&auth, &settings, &email, address(&request));
    let look = attempt.clone();
    let wait = db.read(async move |conn: &mut Conn| look.wait(conn).await).await?;
    if let Some(wait) = wait {
        return Err(AccountError::TooMany(wait).into());
    }
    let (user, _) = verify(&auth, &db, attempt, Some(user), change.current_password).await?;
    let hash = auth.passwords().hash(change.new_password.into_secret()).await?;
    db.write(async move |conn: &mut Conn| {
        let now = store::lock(conn, user.id).await?;
        if now.is_none_or(|now| now.password_hash != user.password_hash) {
            return Err(AccountError::Credentials);
        }
        store::set_password(conn, user.id, hash).await?;
        auth.sign_out_everywhere(conn, &user.subject()).await?;
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The account that a request is from.
async fn own(db: &Db, principal: &Principal) -> Result<User, Problem> {
    let id = id_of(principal)?;
    let user = db.read(async move |conn: &mut Conn| store::find(conn, id).await).await?;
    Ok(user.ok_or(AccountError::NotFound(id))?)
}

/// Where a request comes from.
pub(super) fn address(request: &HttpRequest) -> Option<IpAddr> {
    ClientAddress::of(request).map(ClientAddress::address)
}
