//! `#[spanbox::traced]`, and what may be said of the span that is current.

mod errors;
mod guard;
mod recorded;
mod shapes;

use std::io;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceState};
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::trace::SpanData;
use spanbox::telemetry::{ServiceInfo, Setup, Telemetry, ThreadGuard};
use spanbox::testing::{Capture, Spans};

/// A service whose telemetry is that of the test's thread.
struct Service {
    telemetry: Telemetry,
    capture: Capture,
    _logs: ThreadGuard,
    _current: ContextGuard,
}

impl Service {
    fn new() -> Self {
        let capture = Capture::new();
        let telemetry = Setup::new(ServiceInfo::new("orders", "1.0.0"))
            .environment([])
            .log_writer(io::sink())
            .span_processor(capture.clone())
            .build()
            .unwrap();
        Self { _logs: telemetry.enter_thread(), _current: telemetry.root().attach(), telemetry, capture }
    }

    /// A context in a trace that is not recorded.
    fn unsampled(&self) -> Context {
        let parent = SpanContext::new(1.into(), 2.into(), TraceFlags::default(), true, TraceState::NONE);
        self.telemetry.root().with_remote_span_context(parent)
    }

    /// The one span of a name that has ended.
    fn span(&self, name: &str) -> SpanData {
        let spans = self.capture.spans();
        let found: Vec<_> = spans.named(name).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:?}");
        found[0].clone()
    }

    fn attribute(&self, name: &str, key: &str) -> Option<String> {
        Spans::attribute(&self.span(name), key)
    }

    /// The name of the span above one.
    fn parent(&self, name: &str) -> Option<String> {
        let spans = self.capture.spans();
        spans.parent(&self.span(name)).map(|above| above.name.to_string())
    }
}

fn current_id() -> SpanId {
    Context::map_current(|cx| cx.span().span_context().span_id())
}
