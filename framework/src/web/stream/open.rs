use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::Data;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, ContextGuard, KeyValue};

use super::super::health::Health;
use super::super::signals::WebSignals;
use crate::telemetry::{self, Begun, Operation};

/// The span of what goes on after the head of an answer.
const STREAM: &str = "web.stream";
/// What is spoken on it.
pub(in super::super) const STREAM_PROTOCOL: &str = "spanbox.stream.protocol";
/// Events that were sent, or pieces of a download.
const EVENTS: &str = "spanbox.stream.events";
/// Why it ended.
const END: &str = "spanbox.stream.end";

/// What is spoken on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Protocol {
    Sse,
    WebSocket,
    Download,
}

impl Protocol {
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
            Self::Download => "download",
        }
    }
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is nothing more to send.
    Complete,
    /// The client went away.
    Disconnected,
    /// The service is about to stop.
    Draining,
    /// What was sent is not whole.
    Failed,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Disconnected => "client_disconnected",
            Self::Draining => "draining",
            Self::Failed => "failed",
        }
    }
}

/// A stream from the head of its answer to its end, which is where this is dropped.
pub(super) struct Open {
    signals: Option<Arc<WebSignals>>,
    protocol: Protocol,
    begun: Option<Begun>,
    cx: Context,
    events: i64,
    end: End,
}

impl Open {
    /// Where a handler answers, in its context.
    pub(super) fn begin(request: &HttpRequest, protocol: Protocol) -> Self {
        let signals = request.app_data::<Arc<WebSignals>>().cloned();
        if let Some(signals) = &signals {
            signals.stream_began(protocol);
        }
        let begun = telemetry::span(STREAM).attribute(STREAM_PROTOCOL, protocol.name()).begin();
        let cx = begun.as_ref().map_or_else(Context::current, |begun| begun.context().clone());
        let cx = Operation::uncounted(&cx);
        Self { signals, protocol, begun, cx, events: 0, end: End::Disconnected }
    }

    /// Makes the stream's span the current one.
    pub(super) fn enter(&self) -> ContextGuard {
        self.cx.clone().attach()
    }

    pub(super) const fn context(&self) -> &Context {
        &self.cx
    }

    /// One more was sent.
    pub(super) const fn sent(&mut self) {
        self.events += 1;
    }

    /// It has ended, and why. One that never says so has lost its client.
    pub(super) const fn ended(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(begun) = &self.begun {
            let span = begun.context().span();
            span.set_attribute(KeyValue::new(EVENTS, self.events));
            span.set_attribute(KeyValue::new(END, self.end.name()));
        }
        if let Some(signals) = &self.signals {
            signals.stream_ended(self.protocol);
        }
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// Waits until the service is about to stop.
pub(super) fn draining(request: &HttpRequest) -> Pin<Box<dyn Future<Output = ()>>> {
    match request.app_data::<Data<Health>>() {
        Some(health) => Box::pin(health.draining()),
        None => Box::pin(std::future::pending()),
    }
}
