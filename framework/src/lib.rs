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

pub mod actor;
pub mod app;
pub mod cli;
pub mod config;
pub mod context;
pub mod data;
#[cfg(all(doctest, feature = "cache", feature = "testing"))]
mod documents;
pub mod ext;
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
