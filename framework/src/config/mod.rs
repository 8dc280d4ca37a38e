//! The settings of a service: where they come from, what they may be, and which source won.
//!
//! A setting is a field of a [`Section`]. Its value comes from the highest of these layers that has one:
//!
//! 1. the section's `Default`;
//! 2. the framework's defaults for the profile (`production` listens on all addresses, logs JSON, follows no
//!    caller's trace and does not migrate on its own; `testing` takes any free port);
//! 3. defaults that the service gives in code, [`Loader::default_value`];
//! 4. `config/default.toml`;
//! 5. `config/{profile}.toml`;
//! 6. the plain variables `PORT`, `DATABASE_URL`, `REDIS_URL`, `SECRET_KEY`, `ENVIRONMENT`, `APP_VERSION` and
//!    `LOG_LEVEL`;
//! 7. `APP_SECTION__KEY`: two underscores for each dot, so `APP_SERVER__TLS__CERTIFICATE` is
//!    `server.tls.certificate`. Names with `APP_` and no double underscore are not settings.
//!
//! An empty variable is unset. A variable's text is read as its key's type: `SECRET_KEY=12345` is a text and
//! `PORT=8080` a number; a list is comma-separated or a TOML array; true is `true`, `1`, `yes` or `on`.
//!
//! [`Loader::load`] refuses what it does not know and what does not fit, and reports all of it at once, each with its
//! file and line or its variable, and never with a secret's value. A value that a higher layer replaces is checked,
//! too: a file that is wrong is wrong also while a variable hides it.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use spanbox::config::{Loader, Section, ServerSettings};
//!
//! #[derive(Clone, Default, Deserialize, Serialize)]
//! #[serde(default)]
//! struct Payments {
//!     gateway: String,
//!     retries: u8,
//! }
//!
//! impl Section for Payments {
//!     const NAME: &'static str = "payments";
//! }
//!
//! let mut loader = Loader::new("testing")
//!     .environment([("PORT", "9090"), ("APP_PAYMENTS__RETRIES", "3")])
//!     .default_value("payments.gateway", "https://gateway.example");
//! loader.section::<ServerSettings>().section::<Payments>();
//! let config = loader.load()?;
//!
//! assert_eq!(config.get::<ServerSettings>()?.port, 9090);
//! assert_eq!(config.get::<Payments>()?.retries, 3);
//! assert!(config.render().contains("gateway = \"https://gateway.example\"  # set in code"));
//!
//! let errors = loader.environment([("APP_SERVER__PROT", "9090"), ("APP_PAYMENTS__RETRIES", "many")]).load();
//! let lines: Vec<String> = errors.unwrap_err().problems().iter().map(ToString::to_string).collect();
//! assert_eq!(lines, [
//!     "APP_PAYMENTS__RETRIES: payments.retries must be a whole number from 0 to 255, not the text \"many\"",
//!     "APP_SERVER__PROT: server.prot is not a setting; did you mean server.port (APP_SERVER__PORT)?",
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chain;
mod complaint;
mod database_telemetry;
mod database_url;
mod edge;
mod endpoint;
mod errors;
mod exported;
mod feature;
mod file;
mod inspect;
mod layer;
mod loaded;
mod loader;
mod management;
mod origin;
mod profile;
mod registry;
mod render;
mod sampling;
mod sections;
mod shape;
mod shedding;
mod suggest;
mod telemetry;
mod trust;
mod variables;

pub use database_telemetry::DatabaseTelemetrySettings;
pub use edge::EdgeSettings;
pub use errors::{ConfigError, ConfigErrors, Problem};
pub use exported::{CaptureSettings, LimitSettings, RecordSettings, RedactSettings};
pub use loaded::{Config, Entry, Explanation};
pub use loader::Loader;
pub use management::ManagementSettings;
pub use origin::Origin;
pub use profile::Profile;
pub use sampling::{BaggageSettings, KeepSettings, SamplingSettings};
pub use sections::{
    DatabaseSettings, ForwardedHeader, LogFormat, LogSettings, RedisSettings, Section, ServerSettings,
    ServiceSettings, SqliteSynchronous, TlsSettings,
};
pub use shedding::SheddingSettings;
pub use telemetry::{OtlpProtocol, TelemetrySettings};
pub use trust::{Network, Trust};

pub(crate) use feature::built_without;
pub(crate) use suggest::closest;

#[cfg(test)]
mod tests;
