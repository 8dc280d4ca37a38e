use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::sync::watch;

use super::handle::{Providers, Telemetry};
use super::keep::Held;
use super::prometheus::Scrape;
use super::sampler::Head;
use super::tally::Tally;

/// What a [`Telemetry`] that exports knows of its exporters.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) cutoff: watch::Sender<Option<Instant>>,
    pub(super) spans: Arc<Tally>,
    pub(super) metrics: Arc<Tally>,
    pub(super) logs: Arc<Tally>,
    /// What decides which spans are recorded.
    pub(super) head: Option<Head>,
    /// Where traces that are not sampled wait for their end, if they do.
    pub(super) held: Option<Arc<Held>>,
    /// Where metrics are read from for whoever scrapes them.
    pub(super) scrape: Option<Scrape>,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            cutoff: watch::Sender::new(None),
            spans: Arc::default(),
            metrics: Arc::default(),
            logs: Arc::default(),
            head: None,
            held: None,
            scrape: None,
        }
    }
}

/// What became of one signal over the life of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalReport {
    /// What the collector confirmed: spans, log records, or exports of all metrics.
    pub sent: u64,
    /// What was recorded and did not arrive: in exports that failed, dropped from a full queue, or left at the end.
    pub lost: u64,
}

/// How the end of a service's telemetry went.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Spans.
    pub spans: SignalReport,
    /// Exports of all metrics.
    pub metrics: SignalReport,
    /// Log records.
    pub logs: SignalReport,
    /// Whether all exporters were done, successful or not, before the timeout.
    pub in_time: bool,
    /// How long it took.
    pub duration: Duration,
}

impl ShutdownReport {
    /// Whether nothing was lost.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.in_time && self.spans.lost + self.metrics.lost + self.logs.lost == 0
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spans, metrics, logs, .. } = self;
        write!(
            f,
            "spans {} sent, {} lost; metrics {} sent, {} lost; logs {} sent, {} lost; {} ms",
            spans.sent,
            spans.lost,
            metrics.sent,
            metrics.lost,
            logs.sent,
            logs.lost,
            self.duration.as_millis()
        )
    }
}

impl Telemetry {
    /// Sends what is left and stops recording. Blocks the calling thread, whichever it is, for at most `timeout`.
    ///
    /// What cannot be sent by then is given up and counted as lost. A second call finds nothing to do.
    pub fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        let start = Instant::now();
        self.tell_repeats();
        if let Some(pipeline) = self.pipeline() {
            // A little earlier than the timeout, so that what is given up is also counted.
            pipeline.cutoff.send_replace(Some(start + timeout.mul_f64(0.95)));
        }
        let (in_time, _) =
            on_each(self.providers(), start + timeout, timeout, |provider, timeout| match provider {
                Provider::Traces(it) => it.shutdown_with_timeout(timeout),
                Provider::Metrics(it) => it.shutdown_with_timeout(timeout),
                Provider::Logs(it) => it.shutdown_with_timeout(timeout),
            });
        let report =
            |tally: fn(&Pipeline) -> &Tally| self.pipeline().map(|it| tally(it).report()).unwrap_or_default();
        ShutdownReport {
            spans: report(|it| &it.spans),
            metrics: report(|it| &it.metrics),
            logs: report(|it| &it.logs),
            in_time,
            duration: start.elapsed(),
        }
    }

    /// Sends what has been recorded so far. Blocks the calling thread for at most `timeout`.
    ///
    /// True when everything was sent in time.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        let (in_time, sent) =
            on_each(self.providers(), Instant::now() + timeout, timeout, |provider, _| match provider {
                Provider::Traces(it) => it.force_flush(),
                Provider::Metrics(it) => it.force_flush(),
                Provider::Logs(it) => it.force_flush(),
            });
        in_time && sent
    }
}

impl Tally {
    fn report(&self) -> SignalReport {
        let sent = self.sent.load(Ordering::Relaxed);
        let unsent = self.accepted.load(Ordering::Relaxed).saturating_sub(sent);
        SignalReport { sent, lost: unsent.max(self.failed.load(Ordering::Relaxed)) }
    }
}

enum Provider {
    Traces(opentelemetry_sdk::trace::SdkTracerProvider),
    Metrics(opentelemetry_sdk::metrics::SdkMeterProvider),
    Logs(opentelemetry_sdk::logs::SdkLoggerProvider),
}

/// Calls all providers at once, on threads of their own, since some of the SDK's calls know no timeout.
///
/// Answers whether all were done by the deadline, and whether all that were went well.
fn on_each(
    providers: &Providers,
    deadline: Instant,
    timeout: Duration,
    call: fn(Provider, Duration) -> OTelSdkResult,
) -> (bool, bool) {
    let (done, results) = mpsc::channel();
    let mut started = 0;
    let Providers { traces, metrics, logs } = providers.clone();
    let providers = [traces.map(Provider::Traces), metrics.map(Provider::Metrics), logs.map(Provider::Logs)]
        .into_iter()
        .flatten();
    for provider in providers {
        let done = done.clone();
        let thread = std::thread::Builder::new().name("spanbox-flush".to_owned());
        started += 1;
        // A thread that cannot be started sends nothing, and counts as not in time.
        let _ = thread.spawn(move || {
            let result = match call(provider, timeout) {
                Err(OTelSdkError::AlreadyShutdown) => Ok(()),
                other => other,
            };
            let _ = done.send(result.is_ok());
        });
    }
    drop(done);
    let mut well = true;
    for _ in 0..started {
        match results.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(ok) => well &= ok,
            Err(_) => return (false, false),
        }
    }
    (true, well)
}
