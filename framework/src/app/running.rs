use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::timeout;

use super::error::describe;
use super::listener::Listening;
use crate::actor::Actors;
use crate::data::Db;
use crate::telemetry::{Telemetry, ThreadGuard};
use crate::web::{Health, WebSignals};

/// A service that takes requests.
#[must_use = "a service that is dropped is not drained: call stop"]
pub struct Running {
    pub(super) name: &'static str,
    pub(super) grace: Duration,
    pub(super) flush_timeout: Duration,
    pub(super) listening: Listening,
    pub(super) health: Health,
    pub(super) signals: Arc<WebSignals>,
    pub(super) actors: Actors,
    pub(super) db: Option<Db>,
    pub(super) telemetry: Telemetry,
    pub(super) thread: Option<ThreadGuard>,
}

/// What was finished and what was abandoned when a service stopped.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// Requests that were answered after the stop began.
    pub requests_finished: usize,
    /// Requests that were cut off at the end of the grace.
    pub requests_abandoned: usize,
    /// Messages that were handled after the last request.
    pub messages_handled: u64,
    /// Messages that were still in a mailbox, or half handled, at the end of the grace.
    pub messages_abandoned: u64,
    /// Units of work that the database was still busy with.
    pub units_abandoned: usize,
    /// Whether everything recorded was handed to the exporters in time.
    pub telemetry_flushed: bool,
}

impl Running {
    pub(super) fn keep(&mut self, thread: ThreadGuard) {
        self.thread = Some(thread);
    }

    /// The addresses it listens on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.listening.addresses
    }

    /// Its actors.
    #[must_use]
    pub const fn actors(&self) -> &Actors {
        &self.actors
    }

    /// Its database, if it has one.
    #[must_use]
    pub const fn db(&self) -> Option<&Db> {
        self.db.as_ref()
    }

    /// Its telemetry.
    #[must_use]
    pub const fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(super) fn urls(&self) -> String {
        describe(&self.listening.addresses, self.listening.secure)
    }

    pub(super) fn database(&self) -> &'static str {
        self.db.as_ref().map_or("none", |db| db.backend().name())
    }

    /// Waits until the process is asked to stop (SIGTERM or Ctrl-C), then stops. A second request ends the process
    /// at once.
    ///
    /// # Errors
    ///
    /// When the signals can not be listened for.
    pub async fn run_until_signal(self) -> std::io::Result<StopReport> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
        }
        tokio::select! {
            report = self.stop() => Ok(report),
            _ = terminate.recv() => impatient(),
            _ = interrupt.recv() => impatient(),
        }
    }

    /// Stops in order: readiness, requests, mailboxes, database, telemetry. Takes `server.shutdown_grace` at most,
    /// and `telemetry.flush_timeout` after it.
    pub async fn stop(self) -> StopReport {
        let deadline = Instant::now() + self.grace;
        let mut report = StopReport::default();
        self.health.drain();

        let finished = self.signals.finished();
        // The server counts its own grace, in whole seconds; this one is exact.
        if timeout(self.grace, self.listening.handle.stop(true)).await.is_err() {
            self.listening.handle.stop(false).await;
        }
        report.requests_abandoned = self.signals.in_flight();
        report.requests_finished = self.signals.finished() - finished;
        if let Ok(Err(error)) = self.listening.task.await {
            tracing::error!(%error, "the listener ended with an error");
        }

        let drained = self.actors.drain(deadline).await;
        report.messages_handled = drained.handled;
        report.messages_abandoned = drained.abandoned;

        if let Some(db) = &self.db {
            report.units_abandoned =
                db.close(deadline.saturating_duration_since(Instant::now())).await.abandoned;
        }
        tracing::info!(
            service = self.name,
            requests_finished = report.requests_finished,
            requests_abandoned = report.requests_abandoned,
            messages_handled = report.messages_handled,
            messages_abandoned = report.messages_abandoned,
            units_abandoned = report.units_abandoned,
            "stopped"
        );
        report.telemetry_flushed = self.telemetry.shutdown(self.flush_timeout).is_complete();
        report
    }
}

fn impatient() -> ! {
    tracing::warn!("asked to stop a second time: leaving at once");
    std::process::exit(130)
}
