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

/// `POST /api/accounts/{id}/disable`: ends the sessions of a user, who can not sign in any more.
pub(super) async fn disable(
    auth: Data<Auth>,
    db: Db,
    principal: Principal,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    set(auth, db, &principal, *id, true).await
}

/// `POST /api/accounts/{id}/enable`: lets the user sign in again.
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
