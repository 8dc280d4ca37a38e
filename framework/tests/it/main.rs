//! The framework from outside: services of a few lines, and the rules of the repository.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod around;
mod asking;
#[cfg(feature = "auth")]
mod auth;
mod boot;
#[cfg(feature = "client")]
mod client;
mod contract;
#[cfg(feature = "cors")]
mod cors;
mod dependencies;
mod edges;
mod extensions;
mod jobs_commands;
mod large_bodies;
#[cfg(feature = "limit")]
mod limits;
mod management;
mod modules;
mod package;
mod panics;
mod recorded;
mod repeated_statements;
mod requests;
mod sampling;
mod schedules;
mod service_commands;
mod shedding;
mod streams;
#[cfg(feature = "templates")]
mod templates;
mod tidy;
mod traced;
mod trust;
mod wire;
