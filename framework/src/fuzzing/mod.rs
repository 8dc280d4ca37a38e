//! What must hold whatever comes in, for the fuzz targets of `framework/fuzz/` and for the tests: there is no such module
//! in a service (`cfg(fuzzing)`).
//!
//! Each function takes bytes, as many as there are, and panics when something does not hold. It stands beside the code
//! that it is about.

#[cfg(test)]
mod tests;

pub use crate::context::properties::trace_headers;
#[cfg(feature = "auth")]
pub use crate::ext::auth::properties::access_token;
pub use crate::ext::idempotency::properties::idempotency_key;
pub use crate::jobs::{cron, job_payload};
pub use crate::redact::properties::redactor;
