//! What a service's parts record with.

mod handle;

pub use handle::{Providers, Telemetry, ThreadGuard};
