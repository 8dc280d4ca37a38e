//! Traces, metrics and logs of one service: how they are made, sampled, written and sent, and flushed at the end.
//!
//! [`Setup`] reads `[telemetry]`, `[log]` and the `OTEL_*` variables, and makes a [`Telemetry`], which the parts of
//! the service carry. Nothing is global; two services in one process do not mix.
//!
//! - **Where it goes.** OTLP by gRPC or HTTP/protobuf, to `OTEL_EXPORTER_OTLP_ENDPOINT`, to the endpoints of the
//!   single signals, or to `telemetry.endpoint`; variables win over settings. Without a protocol, an endpoint on
//!   port 4317 is spoken to by gRPC, any other by HTTP. `OTEL_{TRACES,METRICS,LOGS}_EXPORTER=none` switches a
//!   signal off.
//! - **How.** The headers are those of `OTEL_EXPORTER_OTLP_HEADERS` or `telemetry.headers`; `SCOUT_API_KEY` is one more,
//!   a bearer token, which goes over https and to this machine alone. `…_COMPRESSION` is `gzip`, `zstd` or `none`. With
//!   https the collector is checked against the system's roots, or those of `…_CERTIFICATE` in their place;
//!   `…_CLIENT_CERTIFICATE` and `…_CLIENT_KEY` are shown to one that asks who calls. All three are files in PEM; one that
//!   cannot be used is an error before anything starts.
//! - **Variables** are read as the specification says: an empty one is unset, and one that says something invalid is
//!   warned of once and then counts as unset, too, so that the next one holds. [`Setup::variables`] tells what becomes of
//!   each, as the command `config` does.
//! - **Without an endpoint** nothing is exported, retried or complained about. Spans still have ids, so that a log
//!   line and a problem document can be found by their trace.
//! - **What is sampled.** A caller's decision is followed; of the traces that begin here, the share that the route, its
//!   module or the service has (`telemetry.sampling`, `telemetry.sample_ratio`), decided by the trace's id before anything
//!   is built for it. `OTEL_TRACE_SAMPLE_RATE` wins over the service's share, `OTEL_TRACES_SAMPLER` over all of them.
//! - **What is kept.** A trace that is not sampled is recorded in memory, unless `telemetry.keep.enabled` is false, until
//!   nothing of it is open in this process: no span, and no message on its way to an actor. With an error, a panic or a
//!   slow beginning in it, all of it is exported (`spanbox.kept` on the span that began it says why), else nothing. Others
//!   are told that it is not sampled. A job that runs later is decided about by itself, as is whatever begins when
//!   the trace has been thrown away: its spans have the ids of the trace, which without the others has a gap before them.
//!   Undecided spans are held to a budget (`telemetry.keep.max_bytes`); what falls out is counted in
//!   `spanbox.keep.dropped`. `OTEL_TRACES_SAMPLER=always_off` asks for no traces, and none is kept.
//! - **Who is followed.** `telemetry.trust`, by the address of who holds the other end of the connection. A caller who is
//!   not trusted begins a trace of its own here, with a link to the caller's span; neither its sampled flag nor its
//!   baggage counts. The `production` profile trusts nobody: whatever faces the internet must not have its traces and
//!   its bill decided by strangers, and a gateway passes their headers on unless told otherwise. A service that only
//!   others of the same team call, or whose gateway makes or checks `traceparent` itself, sets `trust = "all"` or
//!   the networks of its callers, so that their traces go on here.
//! - **Exporters have a thread and runtime of their own** (`spanbox-otlp`), so that [`Telemetry::shutdown`] may be
//!   called on any thread and ends in time, whatever the collector does. A failing export is logged once, then at
//!   most once a minute with what was lost, and when it is over.
//! - **`OTEL_SDK_DISABLED=true`**, or `telemetry.enabled = false`: nothing is recorded; trace context still passes
//!   through, and logs go to stderr.
//! - **Nothing leaves as it is.** In front of every exporter, and of the lines on stderr, a
//!   [`Redactor`](crate::redact::Redactor) hides what is personal or secret, and what is too long is cut:
//!   `[telemetry.redact]` and `[telemetry.limits]`.
//! - **Logs.** Every `tracing` record is one line on stderr, with the ids of the span that is current in
//!   OpenTelemetry's context; control characters are escaped. What one place in the code logs again and again is held
//!   back and counted: `[telemetry.logs]`. `tracing` spans and OpenTelemetry's are each other's
//!   parents and children.
//! - **Spans of your own.** [`traced`](crate::traced) for a function, [`span`] for a future or a block; [`set_attribute`],
//!   [`add_event`], [`add_link`] and [`record_error`] for the one that is current, [`trace_id`] for who asks for support.
//!
//! ```
//! use opentelemetry::trace::TraceContextExt;
//! use spanbox::telemetry::{self, ServiceInfo, Setup};
//!
//! let telemetry = Setup::new(ServiceInfo::new("orders", "1.0.0"))
//!     .environment([("OTEL_SERVICE_NAME".to_owned(), "orders-eu".to_owned())])
//!     .build()?;
//! let _current = telemetry.root().attach();
//! let _logs = telemetry.enter_thread();
//! telemetry::span("calculate_analytics").attribute("orders", 2).in_scope(|cx| {
//!     assert!(cx.span().span_context().is_valid());
//!     tracing::info!(orders = 2, "calculated");
//! });
//! let report = telemetry.shutdown(std::time::Duration::from_secs(1));
//! assert!(report.is_complete());
//! # Ok::<(), telemetry::TelemetryError>(())
//! ```

mod attribute;
mod begun;
mod bound;
mod build;
mod client;
mod console;
mod current;
mod environment;
mod error;
mod grpc;
mod handle;
mod headers;
mod keep;
mod levels;
mod line;
mod operation;
mod outage;
mod outbox;
#[doc(hidden)]
pub mod outcome;
mod pairs;
mod panic;
mod pipeline;
mod plan;
mod probe;
mod process;
mod prometheus;
mod relay;
mod repeats;
mod resource;
mod runtimes;
mod sampler;
mod scrub;
mod setup;
mod span;
mod subscriber;
mod tally;
mod target;
mod tls;
#[doc(hidden)]
pub mod traced;
mod unrecorded;
mod variables;
mod wire;
mod worker;

#[cfg(test)]
mod tests;

pub use attribute::AttributeValue;
pub(crate) use begun::Begun;
pub(crate) use bound::{Bound, BoundBy};
pub use current::{add_event, add_link, record_error, set_attribute, set_attributes, trace_id};
pub use error::TelemetryError;
pub(crate) use handle::nobody;
pub use handle::{Providers, Telemetry, ThreadGuard};
pub(crate) use keep::Hold;
pub use levels::LogLevels;
pub(crate) use operation::{Asking, Operation};
pub(crate) use panic::panic_message;
pub use pipeline::{ShutdownReport, SignalReport};
pub(crate) use probe::Probe;
pub use prometheus::Exposition;
#[cfg(any(test, feature = "testing"))]
pub(crate) use prometheus::{Kind, family, label};
pub use resource::ServiceInfo;
pub use setup::Setup;
pub(crate) use span::is_unwanted;
pub use span::{ScopedSpan, SpanGuard, span, unrecorded};
pub use variables::{Standing, Variable};

/// The target of what this module logs.
const TARGET: &str = "spanbox::telemetry";
