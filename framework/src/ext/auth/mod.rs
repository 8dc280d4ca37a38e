//! Passwords and tokens (feature `auth`): who a request is from, and for how long that is so.
//!
//! [`Auth`] is an extension. Where it is installed, `Authorization: Bearer …` is looked at before each handler: without
//! it a request is from nobody, with a good access token it is from a [`Principal`](crate::web::Principal), and with
//! anything else it is answered 401 and `WWW-Authenticate`, whatever it was for.
//!
//! An access token is a JSON Web Token by RFC 9068. Each key is for one algorithm (EdDSA or HS256) and has an id; a token
//! is taken when its `typ` is `at+jwt`, its `kid` is that of an accepted key and its `alg` that key's, it is signed so,
//! `iss` and `aud` are this service's, and it is between `nbf` and `exp`, give or take `auth.leeway`. What its header says of
//! other keys (`jwk`, `jku`, `x5u`, …) makes it no good. `auth.keys` rotates keys; see [`AuthSettings`].
//!
//! A token belongs to a session, a row of `spanbox_sessions`. A session begins with [`Auth::sign_in`] and ends with
//! [`Auth::sign_out`], and with it all of its tokens: at once in this process, and within `auth.revocation_lag` (5 s at most)
//! in others. While the database can not be asked, what is not known is refused with 503. The second token of a sign-in is
//! for the next pair ([`Auth::exchange`], [`Auth::renew`]): random, stored as a hash, and good once. When it comes again later,
//! somebody has stolen it, and the session ends.
//!
//! [`Passwords`] hashes with argon2id. Spans have the user as a keyed hash, `enduser.pseudo.id`, unless `auth.raw_user_id`
//! is set; no token, password or hash is ever recorded.
//!
//! ```
//! use actix_web::web::Data;
//! use spanbox::app::Service;
//! use spanbox::data::{Conn, Db, Migrations, embed_migrations};
//! use spanbox::ext::auth::{self, Auth, Match, SignError, SignedIn};
//! use spanbox::module::Module;
//! use spanbox::redact::Secret;
//! use spanbox::web::{Json, Principal, Problem};
//!
//! #[derive(serde::Deserialize)]
//! struct SignIn {
//!     name: String,
//!     password: Secret<String>,
//! }
//!
//! async fn sign_in(auth: Data<Auth>, db: Db, Json(who): Json<SignIn>) -> Result<Json<SignedIn>, Problem> {
//!     let stored = None; // the hash of that user's password, if there is one
//!     if auth.passwords().verify(who.password, stored).await? == Match::Wrong {
//!         return Err(Problem::new(actix_web::http::StatusCode::UNAUTHORIZED, "unauthenticated"));
//!     }
//!     let roles = vec!["user".to_owned()];
//!     let signed = db.write(async move |conn: &mut Conn| auth.sign_in(conn, &who.name, roles).await).await?;
//!     Ok(Json(signed))
//! }
//!
//! async fn me(principal: Principal) -> Json<String> {
//!     Json(principal.id().to_owned())
//! }
//!
//! static MIGRATIONS: Migrations = auth::MIGRATIONS;
//!
//! let service = Service::new("hall", "1.0.0")
//!     .migrations(&MIGRATIONS)
//!     .extension(Auth::new("hall"))
//!     .module(Module::new("doors").post("/sign-in", sign_in).get("/me", me));
//! assert!(service.prepare().is_ok());
//! ```

mod error;
mod hook;
mod keys;
mod names;
mod passwords;
#[cfg(any(fuzzing, test))]
pub(crate) mod properties;
mod settings;
mod signed;
mod standing;
mod store;
mod text;
mod tokens;

use std::sync::Arc;

pub use error::{PasswordError, SignError, TokenError};
pub use hook::SessionId;
pub use passwords::{Match, Passwords};
pub use settings::{AuthSettings, PasswordSettings};
pub use signed::{Exchange, SignedIn};
pub use store::MIGRATIONS;

pub(in crate::ext) use keys::derive;
#[cfg(feature = "session")]
pub(in crate::ext) use text::{hash, random};

use crate::config::{Loader, ServiceSettings};
use crate::ext::{Extension, Installed};
use crate::module::{Boot, BoxError};
use keys::Keys;
use names::Names;
use standing::Standing;
use tokens::Tokens;

/// The extension `auth` before it is installed, see the [module documentation](self).
#[derive(Debug)]
pub struct AuthExtension {
    name: &'static str,
}

/// Signs in and out; handlers ask for it as `actix_web::web::Data<Auth>`. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    settings: AuthSettings,
    tokens: Tokens,
    passwords: Passwords,
    standing: Standing,
    names: Names,
}

impl Auth {
    /// The extension, for a service of this name: `iss` and `aud` of its tokens, unless the settings say otherwise.
    #[allow(clippy::new_ret_no_self, reason = "what is installed is the handle that everybody names")]
    #[must_use]
    pub const fn new(name: &'static str) -> AuthExtension {
        AuthExtension { name }
    }

    /// Where passwords are hashed and compared.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    /// A name for something personal, e.g. an address to count by: 32 hexadecimal digits, the same wherever the service
    /// has the same SECRET_KEY, from which nobody without it learns what it stands for.
    #[must_use]
    pub fn pseudonym(&self, text: &str) -> String {
        self.inner.names.of(text)
    }
}

impl Extension for AuthExtension {
    const NAME: &'static str = "auth";
    const SURROUNDS: &'static [&'static str] = &["access token"];
    type Installed = Auth;

    fn settings(loader: &mut Loader) {
        loader.section::<AuthSettings>();
    }

    async fn install(self, boot: Boot) -> Result<Auth, BoxError> {
        let settings = boot.settings::<AuthSettings>()?;
        let secret = boot.settings::<ServiceSettings>()?.secret_key.filter(|key| !key.expose().is_empty());
        let lasts = secret.is_some();
        let secret = secret.unwrap_or_else(|| text::random().into());
        let secret = secret.expose().as_bytes();
        let keys = match &settings.keys {
            Some(keys) => Keys::parse(keys.expose(), boot.config().profile().is_production())?,
            None => {
                if !lasts {
                    tracing::warn!(
                        "neither SECRET_KEY nor auth.keys is set: access tokens are signed with a key that ends with \
                         this process"
                    );
                }
                Keys::hs256(&derive(secret, "spanbox access tokens"))
            }
        };
        let name = |set: &Option<String>| set.clone().unwrap_or_else(|| self.name.to_owned());
        let (issuer, audience) = (name(&settings.issuer), name(&settings.audience));
        let names = Names::new(derive(secret, "spanbox user ids"), settings.raw_user_id);
        let inner = Inner {
            tokens: Tokens::new(keys, issuer, audience, settings.access_ttl, settings.leeway),
            passwords: Passwords::new(&settings.password)?,
            standing: Standing::new(boot.db()?, settings.revocation_lag),
            names,
            settings,
        };
        inner.standing.is_alive("", "").await.map_err(|error| {
            format!(
                "the tables of sessions can not be read: give the service migrations that end in \
                 `.with(&spanbox::ext::auth::MIGRATIONS)`, and apply them: {error}"
            )
        })?;
        let auth = Auth { inner: Arc::new(inner) };
        let hook = auth.clone();
        boot.before(move |request| hook::authenticate(hook.clone(), request));
        boot.provide(auth.clone());
        Ok(auth)
    }
}

impl Installed for Auth {}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("passwords", &self.inner.passwords).finish_non_exhaustive()
    }
}
