//! The framework from outside: services of a few lines, and the rules of the repository.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod boot;
mod contract;
mod extensions;
mod jobs_commands;
mod management;
mod modules;
mod recorded;
mod repeated_statements;
mod requests;
mod sampling;
mod schedules;
mod streams;
mod tidy;
mod traced;
mod trust;
