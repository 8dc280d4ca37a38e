use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::trace::Spans;

/// Keeps every span that one service exports, and knows those that have begun and not ended.
#[derive(Clone, Debug)]
pub struct Capture {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<SpanId, String>,
    ended: Vec<SpanData>,
}

impl Capture {
    /// Nothing captured yet.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Arc::new(Inner { state: Mutex::default(), changes: watch::Sender::new(0) }) }
    }

    /// The spans that have ended.
    #[must_use]
    pub fn spans(&self) -> Spans {
        Spans::new(self.inner.state.lock().ended.clone())
    }

    /// The names of the spans that have begun and not ended.
    #[must_use]
    pub fn open(&self) -> Vec<String> {
        self.inner.state.lock().open.values().cloned().collect()
    }

    /// Forgets what has ended.
    pub fn clear(&self) {
        self.inner.state.lock().ended.clear();
    }

    /// Waits until the spans are as asked for and gives what was found.
    ///
    /// # Errors
    ///
    /// The spans as they are at the end of `within`, when it never was so.
    pub async fn wait_for<T>(
        &self,
        within: Duration,
        mut found: impl FnMut(&Spans) -> Option<T>,
    ) -> Result<T, Spans> {
        let mut changes = self.inner.changes.subscribe();
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let spans = self.spans();
            if let Some(value) = found(&spans) {
                return Ok(value);
            }
            if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(spans);
            }
        }
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

impl SpanProcessor for Capture {
    fn on_start(&self, span: &mut Span, _cx: &Context) {
        // It comes back only if its trace is kept.
        if !span.span_context().is_sampled() {
            return;
        }
        let id = span.span_context().span_id();
        let name = span.exported_data().map_or_else(String::new, |data| data.name.into_owned());
        self.inner.state.lock().open.insert(id, name);
    }

    fn on_end(&self, span: SpanData) {
        let mut state = self.inner.state.lock();
        state.open.remove(&span.span_context.span_id());
        state.ended.push(span);
        drop(state);
        self.inner.changes.send_modify(|count| *count += 1);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
