//! The framework from outside: services of a few lines, and the rules of the repository.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod around;
mod boot;
mod contract;
#[cfg(feature = "cors")]
mod cors;
mod edges;
mod extensions;
mod jobs_commands;
#[cfg(feature = "limit")]
mod limits;
mod management;
mod modules;
mod recorded;
mod repeated_statements;
mod requests;
mod sampling;
mod schedules;
mod shedding;
mod tidy;
mod traced;
mod trust;
mod wire;
