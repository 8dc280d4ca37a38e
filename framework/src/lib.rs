//! An actor-based application framework for Rust services, with observability built in.

pub mod actor;
pub mod config;
pub mod context;
pub mod data;
pub mod redact;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
