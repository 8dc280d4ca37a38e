//! The order service from outside: over HTTP, by its spans, and as a process.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod accounts;
mod bad_input;
mod caching;
mod canary;
mod changes;
mod config_files;
mod contract;
mod deploy;
mod doctor;
mod documents;
mod edges;
mod expire;
mod export;
mod first_errors;
mod gateway;
mod idempotency;
mod injection;
mod lifecycle;
mod lines;
mod live;
mod openapi;
mod orders;
mod otlp;
mod outages;
mod payments;
mod postgres;
mod process;
mod receipt;
mod recovery;
mod seed;
mod settings;
mod sharing;
mod stored;
mod streaming;
mod trace;
mod unknown_paths;
mod worker;
