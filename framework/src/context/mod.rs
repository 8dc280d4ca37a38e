//! Carrying the trace: into headers and out of them, and across a spawn.
//!
//! A trace context is OpenTelemetry's [`Context`](opentelemetry::Context): the current span, the baggage, and the
//! [`Telemetry`](crate::telemetry::Telemetry) of the service it belongs to. It is thread-local, so it is lost
//! wherever work moves to another task. [`spawn`] is the one way to start a task that keeps it; the lint
//! configuration of this repository forbids the others.
//!
//! ```
//! # actix_rt::System::new().block_on(async {
//! use opentelemetry::baggage::BaggageExt;
//! use opentelemetry::{Context, KeyValue};
//!
//! let cx = Context::current_with_baggage([KeyValue::new("tenant", "acme")]);
//! let _current = cx.attach();
//! let task = spanbox::context::spawn(async { Context::current().baggage().get("tenant").cloned() });
//! assert_eq!(task.await.unwrap().unwrap().as_str(), "acme");
//! # });
//! ```

mod baggage;
mod propagation;
#[cfg(any(fuzzing, test))]
pub(crate) mod properties;
mod request_id;
mod spawn;
mod trace_context;

pub(crate) use baggage::{Baggage, Border, with_allowed_baggage};
pub(crate) use propagation::{Propagators, TRACEPARENT};
pub use propagation::{extract, inject};
pub use request_id::RequestId;
pub use spawn::spawn;
pub(crate) use trace_context::TraceContext;
