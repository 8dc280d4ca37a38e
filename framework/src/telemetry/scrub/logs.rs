use std::time::Duration;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};

use super::Scrubber;
use crate::context::RequestId;

/// Scrubs log records on their way to a processor.
#[derive(Debug)]
pub(in crate::telemetry) struct ScrubbedLogs<P> {
    scrubber: Scrubber,
    /// Attributes of a record.
    most: usize,
    processor: P,
    /// The SDK lets nobody take an attribute off a record, nor make an empty record, except for a logger.
    empty: SdkLogger,
}

impl<P> ScrubbedLogs<P> {
    pub(in crate::telemetry) fn new(scrubber: Scrubber, most: usize, processor: P) -> Self {
        Self { scrubber, most, processor, empty: SdkLoggerProvider::builder().build().logger("") }
    }

    fn scrub(&self, record: &mut SdkLogRecord) {
        if let Some(body) = record.body().and_then(|body| self.scrubber.any(body)) {
            record.set_body(body);
        }
        let changed: Vec<Option<AnyValue>> =
            record.attributes_iter().map(|(key, value)| self.scrubber.named(key, value)).collect();
        if changed.len() > self.most || changed.iter().any(Option::is_some) {
            *record = self.with_attributes(record, changed);
        }
    }

    /// The record with other values in the place of some of its attributes', and no more of them than there may be.
    fn with_attributes(&self, record: &SdkLogRecord, changed: Vec<Option<AnyValue>>) -> SdkLogRecord {
        let mut new = self.empty.create_log_record();
        record.event_name().into_iter().for_each(|name| new.set_event_name(name));
        record.target().into_iter().for_each(|target| new.set_target(target.clone()));
        record.timestamp().into_iter().for_each(|at| new.set_timestamp(at));
        record.observed_timestamp().into_iter().for_each(|at| new.set_observed_timestamp(at));
        record.severity_text().into_iter().for_each(|text| new.set_severity_text(text));
        record.severity_number().into_iter().for_each(|number| new.set_severity_number(number));
        record.body().into_iter().for_each(|body| new.set_body(body.clone()));
        if let Some(trace) = record.trace_context() {
            new.set_trace_context(trace.trace_id, trace.span_id, trace.trace_flags);
        }
        let attributes = record.attributes_iter().zip(changed).take(self.most);
        new.add_attributes(
            attributes.map(|((key, value), changed)| (key.clone(), changed.unwrap_or_else(|| value.clone()))),
        );
        new
    }
}

impl<P: LogProcessor> LogProcessor for ScrubbedLogs<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if let Some(request) = Context::map_current(|cx| cx.get::<RequestId>().cloned()) {
            record.add_attribute("spanbox.request.id", request.as_str().to_owned());
        }
        self.scrub(record);
        self.processor.emit(record, scope);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.processor.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}
