//! The order service from outside: over HTTP, by its spans, and as a process.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod bad_input;
mod canary;
mod config_files;
mod contract;
mod deploy;
mod edges;
mod expire;
mod lifecycle;
mod orders;
mod otlp;
mod payments;
mod postgres;
mod process;
mod recovery;
mod stored;
mod trace;
mod unknown_paths;
mod worker;
