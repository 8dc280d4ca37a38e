//! What `spanbox generate` writes into a service, what it refuses, and that it compiles and passes.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod builds;
mod refusals;
mod shop;
mod snapshots;
mod twice;
mod wiring;
