//! The way in, for clients and for pages.

use std::net::IpAddr;

use spanbox::data::{Conn, Db};
use spanbox::ext::auth::{Auth, Match, SignedIn};

use super::attempts::Attempt;
use super::error::AccountError;
use super::input::{Credentials, Password};
use super::settings::AccountSettings;
use super::store;
use super::user::User;

/// Signs somebody in. Whatever is wrong with the credentials, it takes the same work and gives the same error.
pub(super) async fn sign_in(
    auth: &Auth,
    db: &Db,
    settings: &AccountSettings,
    from: Option<IpAddr>,
    credentials: Credentials,
) -> Result<(User, SignedIn), AccountError> {
    let Credentials { email, password } = credentials;
    let attempt = Attempt::new(auth, settings, &email, from);
    let look = attempt.clone();
    let user = db
        .read(async move |conn: &mut Conn| {
            if let Some(wait) = look.wait(conn).await? {
                return Err(AccountError::TooMany(wait));
            }
            Ok(store::find_by_email(conn, email.expose()).await?)
        })
        .await?;
    let (user, better) = verify(auth, db, attempt.clone(), user, password).await?;
    let auth = auth.clone();
    let signed = db
        .write(async move |conn: &mut Conn| {
            // What was compared may be of yesterday by now.
            let Some(user) = store::lock(conn, user.id)
                .await?
                .filter(|now| !now.is_disabled() && now.password_hash == user.password_hash)
            else {
                return Ok::<_, AccountError>(None);
            };
            if let Some(hash) = better {
                store::set_password(conn, user.id, hash).await?;
            }
            attempt.succeeded(conn).await?;
            let signed = auth.sign_in(conn, &user.subject(), user.roles()).await?;
            Ok(Some((user, signed)))
        })
        .await?;
    signed.ok_or(AccountError::Credentials)
}

/// Compares a password with that of a user, who may not be there, and counts a failure. Gives a new hash where the old
/// one is outdated.
pub(super) async fn verify(
    auth: &Auth,
    db: &Db,
    attempt: Attempt,
    user: Option<User>,
    password: Password,
) -> Result<(User, Option<String>), AccountError> {
    let password = password.into_secret();
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let found = auth.passwords().verify(password.clone(), stored).await?;
    let user = user.filter(|user| !user.is_disabled());
    match (user, found) {
        (Some(user), Match::Right) => Ok((user, None)),
        (Some(user), Match::Outdated) => Ok((user, Some(auth.passwords().hash(password).await?))),
        _ => {
            db.write(async move |conn: &mut Conn| Ok::<_, AccountError>(attempt.failed(conn).await?)).await?;
            Err(AccountError::Credentials)
        }
    }
}
