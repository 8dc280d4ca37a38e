use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::Status;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::Scrubber;

impl Scrubber {
    /// The name, the attributes, the events, the links and the status of a span.
    pub(in crate::telemetry) fn span(&self, span: &mut SpanData) {
        self.text(&mut span.name);
        self.attributes(&mut span.attributes);
        for event in &mut span.events.events {
            self.text(&mut event.name);
            self.attributes(&mut event.attributes);
        }
        for link in &mut span.links.links {
            self.attributes(&mut link.attributes);
        }
        if let Status::Error { description } = &mut span.status {
            self.text(description);
        }
    }
}

/// Scrubs a span when it ends, once, for all that are to have it.
#[derive(Debug)]
pub(in crate::telemetry) struct ScrubbedSpans {
    scrubber: Scrubber,
    receivers: Vec<Box<dyn SpanProcessor>>,
}

impl ScrubbedSpans {
    pub(in crate::telemetry) fn new(scrubber: Scrubber, receivers: Vec<Box<dyn SpanProcessor>>) -> Self {
        Self { scrubber, receivers }
    }

    /// The first failure, after all have been called.
    fn each(&self, call: impl Fn(&(dyn SpanProcessor + 'static)) -> OTelSdkResult) -> OTelSdkResult {
        let mut result = Ok(());
        for receiver in &self.receivers {
            result = result.and(call(receiver.as_ref()));
        }
        result
    }
}

impl SpanProcessor for ScrubbedSpans {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        for receiver in &self.receivers {
            receiver.on_start(span, cx);
        }
    }

    fn on_end(&self, mut span: SpanData) {
        let Some((last, others)) = self.receivers.split_last() else { return };
        self.scrubber.span(&mut span);
        for receiver in others {
            receiver.on_end(span.clone());
        }
        last.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.each(SpanProcessor::force_flush)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.each(|receiver| receiver.shutdown_with_timeout(timeout))
    }

    fn set_resource(&mut self, resource: &Resource) {
        for receiver in &mut self.receivers {
            receiver.set_resource(resource);
        }
    }
}
