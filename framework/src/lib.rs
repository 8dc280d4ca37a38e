//! An actor-based application framework for Rust services, with observability built in.
//!
//! A service is described by an [`app::Service`]: modules with routes, actors, a database, settings. Started, it
//! traces every request, statement and message by itself, and causality never breaks on the way: from the HTTP
//! request through the database and the mailbox to what an actor does is one trace, in which every wait is visible.
//!
//! | module | is |
//! |---|---|
//! | [`app`] | the factory: describe, check, start, stop |
//! | [`ext`] | what a service has once, for all its modules |
//! | [`module`] | a named, prefixed, scoped piece of a service |
//! | [`web`] | requests and answers, problem documents, limits |
//! | [`actor`] | actors whose mailboxes carry the trace |
//! | [`jobs`] | work that outlives the process that asked for it |
//! | [`data`] | one database handle for SQLite and PostgreSQL |
//! | [`config`] | settings by profile, each with its origin |
//! | [`telemetry`] | what is recorded and where it goes |
//! | [`context`] | carrying the trace by hand |
//! | [`redact`] | what must not be shown |
//! | [`cli`] | the commands of every service |
//! | `scaffold` | the program `spanbox`: new services and their parts (feature `cli`) |
//! | [`traced`] | a span for each call of a function |
//! | [`testing`] | a service under test (feature `testing`) |
//!
//! # Features
//!
//! A service takes the crate with `default-features = false` and the features that it uses; what is not asked for is not
//! compiled. Actors, jobs, SQLite, migrations, telemetry with its exporters and the commands of a service are always there.
//!
//! | feature | is | brings |
//! |---|---|---|
//! | `auth` | passwords and tokens, `ext::auth` | argon2, jsonwebtoken, hmac |
//! | `cache` | a cache in memory, Memcached or (with `redis`) Redis, `ext::cache` | moka, async-memcached, deadpool |
//! | `cli` | the program `spanbox`, `scaffold`; on by default, and of no use to a service | minijinja |
//! | `client` | requests to other services, `ext::client` | reqwest |
//! | `cors` | cross-origin requests, `ext::cors` | actix-cors |
//! | `limit` | rate limits in memory or (with `redis`) Redis, `ext::limit` | governor, hmac |
//! | `openapi` | the description of the interface and its page, `ext::openapi` | utoipa, utoipa-swagger-ui |
//! | `postgres` | PostgreSQL beside SQLite: `postgres://` in `database.url` | tokio-postgres, its TLS, diesel's backend |
//! | `redis` | [`data::Redis`]; `jobs.transport`, `limits.store` and `cache.url` may name it | redis, deadpool |
//! | `session` | sessions in cookies, `ext::session`; with `auth` | actix-session, actix-identity |
//! | `templates` | HTML pages, `ext::templates` | minijinja |
//! | `testing` | the testing kit, [`testing`]: for `[dev-dependencies]` | awc, tonic's server, tempfile |
//!
//! The same code of a service compiles with `postgres` and `redis` and without. A setting that wants one which is off is an
//! error before the port is bound, and says what to add to Cargo.toml.

pub mod actor;
pub mod app;
pub mod cli;
pub mod config;
pub mod context;
pub mod data;
#[cfg(all(doctest, feature = "cache", feature = "testing"))]
mod documents;
pub mod ext;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
pub mod jobs;
mod management;
pub mod module;
pub mod redact;
#[cfg(feature = "cli")]
pub mod scaffold;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod web;

#[doc = include_str!("telemetry/traced.md")]
pub use spanbox_macros::traced;
