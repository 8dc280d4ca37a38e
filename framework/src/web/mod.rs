//! Requests and answers: the request span, problem documents, JSON, limits.
//!
//! Every route of a [`Module`](crate::module::Module) runs inside one SERVER span named `{METHOD} {http.route}`
//! with the stable HTTP conventions, and is measured by `http.server.request.duration` and
//! `http.server.active_requests`, and with `telemetry.body_sizes` by the sizes of its bodies. An error becomes a problem document ([`Problem`]); a panic becomes a 500 and the
//! worker lives on; a client that goes away ends the span and the gauge all the same.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use spanbox::web::{Json, Problem};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Greeting {
//!     name: String,
//! }
//!
//! async fn greet(Json(greeting): Json<Greeting>) -> Result<Json<Greeting>, Problem> {
//!     if greeting.name.is_empty() {
//!         return Err(Problem::invalid("name", "must not be empty"));
//!     }
//!     Ok(Json(greeting))
//! }
//! ```
//!
//! Why not the `opentelemetry-instrumentation-actix-web` middleware: read in its source (0.25), it follows no exclusions,
//! exports the raw query and the client's address, builds every attribute before the sampler is asked, and leaks
//! `active_requests` when a request is dropped. The two have not been measured side by side. Who wraps it around routes
//! all the same gets right parents: its span is a child of ours, also when the request brings a `traceparent`.

mod around;
mod bodies;
mod client_address;
mod conditional;
mod cursor;
mod described;
mod edge;
mod exchange;
mod excluded;
mod explain;
mod extract;
mod headers;
mod health;
mod hooks;
mod host;
mod json;
mod leftover;
mod limits;
mod objects;
mod principal;
mod problem;
mod request;
mod roots;
mod route;
mod series;
mod shed;
mod signals;
pub mod stream;
#[cfg(test)]
mod tests;
mod unanswered;

pub use around::Inner;
pub use client_address::ClientAddress;
pub use conditional::{Conditions, ETag, PreconditionFailed};
pub use cursor::Cursor;
pub use extract::{Query, Settings};
pub use health::{Check, CheckReport, CheckStatus, Health, Readiness, ReadyStatus};
pub use json::Json;
pub use principal::Principal;
pub use problem::{FieldError, Problem};

pub(crate) use around::{Around, around};
pub(crate) use client_address::Proxies;
pub(crate) use edge::Edge;
#[cfg(feature = "session")]
pub(crate) use extract::parse_query;
pub(crate) use extract::path_config;
pub(crate) use health::alive;
pub(crate) use hooks::Hooks;
pub(crate) use host::LastHost;
pub(crate) use json::json_body;
pub(crate) use limits::Limits;
#[cfg(feature = "openapi")]
pub(crate) use problem::problem_type;
pub(crate) use request::{RequestLayer, RequestService, Target, without_body};
pub(crate) use route::RouteMeta;
#[cfg(feature = "client")]
pub(crate) use route::known_method;
pub(crate) use series::Series;
pub(crate) use shed::{Pressure, Shedder};
pub(crate) use signals::WebSignals;
pub(crate) use unanswered::{method_not_allowed, no_such_route};
