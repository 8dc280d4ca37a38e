//! The order service from outside: over HTTP, by its spans, and as a process.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod bad_input;
mod canary;
mod changes;
mod contract;
mod deploy;
mod expire;
mod export;
mod idempotency;
mod injection;
mod lifecycle;
mod lines;
mod live;
mod orders;
mod otlp;
mod payments;
mod postgres;
mod process;
mod recovery;
mod stored;
mod streaming;
mod trace;
mod unknown_paths;
mod worker;
