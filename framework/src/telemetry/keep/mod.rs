//! Traces that are not sampled and turn out to matter.
//!
//! The sampler has them recorded without the sampled flag, so that nobody else is told to record them, and
//! [`Receivers`] holds back what has ended until nothing of the trace is open in this process. Then it is known whether
//! it matters.

mod held;
mod reason;
mod size;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::Span as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

pub(super) use held::Held;
pub(crate) use held::Hold;

use super::scrub::Scrubber;

/// All receivers of spans. They get what is sampled at once, and the rest if it is kept; both scrubbed.
#[derive(Debug)]
pub(super) struct Receivers {
    held: Option<Arc<Held>>,
    scrubber: Scrubber,
    receivers: Vec<Box<dyn SpanProcessor>>,
}

impl Receivers {
    pub(super) fn new(
        held: Option<Arc<Held>>,
        scrubber: Scrubber,
        receivers: Vec<Box<dyn SpanProcessor>>,
    ) -> Self {
        Self { held, scrubber, receivers }
    }

    /// Scrubs it, once for all, and gives each a copy but the last, which is to get the span itself.
    fn shared(&self, span: &mut SpanData) -> Option<&dyn SpanProcessor> {
        let (last, others) = self.receivers.split_last()?;
        self.scrubber.span(span);
        others.iter().for_each(|receiver| receiver.on_end(span.clone()));
        Some(last.as_ref())
    }

    /// Does it to all, also when it fails for one; answers the first failure.
    fn each(&self, what: impl Fn(&dyn SpanProcessor) -> OTelSdkResult) -> OTelSdkResult {
        self.receivers.iter().map(|receiver| what(receiver.as_ref())).fold(Ok(()), Result::and)
    }
}

impl SpanProcessor for Receivers {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        if let Some(held) = &self.held
            && !span.span_context().is_sampled()
        {
            held.begin(span.span_context().trace_id());
        }
        self.receivers.iter().for_each(|receiver| receiver.on_start(span, cx));
    }

    fn on_end(&self, mut span: SpanData) {
        match &self.held {
            Some(held) if !span.span_context.is_sampled() => {
                for mut kept in held.end(span) {
                    if let Some(last) = self.shared(&mut kept) {
                        last.on_end(kept);
                    }
                }
            }
            _ => {
                if let Some(last) = self.shared(&mut span) {
                    last.on_end(span);
                }
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.each(|receiver| receiver.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.each(|receiver| receiver.shutdown_with_timeout(timeout))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.receivers.iter_mut().for_each(|receiver| receiver.set_resource(resource));
    }
}
