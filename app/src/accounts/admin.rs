//! What admins do to the accounts of others.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use spanbox::data::{Conn, Db};
use spanbox::ext::auth::Auth;
use spanbox::web::{Principal, Problem};

use super::caller::id_of;
use super::error::AccountError;
use super::store;
use super::user::Role;

/// Ends the sessions of a user, who can not sign in any more. For admins; to others there is no such account.
#[utoipa::path(
    post,
    path = "/api/accounts/{id}/disable",
    tag = "accounts",
    params(("id" = i64, Path, minimum = 1)),
    security(("bearer" = [])),
    responses((status = 204, description = "Nobody can sign in to it."))
)]
pub(super) async fn disable(
    auth: Data<Auth>,
    db: Db,
    principal: Principal,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    set(auth, db, &principal, *id, true).await
}

/// Lets a user sign in again. For admins; to others there is no such account.
#[utoipa::path(
    post,
    path = "/api/accounts/{id}/enable",
    tag = "accounts",
    params(("id" = i64, Path, minimum = 1)),
    security(("bearer" = [])),
    responses((status = 204, description = "The user can sign in to it."))
)]
pub(super) async fn enable(
    auth: Data<Auth>,
    db: Db,
    principal: Principal,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    set(auth, db, &principal, *id, false).await
}

async fn set(
    auth: Data<Auth>,
    db: Db,
    principal: &Principal,
    id: i64,
    disabled: bool,
) -> Result<HttpResponse, Problem> {
    // To others than admins there are no accounts but their own.
    if !principal.has_role(Role::Admin.as_str()) {
        return Err(AccountError::NotFound(id).into());
    }
    if disabled && id_of(principal)? == id {
        return Err(AccountError::Own.into());
    }
    db.write(async move |conn: &mut Conn| {
        if !store::set_disabled(conn, id, disabled).await? {
            return Err(AccountError::NotFound(id));
        }
        if disabled {
            auth.sign_out_everywhere(conn, &id.to_string()).await?;
        }
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
