use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::{Context, InstrumentationScope, logs::Severity};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::sync::watch;

use super::client::Cause;
use super::outage::{LateDispatch, Outage};
use super::target::Target;
use super::worker::Worker;

/// What became of one signal.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Given to the processor. Not counted for metrics, which have none.
    pub(super) accepted: AtomicU64,
    /// In exports that the collector confirmed.
    pub(super) sent: AtomicU64,
    /// In exports that failed.
    pub(super) failed: AtomicU64,
}

/// What all exports of one signal share: the worker they run on, their deadlines, and the accounts.
pub(super) struct Line {
    worker: Arc<Worker>,
    timeout: Duration,
    /// When the service wants to be gone, once that is known.
    cutoff: watch::Receiver<Option<Instant>>,
    tally: Arc<Tally>,
    outage: Outage,
    cause: Cause,
    logs: Arc<LateDispatch>,
}

impl Line {
    pub(super) fn new(
        target: &Target,
        worker: Arc<Worker>,
        cutoff: watch::Receiver<Option<Instant>>,
        tally: Arc<Tally>,
        cause: Cause,
        logs: Arc<LateDispatch>,
    ) -> Self {
        let outage = Outage::new(target.signal.noun(), target.endpoint.clone());
        Self { worker, timeout: target.timeout, cutoff, tally, outage, cause, logs }
    }

    /// One export of `count` items, to its end: success, failure, the timeout or the cut-off.
    ///
    /// An export that met a connection which the other side had closed is made again, once. The exporter retries
    /// what the collector asks to have retried, but takes this, over gRPC, for a final answer.
    async fn send<F>(&self, count: u64, mut export: impl FnMut() -> F) -> OTelSdkResult
    where
        F: Future<Output = OTelSdkResult>,
    {
        let attempts = async {
            match export().await {
                Err(error) if is_stale_connection(&error) => export().await,
                other => other,
            }
        };
        let result = self
            .worker
            .drive(async {
                tokio::select! {
                    // The cut-off first: past it, nothing is even begun.
                    biased;
                    () = self.cut_off() => Err(OTelSdkError::InternalFailure("the service is stopping".into())),
                    result = tokio::time::timeout(self.timeout, attempts) => {
                        result.unwrap_or(Err(OTelSdkError::Timeout(self.timeout)))
                    }
                }
            })
            .await;
        match &result {
            Ok(()) => {
                self.tally.sent.fetch_add(count, Ordering::Relaxed);
                self.outage.succeeded(&self.logs);
            }
            Err(error) => {
                self.tally.failed.fetch_add(count, Ordering::Relaxed);
                let mut reason = error.to_string();
                if let Some(cause) = self.cause.take() {
                    reason = format!("{reason}: {cause}");
                }
                self.outage.failed(Instant::now(), count, &reason, &self.logs);
            }
        }
        result
    }

    async fn cut_off(&self) {
        let mut cutoff = self.cutoff.clone();
        // An error means that nobody is left to set one.
        let Ok(at) = cutoff.wait_for(Option::is_some).await.map(|at| *at) else {
            return std::future::pending().await;
        };
        if let Some(at) = at {
            tokio::time::sleep_until(at.into()).await;
        }
    }
}

/// The error is text only. What this does not recognise is not retried, as without it.
fn is_stale_connection(error: &OTelSdkError) -> bool {
    matches!(error, OTelSdkError::InternalFailure(text) if text.contains("transport error: connection error"))
}

/// An exporter whose exports run on a [`Line`].
pub(super) struct Relay<E> {
    exporter: E,
    line: Line,
}

impl<E> Relay<E> {
    pub(super) fn new(exporter: E, line: Line) -> Self {
        Self { exporter, line }
    }
}

impl<E> fmt::Debug for Relay<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("outage", &self.line.outage).finish_non_exhaustive()
    }
}

impl<E: SpanExporter> SpanExporter for Relay<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        // The exporter itself clones the batch for each attempt it makes; one more is no more than that.
        self.line.send(batch.len() as u64, || self.exporter.export(batch.clone())).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Relay<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records: Vec<_> = batch.iter().collect();
        self.line.send(records.len() as u64, || self.exporter.export(LogBatch::new(&records))).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Relay<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.line.send(1, || self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

/// Counts what a processor is given: the batch processors drop what their queue cannot hold and tell nobody.
#[derive(Debug)]
pub(super) struct Counted<P> {
    processor: P,
    tally: Arc<Tally>,
}

impl<P> Counted<P> {
    pub(super) fn new(processor: P, tally: Arc<Tally>) -> Self {
        Self { processor, tally }
    }
}

impl<P: SpanProcessor> SpanProcessor for Counted<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.processor.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        self.tally.accepted.fetch_add(1, Ordering::Relaxed);
        self.processor.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

impl<P: LogProcessor> LogProcessor for Counted<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.tally.accepted.fetch_add(1, Ordering::Relaxed);
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
