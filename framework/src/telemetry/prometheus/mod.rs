//! A service's metrics as Prometheus scrapes them.
//!
//! They are those that are pushed by OTLP, read from the same aggregation when it is cumulative. Names are made by
//! OpenTelemetry's rules of compatibility: `http.server.request.duration` in seconds is
//! `http_server_request_duration_seconds`, a counter ends in `_total`, and `target_info` has the resource. There are no
//! exemplars, because the SDK (0.33) collects none.

mod names;
mod scrape;
mod text;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "testing"))]
pub(crate) use names::{Kind, family, label};
pub use scrape::Exposition;
pub(super) use scrape::Scrape;
