//! The actors that run jobs, one job at a time each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt as _, Addr, AsyncContext as _, AtomicResponse, Handler, Message, WrapFuture as _,
};
use futures_util::FutureExt as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tokio::task::yield_now;

use super::exchange::Exchange;
use super::floor::{Floor, Stop};
use super::signals::QueueSignals;
use super::waiting::Waiting;
use crate::actor;
use crate::jobs::context::{Cancelled, JobContext, Terms};
use crate::jobs::failure::JobError;
use crate::jobs::kinds::{Kind, Running};
use crate::jobs::store::{Held, Leased, Then};
use crate::redact::Redactor;
use crate::telemetry::panic_message;

/// How long a run that should end may go on before it is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs jobs.
pub(super) struct JobWorker {
    pub(super) floor: Arc<Floor>,
    pub(super) signals: Arc<QueueSignals>,
    pub(super) exchange: Arc<Exchange>,
}

impl Actor for JobWorker {
    type Context = actor::Context<Self>;
}

/// A job for a worker.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RunJob {
    pub(super) leased: Box<Leased>,
    pub(super) terms: Terms,
    /// The run's, with its span.
    pub(super) cx: opentelemetry::Context,
    pub(super) report: Report,
}

impl RunJob {
    /// Sends it in its own trace.
    pub(super) fn send_to(self, worker: &Addr<JobWorker>) {
        let _run = self.cx.clone().attach();
        worker.do_send(self);
    }
}

/// A run that ended.
pub(super) struct Done {
    pub(super) place: usize,
    pub(super) held: Held,
    pub(super) end: End,
    /// The run's span, if it is recorded.
    pub(super) span: Option<SpanContext>,
    pub(super) suspect: bool,
}

/// How a run ended.
pub(super) enum End {
    /// Well; it is to be completed.
    Completed,
    /// Well, and it completed the job in a transaction of its own.
    Settled,
    /// Another worker may have the job.
    Lost,
    Unfinished {
        then: Then,
        error: Option<String>,
    },
}

impl End {
    /// With an error that may be stored beside the job.
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            Self::Unfinished { then, error: Some(error) } => {
                Self::Unfinished { then, error: Some(redactor.text(&error).into_owned()) }
            }
            other => other,
        }
    }
}

/// Tells the dispatcher what became of a job, in any case.
pub(super) struct Report {
    pub(super) exchange: Arc<Exchange>,
    pub(super) place: usize,
    pub(super) held: Held,
    pub(super) suspect: bool,
    pub(super) sent: bool,
}

impl Report {
    /// Brings the next job for this place, if one waits.
    pub(super) fn send(mut self, end: End, span: Option<SpanContext>) -> Option<Waiting> {
        self.sent = true;
        self.exchange.swap(Done { place: self.place, held: self.held, end, span, suspect: self.suspect })
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.sent {
            // Its worker was stopped before it began or before it ended: nobody's fault, and no attempt.
            let end = End::Unfinished { then: Then::GiveBack, error: None };
            let (place, held, suspect) = (self.place, self.held, self.suspect);
            self.exchange.put(Done { place, held, end, span: None, suspect });
        }
    }
}

impl Handler<RunJob> for JobWorker {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, job: RunJob, _ctx: &mut actor::Context<Self>) -> Self::Result {
        let (floor, signals) = (Arc::clone(&self.floor), Arc::clone(&self.signals));
        let place = job.report.place;
        let work = async move { perform(&floor, &signals, job).await };
        let and_next = work.into_actor(self).then(move |next, worker, ctx| {
            let has_next = next.is_some();
            if let Some(next) = next {
                next.begin(&worker.floor, &worker.signals, &worker.exchange, place).send_to(&ctx.address());
            }
            let pause = async move {
                if has_next {
                    // The thread has other workers.
                    yield_now().await;
                }
            };
            pause.into_actor(worker)
        });
        AtomicResponse::new(Box::pin(and_next))
    }
}

/// Why a run did not end well.
pub(super) enum Failure {
    Failed(JobError),
    Panicked(String),
    TimedOut,
    Cancelled(Cancelled),
    Unknown,
    Unreadable(serde_json::Error),
    Stopped,
}

/// Runs the job, and brings the next one, if one waits.
async fn perform(floor: &Floor, signals: &QueueSignals, job: RunJob) -> Option<Waiting> {
    let RunJob { leased, terms, cx, report } = job;
    let ctx = JobContext::on_terms(&leased, &floor.db, terms);
    let began = Instant::now();
    let kind = floor.kinds.get(&leased.kind);
    let result = match kind {
        None => Err(Failure::Unknown),
        Some(kind) => match catch_unwind(AssertUnwindSafe(|| (kind.begin)(&leased.payload, ctx.clone()))) {
            Ok(Ok(running)) => supervise(floor, running, &ctx).await,
            Ok(Err(error)) => Err(Failure::Unreadable(error)),
            Err(panic) => Err(Failure::Panicked(panic_message(&*panic).to_owned())),
        },
    };
    let took = began.elapsed();
    let span = Some(cx.span().span_context().clone()).filter(SpanContext::is_sampled);
    let (end, error) = match result {
        Ok(()) if ctx.is_settled() => (End::Settled, None),
        Ok(()) => (End::Completed, None),
        Err(failure) => judge(failure, &leased, kind),
    };
    let end = end.redacted(floor.signals.redactor());
    let shown = match (&end, error) {
        (End::Unfinished { error: Some(message), .. }, Some(kind)) => Some((kind, message.as_str())),
        (End::Lost, Some(kind)) => Some((kind, "its lease was lost")),
        (_, Some(kind)) => Some((kind, "the worker stops: it is given back")),
        _ => None,
    };
    tell(&end, shown, &leased);
    floor.signals.ran(signals, &cx, &leased.kind, took, shown);
    report.send(end, span)
}

/// Runs the job to its end, or to that of its time.
async fn supervise(floor: &Floor, running: Running, ctx: &JobContext) -> Result<(), Failure> {
    let mut stop = floor.stop.subscribe();
    let timed_out = async {
        match ctx.deadline() {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    };
    let cancelled = async {
        let reason = ctx.cancelled().await;
        tokio::time::sleep(PATIENCE).await;
        reason
    };
    tokio::select! {
        biased;
        result = AssertUnwindSafe(running).catch_unwind() => match result {
            Ok(result) => result.map_err(Failure::Failed),
            Err(panic) => Err(Failure::Panicked(panic_message(&*panic).to_owned())),
        },
        () = timed_out => Err(Failure::TimedOut),
        reason = cancelled => Err(Failure::Cancelled(reason)),
        _ = stop.wait_for(|stop| *stop == Stop::Running) => Err(Failure::Stopped),
    }
}

/// What is to become of a job that did not end well, and the type of its error.
pub(super) fn judge(failure: Failure, leased: &Leased, kind: Option<&Kind>) -> (End, Option<&'static str>) {
    let again = || match kind {
        Some(kind) => Then::RetryIn(kind.policy.delay_after(leased.attempt, leased.id)),
        None => Then::Park,
    };
    let unfinished = |then, error: String, kind| (End::Unfinished { then, error: Some(error) }, Some(kind));
    match failure {
        Failure::Failed(error) if error.is_lost_lease() => (End::Lost, Some("lost_lease")),
        Failure::Failed(error) => {
            let then = match error.delay() {
                _ if error.gives_up() => Then::GiveUp,
                Some(delay) => Then::RetryIn(delay),
                None => again(),
            };
            unfinished(then, error.to_string(), "failed")
        }
        Failure::Panicked(message) => unfinished(again(), format!("it panicked: {message}"), "panic"),
        Failure::TimedOut => {
            let limit = kind.map_or(Duration::ZERO, |kind| kind.policy.run_limit());
            unfinished(again(), format!("it took longer than its timeout of {limit:?}"), "timeout")
        }
        Failure::Cancelled(Cancelled::LeaseLost) => (End::Lost, Some("lost_lease")),
        Failure::Cancelled(reason) => unfinished(Then::GiveBack, reason.to_string(), "cancelled"),
        Failure::Unknown => {
            let error =
                format!("this worker knows no kind {:?}: deploy one that does, then retry", leased.kind);
            unfinished(Then::Park, error, "unknown_kind")
        }
        Failure::Unreadable(error) => {
            unfinished(Then::Park, format!("its payload does not parse: {error}"), "unreadable")
        }
        Failure::Stopped => (End::Unfinished { then: Then::GiveBack, error: None }, Some("stopped")),
    }
}

/// Says it in the log, within the run's trace.
fn tell(end: &End, error: Option<(&'static str, &str)>, leased: &Leased) {
    let Some((_, error)) = error else { return };
    let (job, kind, queue, attempt) = (leased.id, &leased.kind, &leased.queue, leased.attempt);
    match end {
        End::Unfinished { then: Then::RetryIn(_), .. } if attempt >= leased.max_attempts => {
            tracing::error!(job, kind, queue, attempt, error, "a job failed for the last time");
        }
        End::Unfinished { then: Then::RetryIn(delay), .. } => {
            tracing::warn!(job, kind, queue, attempt, error, retry_in = ?delay, "a job failed");
        }
        End::Unfinished { then: Then::GiveUp, .. } => {
            tracing::error!(job, kind, queue, attempt, error, "a job gave up");
        }
        End::Unfinished { then: Then::Park, .. } => {
            tracing::error!(job, kind, queue, error, "a job is put aside");
        }
        End::Lost => tracing::warn!(job, kind, queue, attempt, error, "a job was taken by another worker"),
        _ => tracing::info!(job, kind, queue, attempt, error, "a job was ended"),
    }
}
