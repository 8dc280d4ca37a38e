use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use opentelemetry::{InstrumentationScope, logs::Severity};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tokio::sync::watch;

use super::client::Cause;
use super::outage::{LateDispatch, Outage};
use super::tally::Tally;
use super::target::Target;
use super::worker::Worker;

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

    /// One export, which counts for so many of what was accepted and holds so many items, to its end: success, failure,
    /// the timeout or the cut-off.
    ///
    /// An export that met a connection which the other side had closed is made again, once. The exporter retries
    /// what the collector asks to have retried, but takes this, over gRPC, for a final answer.
    pub(super) async fn send<F>(
        &self,
        (count, items): (u64, u64),
        mut export: impl FnMut() -> F,
    ) -> OTelSdkResult
    where
        F: Future<Output = OTelSdkResult>,
    {
        let attempts = async {
            match export().await {
                Err(error) if is_stale_connection(&error) => export().await,
                other => other,
            }
        };
        let began = Instant::now();
        self.tally.export_begins(items);
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
        self.tally.export_ended(items, began.elapsed(), &result);
        self.outage.overflowed(Instant::now(), self.tally.dropped.load(Ordering::Relaxed), &self.logs);
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

impl<E: LogExporter> LogExporter for Relay<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records: Vec<_> = batch.iter().collect();
        let count = records.len() as u64;
        self.line.send((count, count), || self.exporter.export(LogBatch::new(&records))).await
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
        self.line.send((1, points(metrics)), || self.exporter.export(metrics)).await
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

/// The data points of all metrics.
fn points(metrics: &ResourceMetrics) -> u64 {
    fn of<T>(data: &MetricData<T>) -> usize {
        match data {
            MetricData::Gauge(gauge) => gauge.data_points().count(),
            MetricData::Sum(sum) => sum.data_points().count(),
            MetricData::Histogram(histogram) => histogram.data_points().count(),
            MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
        }
    }
    let metrics = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
    let points = metrics.map(|metric| match metric.data() {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    });
    points.sum::<usize>() as u64
}

/// Counts what a processor is given, and drops what its queue cannot hold: that of the SDK tells nobody of it.
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

impl<P: LogProcessor> LogProcessor for Counted<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.tally.admit() {
            self.processor.emit(record, scope);
        }
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
