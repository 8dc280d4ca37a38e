//! The admin who is there before there is anybody to make one.

use spanbox::data::Conn;
use spanbox::ext::auth::Auth;
use spanbox::module::{Boot, BoxError};

use super::settings::AccountSettings;
use super::store;
use super::user::{NewUser, Role};

/// Creates the admin of the settings, unless somebody has the address. A password that was changed since is left alone.
pub(super) async fn create(boot: Boot) -> Result<(), BoxError> {
    let Some((email, password)) = boot.settings::<AccountSettings>()?.admin() else { return Ok(()) };
    let (db, auth) = (boot.db()?, boot.provided::<Auth>()?);
    let address = email.clone();
    if db
        .read(async move |conn: &mut Conn| store::find_by_email(conn, address.expose()).await)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let hash = auth.passwords().hash(password.into_secret()).await?;
    let admin = NewUser::new(email, hash, Role::Admin);
    // Of two processes that start at once, one makes it.
    let made = db.write(async move |conn: &mut Conn| store::insert(conn, admin).await).await?;
    if let Some(admin) = made {
        tracing::info!(
            user = admin.id,
            "the first admin was created: change the password, and take it out of the settings"
        );
    }
    Ok(())
}
