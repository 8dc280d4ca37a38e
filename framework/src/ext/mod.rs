//! Extensions: what a service has once and every module may use, such as a mailer, a cache or a client of another
//! service.
//!
//! An extension says its name, its settings and what has to be there before it. A service installs it after its
//! database and before its modules, and ends what was installed in reverse when it stops, after the last request, job
//! and message. What is wrong with names and order is told by [`Service::prepare`](crate::app::Service::prepare),
//! together with everything else.
//!
//! (The shape, one small trait and not a long list of hooks, follows loco's `Initializer`; that what is installed is a
//! type of its own is ours.)
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use spanbox::app::Service;
//! use spanbox::config::{Loader, Section};
//! use spanbox::ext::{Extension, Installed};
//! use spanbox::module::{Boot, BoxError};
//!
//! /// `[greeter]`.
//! #[derive(Clone, Default, Deserialize, Serialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct GreeterSettings {
//!     words: String,
//! }
//!
//! impl Section for GreeterSettings {
//!     const NAME: &'static str = "greeter";
//! }
//!
//! struct Greeter;
//!
//! /// What handlers ask for as `Data<Greetings>`.
//! #[derive(Clone)]
//! struct Greetings(String);
//!
//! impl Extension for Greeter {
//!     const NAME: &'static str = "greeter";
//!     type Installed = Greetings;
//!
//!     fn settings(loader: &mut Loader) {
//!         loader.section::<GreeterSettings>();
//!     }
//!
//!     async fn install(self, boot: Boot) -> Result<Greetings, BoxError> {
//!         let greetings = Greetings(boot.settings::<GreeterSettings>()?.words);
//!         boot.provide(greetings.clone());
//!         Ok(greetings)
//!     }
//! }
//!
//! impl Installed for Greetings {
//!     async fn stop(self) {
//!         tracing::info!(words = self.0, "no more greetings");
//!     }
//! }
//!
//! let service = Service::new("hall", "1.0.0").environment([("APP_GREETER__WORDS", "welcome")]);
//! assert!(service.extension(Greeter).prepare().is_ok());
//! ```

#[cfg(feature = "auth")]
pub mod auth;
#[cfg(feature = "cache")]
pub mod cache;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "cors")]
pub mod cors;
mod entry;
pub mod idempotency;
#[cfg(feature = "limit")]
pub mod limit;
#[cfg(feature = "openapi")]
pub mod openapi;
mod order;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "templates")]
pub mod templates;

use std::future::Future;

pub(crate) use entry::Entry;
pub(crate) use order::in_order;

use crate::config::Loader;
use crate::module::{Boot, BoxError};
use crate::web::Check;

/// Something that a service installs once, before its modules start. See the [module documentation](self).
pub trait Extension: Send + 'static {
    /// Its name, unique in a service: lower-case letters, digits and `-`.
    const NAME: &'static str;

    /// The extensions that have to be installed before this one. Default: none; then they are installed in the order
    /// in which the service was given them.
    const AFTER: &'static [&'static str] = &[];

    /// What it puts around all requests, in a word or two each and the outermost first: for people, the command `routes` lists
    /// it. Default: nothing.
    const SURROUNDS: &'static [&'static str] = &[];

    /// What it is once it is installed; `()` if there is nothing to look after.
    type Installed: Installed;

    /// Registers its sections of the settings, [`Loader::section`]. Default: none.
    fn settings(loader: &mut Loader) {
        let _ = loader;
    }

    /// Makes it ready, and [provides](Boot::provide) what modules and handlers need of it.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: the service does not start.
    fn install(self, boot: Boot) -> impl Future<Output = Result<Self::Installed, BoxError>>;
}

/// What an [`Extension`] is once it is installed.
pub trait Installed: Sized + 'static {
    /// Whether it is well, for `/health/ready`. Default: nothing is looked at.
    fn check(&self) -> Option<Check> {
        None
    }

    /// Ends it, within what is left of `server.shutdown_grace`, and a second at least. Default: it is dropped.
    fn stop(self) -> impl Future<Output = ()> {
        async {}
    }
}

impl Installed for () {}

/// The page is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/EXTENSIONS.md")]
struct ExtensionsPage;

/// So is this one.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../docs/CLIENT.md")]
struct ClientPage;
