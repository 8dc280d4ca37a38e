//! The application factory: a service is described, checked, started, and stopped, and each of these is a type.
//!
//! [`Service`] is the description. [`Service::prepare`] checks all of it before anything runs, and tells everything
//! that is wrong at once. [`Ready::start`] starts it phase by phase (telemetry, the management listener, database,
//! migrations, extensions, the modules' actors, jobs, the public listener), and [`Running::stop`] takes it down in reverse: readiness first, then the
//! requests, the jobs, the mailboxes, the stop hooks of modules and the extensions, the database, the telemetry, each
//! within what is left of `server.shutdown_grace`.
//!
//! Nothing of it is global: a hundred services run in one process, each with its own everything.
//!
//! ```
//! use spanbox::app::Service;
//! use spanbox::module::Module;
//! use spanbox::web::{Json, Problem};
//!
//! async fn hello() -> Result<Json<&'static str>, Problem> {
//!     Ok(Json("hello"))
//! }
//!
//! let ready = Service::new("greeter", "1.0.0")
//!     .environment([("PORT", "0")])
//!     .module(Module::new("greetings").get("/hello", hello))
//!     .prepare()
//!     .expect("nothing is wrong with it");
//! assert!(ready.routes().iter().any(|route| route.pattern == "/hello"));
//! ```

mod error;
mod examine;
pub(crate) mod holders;
mod listener;
mod plan;
mod ready;
mod reload;
mod running;
mod service;
mod signals;
mod stops;
mod tls;
mod unread;

pub use error::{BootError, BootErrors, TlsError};
pub(crate) use examine::Remains;
pub use ready::Ready;
pub use running::{Running, StopReport};
pub use service::Service;
pub use signals::Signals;
