use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::trace::FutureExt as _;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::Signals;
use super::error::describe;
use super::listener::Listening;
use super::reload::Reload;
use super::signals::Request;
use super::stops::Stops;
use crate::actor::Actors;
use crate::data::Db;
use crate::jobs::Runner;
use crate::management::Management;
use crate::telemetry::{self, Telemetry, ThreadGuard};
use crate::web::{Health, WebSignals};

/// How late the server may notice that its last worker has ended.
const SERVER_STEP: Duration = Duration::from_millis(1500);

/// Within this a second signal is the first one.
const SAME_SIGNAL: Duration = Duration::from_millis(250);

/// How long without a request is long enough.
const QUIET: Duration = Duration::from_secs(1);

/// What the database gets for the units that are running when there is no grace left.
const LAST_UNITS: Duration = Duration::from_secs(1);

/// A service that takes requests.
#[must_use = "a service that is dropped is not drained: call stop"]
pub struct Running {
    pub(super) name: &'static str,
    pub(super) grace: Duration,
    pub(super) flush_timeout: Duration,
    /// None in a process that only runs jobs.
    pub(super) listening: Option<Listening>,
    pub(super) health: Health,
    pub(super) signals: Arc<WebSignals>,
    pub(super) jobs: Option<Runner>,
    pub(super) actors: Actors,
    pub(super) db: Option<Db>,
    pub(super) telemetry: Telemetry,
    /// Extensions, and what modules said to `on_stop`.
    pub(super) stops: Stops,
    pub(super) reload: Reload,
    /// Ends after everything else.
    pub(super) management: Option<Management>,
    pub(super) thread: Option<ThreadGuard>,
}

/// What was finished and what was abandoned when a service stopped.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// Requests that were answered after the stop began.
    pub requests_finished: usize,
    /// Requests that had no answer at the end of the grace, or whose client went away meanwhile.
    pub requests_abandoned: usize,
    /// Jobs that ran and ended.
    pub jobs_finished: usize,
    /// Jobs that were given back, without spending an attempt, for others to run.
    pub jobs_given_back: usize,
    /// Messages that were handled after the last request.
    pub messages_handled: u64,
    /// Messages that were still in a mailbox, or half handled, at the end of the grace.
    pub messages_abandoned: u64,
    /// Actors that did not let go of their thread until the end of the grace; what they held is not counted.
    pub actors_unresponsive: usize,
    /// Extensions and stop hooks that did not end within the grace, or panicked.
    pub stops_failed: usize,
    /// Units of work that the database was still busy with.
    pub units_abandoned: usize,
    /// Whether everything recorded was handed to the exporters in time.
    pub telemetry_flushed: bool,
}

impl Running {
    pub(super) fn keep(&mut self, thread: ThreadGuard) {
        self.thread = Some(thread);
    }

    /// The addresses it listens on; none in a process that only runs jobs.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.listening.as_ref().map_or(&[], |listening| &listening.addresses)
    }

    /// The address of its management listener, if it has one.
    #[must_use]
    pub fn management_address(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(Management::address)
    }

    /// What runs its jobs, if this process does.
    #[must_use]
    pub const fn jobs(&self) -> Option<&Runner> {
        self.jobs.as_ref()
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
        self.listening
            .as_ref()
            .map_or_else(|| "none".to_owned(), |listening| describe(&listening.addresses, listening.secure))
    }

    pub(super) fn management_url(&self) -> String {
        self.management_address().map_or_else(|| "none".to_owned(), |address| describe(&[address], false))
    }

    pub(super) fn queues(&self) -> String {
        let Some(jobs) = &self.jobs else { return "none".to_owned() };
        let mut queues: Vec<_> = jobs.queues().collect();
        queues.sort_unstable();
        queues.join(", ")
    }

    pub(super) fn database(&self) -> &'static str {
        self.db.as_ref().map_or("none", |db| db.backend().name())
    }

    /// Serves until the process is asked to stop (SIGTERM or Ctrl-C), then stops. A second request ends the process
    /// at once, with the exit code 130. On SIGHUP it reads the configuration again and takes `log.level`; what else has
    /// changed is logged and holds from the next start.
    pub async fn run_until(mut self, signals: &mut Signals) -> StopReport {
        let signal = loop {
            match signals.request().await {
                Request::Stop(signal) => break signal,
                Request::Reload => self.reload.again(&self.telemetry),
            }
        };
        tracing::info!(signal, "stopping");
        tokio::select! {
            report = self.stop() => report,
            signal = second(signals) => {
                tracing::warn!(signal, "asked to stop a second time: leaving at once");
                std::process::exit(130)
            }
        }
    }

    /// Stops in order: readiness and the leasing of jobs, requests, jobs, mailboxes, stop hooks and extensions, database,
    /// telemetry. Each phase has a share of `server.shutdown_grace`; the telemetry has `telemetry.flush_timeout` after it.
    ///
    /// It is a trace of its own, `service.stop`, with a span for each phase before the last and what it counted.
    pub async fn stop(mut self) -> StopReport {
        let root = self.telemetry.root();
        let drained = async { telemetry::span("service.stop").run(self.drain()).await };
        let mut report = drained.with_context(root).await;
        // Whatever is logged from here on reaches stderr alone.
        let flushed = self.telemetry.shutdown(self.flush_timeout);
        report.telemetry_flushed = flushed.is_complete();
        if let Some(management) = self.management.take() {
            management.stop().await;
        }
        if !report.telemetry_flushed {
            tracing::warn!(%flushed, "not everything that was recorded could be sent");
        }
        report
    }
}

impl Running {
    async fn drain(&mut self) -> StopReport {
        let deadline = Instant::now().checked_add(self.grace).unwrap_or_else(far);
        let mut report = StopReport::default();
        self.health.drain();
        if let Some(jobs) = &self.jobs {
            jobs.stop_leasing();
        }
        if let Some(listening) = &self.listening {
            let requests = self.stop_requests(listening, &mut report);
            telemetry::span("service.stop.requests").run(requests).await;
        }
        if let Some(jobs) = &mut self.jobs {
            telemetry::span("service.stop.jobs").run(stop_jobs(jobs, deadline, &mut report)).await;
        }
        let mailboxes = stop_actors(&self.actors, deadline, &mut report);
        telemetry::span("service.stop.mailboxes").run(mailboxes).await;
        if let Some(jobs) = self.jobs.take() {
            jobs.close();
        }
        let stops = mem::take(&mut self.stops);
        let hooks = async {
            report.stops_failed = stops.run(deadline).await;
            set_count("spanbox.stop.failed", report.stops_failed);
        };
        telemetry::span("service.stop.hooks").run(hooks).await;
        if let Some(db) = &self.db {
            let left = deadline.saturating_duration_since(Instant::now()).max(LAST_UNITS);
            let database = async {
                report.units_abandoned = db.close(left).await.abandoned;
                set_count("spanbox.stop.abandoned", report.units_abandoned);
            };
            telemetry::span("service.stop.database").run(database).await;
        }
        tracing::info!(
            service = self.name,
            requests_finished = report.requests_finished,
            requests_abandoned = report.requests_abandoned,
            jobs_finished = report.jobs_finished,
            jobs_given_back = report.jobs_given_back,
            messages_handled = report.messages_handled,
            messages_abandoned = report.messages_abandoned,
            actors_unresponsive = report.actors_unresponsive,
            stops_failed = report.stops_failed,
            units_abandoned = report.units_abandoned,
            "stopped"
        );
        report
    }

    /// Takes no more requests, and waits for those that are there.
    async fn stop_requests(&self, listening: &Listening, report: &mut StopReport) {
        let (finished, cut_off) = (self.signals.finished(), self.signals.cut_off());
        // The server counts in whole seconds and looks once a second, so it may take a little more than its share;
        // its workers end by themselves.
        let share = requests_share(self.grace).max(Duration::from_secs(1)) + SERVER_STEP;
        let stopped = async {
            tokio::select! {
                () = listening.handle.stop(true) => {}
                () = quiet(&self.signals) => {}
            }
        };
        if timeout(share, stopped).await.is_err() {
            tracing::warn!("the listener did not end within its share of the grace");
        }
        report.requests_finished = self.signals.finished() - finished;
        report.requests_abandoned = self.signals.in_flight() + self.signals.cut_off() - cut_off;
        set_count("spanbox.stop.finished", report.requests_finished);
        set_count("spanbox.stop.abandoned", report.requests_abandoned);
    }
}

/// The next signal that is not the first one told twice, as when a supervisor signals a process and its group.
async fn second(signals: &mut Signals) -> &'static str {
    let first = Instant::now();
    loop {
        let signal = signals.next().await;
        if first.elapsed() >= SAME_SIGNAL {
            return signal;
        }
    }
}

async fn stop_jobs(jobs: &mut Runner, deadline: Instant, report: &mut StopReport) {
    let drained = jobs.drain(deadline).await;
    report.jobs_finished = drained.finished;
    report.jobs_given_back = drained.given_back;
    set_count("spanbox.stop.finished", drained.finished);
    set_count("spanbox.stop.given_back", drained.given_back);
}

async fn stop_actors(actors: &Actors, deadline: Instant, report: &mut StopReport) {
    let drained = actors.drain(deadline).await;
    report.messages_handled = drained.handled;
    report.messages_abandoned = drained.abandoned;
    report.actors_unresponsive = drained.unresponsive.len();
    set_count("spanbox.stop.finished", drained.handled);
    set_count("spanbox.stop.abandoned", drained.abandoned);
    if !drained.unresponsive.is_empty() {
        let actors = drained.unresponsive.join(", ");
        tracing::warn!(actors, "these actors did not let go of their thread");
    }
}

/// An attribute of the phase's span.
fn set_count(name: &'static str, count: impl TryInto<i64>) {
    telemetry::set_attribute(name, count.try_into().unwrap_or(i64::MAX));
}

/// Waits until there has been no request and no download for a while: an idle HTTP/2 connection, which the server would wait for,
/// does not hold up the stop.
async fn quiet(signals: &WebSignals) {
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        sleep(QUIET / 20).await;
        if signals.in_flight() + signals.downloads() > 0 {
            since = Instant::now();
        }
    }
}

/// What the requests get of the grace, so that one that hangs does not take the time of the mailboxes.
pub(super) fn requests_share(grace: Duration) -> Duration {
    grace.mul_f64(0.8)
}

/// A deadline that is none.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}
