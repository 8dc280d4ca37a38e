mod collected;
mod gate;
#[cfg(test)]
mod sdk_tests;
#[cfg(test)]
mod secure_tests;
mod servers;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{oneshot, watch};

use self::collected::Collected;
pub use self::collected::{ReceivedEvent, ReceivedLog, ReceivedSpan};

/// A collector for tests: it takes OTLP over gRPC and over HTTP/protobuf on two free ports of `127.0.0.1`, and keeps
/// what it gets.
///
/// It has a thread of its own, which ends when it is dropped, and it can be made to fail: see [`ReceiverMode`].
///
/// ```
/// use std::time::Duration;
/// use spanbox::telemetry::{self, ServiceInfo, Setup};
/// use spanbox::testing::OtlpReceiver;
///
/// let receiver = OtlpReceiver::start()?;
/// let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), receiver.http_endpoint());
/// let telemetry = Setup::new(ServiceInfo::new("orders", "1.0.0")).environment([endpoint]).build()?;
/// telemetry::span("not in the service's context").in_scope(|_| ());
/// {
///     let _current = telemetry.root().attach();
///     telemetry::span("calculate_analytics").in_scope(|_| ());
/// }
/// assert_eq!(telemetry.shutdown(Duration::from_secs(5)).spans.sent, 1);
/// assert_eq!(receiver.spans()[0].name, "calculate_analytics");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OtlpReceiver {
    scheme: &'static str,
    grpc: SocketAddr,
    http: SocketAddr,
    store: Arc<Store>,
    mode: Arc<watch::Sender<ReceiverMode>>,
    /// Both gates tell here which mode they are in.
    reached: mpsc::Receiver<ReceiverMode>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What a receiver does with those who call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiverMode {
    /// Takes what it is sent.
    #[default]
    Up,
    /// Refuses connections, and has cut those that were open.
    Down,
    /// Accepts connections and never answers.
    Hang,
    /// Answers with an error that a client does not retry.
    Error,
    /// Answers every other export with an error after which a client sends it again.
    Busy,
}

/// What has come in, and who waits for it.
#[derive(Debug, Default)]
struct Store {
    collected: Mutex<Collected>,
    changed: Condvar,
}

impl OtlpReceiver {
    /// Starts a receiver.
    ///
    /// # Errors
    ///
    /// When there is no free port or no thread to be had.
    pub fn start() -> io::Result<Self> {
        Self::with(None)
    }

    /// Starts a receiver that takes encrypted connections alone: with this certificate, and from whom this lets in.
    ///
    /// # Errors
    ///
    /// Those of [`OtlpReceiver::start`].
    pub fn start_tls(tls: rustls::ServerConfig) -> io::Result<Self> {
        Self::with(Some(tls))
    }

    fn with(tls: Option<rustls::ServerConfig>) -> io::Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let store = Arc::new(Store::default());
        let mode = Arc::new(watch::Sender::new(ReceiverMode::Up));
        let (started, addresses) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let (reach, reached) = mpsc::channel();
        let thread = std::thread::Builder::new().name("otlp-receiver".to_owned()).spawn({
            let (store, mode) = (store.clone(), mode.clone());
            move || servers::run(store, &mode, &reach, &started, stopped, tls)
        })?;
        let (grpc, http) =
            addresses.recv().map_err(|_| io::Error::other("the receiver's thread is gone"))??;
        Ok(Self { scheme, grpc, http, store, mode, reached, stop: Some(stop), thread: Some(thread) })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT` with the protocol `grpc`.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.grpc)
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT` with the protocol `http/protobuf`.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.http)
    }

    /// Changes what the receiver does; when this returns, it does so.
    ///
    /// Open connections are cut, except between `Up`, `Error` and `Busy`.
    pub fn set_mode(&self, mode: ReceiverMode) {
        if self.mode.send_replace(mode) == mode {
            return;
        }
        // Both gates; an error means that the thread is gone, and it is as down as can be.
        for _ in 0..2 {
            while self.reached.recv().is_ok_and(|reached| reached != mode) {}
        }
    }

    /// The spans that have come in, in their order.
    #[must_use]
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.store.collected.lock().spans.clone()
    }

    /// How many spans have come in.
    #[must_use]
    pub fn span_count(&self) -> usize {
        self.store.collected.lock().spans.len()
    }

    /// The log records that have come in, in their order.
    #[must_use]
    pub fn logs(&self) -> Vec<ReceivedLog> {
        self.store.collected.lock().logs.clone()
    }

    /// The names of the metrics that have come in, sorted, each once.
    #[must_use]
    pub fn metrics(&self) -> Vec<String> {
        self.store.collected.lock().metrics.keys().cloned().collect()
    }

    /// How many requests were answered by now, well or with an error.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.store.collected.lock().requests
    }

    /// A header of the last request, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.store.collected.lock().headers.get(name).cloned()
    }

    /// Blocks until the spans that have come in satisfy the condition, and returns them.
    ///
    /// # Errors
    ///
    /// The spans that came in, when they did not satisfy the condition in time.
    pub fn wait_for(
        &self,
        condition: impl Fn(&[ReceivedSpan]) -> bool,
        within: Duration,
    ) -> Result<Vec<ReceivedSpan>, Vec<ReceivedSpan>> {
        let deadline = Instant::now() + within;
        let mut collected = self.store.collected.lock();
        while !condition(&collected.spans) {
            if self.store.changed.wait_until(&mut collected, deadline).timed_out() {
                return Err(collected.spans.clone());
            }
        }
        Ok(collected.spans.clone())
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
