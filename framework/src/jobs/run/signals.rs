//! What is recorded of jobs that run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue, StringValue, Value};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use parking_lot::Mutex;

use super::ticks::TickSignals;
use crate::jobs::messaging::{
    BATCH_COUNT, DESTINATION, JOB_ATTEMPT, JOB_KIND, MESSAGE_ID, OPERATION_NAME, OPERATION_TYPE, system,
};
use crate::jobs::policy::Policy;
use crate::jobs::store::{Backlog, Leased};
use crate::redact::Redactor;
use crate::telemetry::{self, Bound, BoundBy, Operation, Telemetry};

/// Upper bounds of the histograms, in seconds.
const BOUNDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// So many runs are linked from the span that settles them.
const MOST_LINKS: usize = 128;

/// The spans and instruments of the jobs that a process runs.
pub(super) struct Signals {
    telemetry: Telemetry,
    root: Context,
    instruments: Option<Instruments>,
    backlogs: Arc<Mutex<HashMap<Arc<str>, Backlog>>>,
}

struct Instruments {
    process: Histogram<f64>,
    pickup: Histogram<f64>,
    retried: Counter<u64>,
    dead: Counter<u64>,
    parked: Counter<u64>,
    lost: Counter<u64>,
    rescued: Counter<u64>,
}

/// What is the same for all jobs of a queue.
pub(super) struct QueueSignals {
    queue: StringValue,
    process: Arc<str>,
    settle: Arc<str>,
    durations: Option<QueueDurations>,
}

struct QueueDurations {
    pickup: Bound,
    /// By kind, of the runs that went well.
    process: BoundBy<Box<str>>,
}

impl Signals {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let backlogs = Arc::<Mutex<HashMap<Arc<str>, Backlog>>>::default();
        let instruments = telemetry.meter().map(|meter| {
            let seconds = |name: &'static str, description: &'static str| {
                let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
                histogram.with_boundaries(BOUNDS.to_vec()).build()
            };
            let jobs = |name: &'static str, description: &'static str| {
                meter.u64_counter(name).with_unit("{job}").with_description(description).build()
            };
            let observed = Arc::clone(&backlogs);
            meter
                .i64_observable_gauge("jobs.queue.depth")
                .with_unit("{job}")
                .with_description("Jobs that are due and wait, counted up to a limit.")
                .with_callback(move |observer| {
                    for (queue, backlog) in &*observed.lock() {
                        observer.observe(backlog.due, &[KeyValue::new(DESTINATION, Arc::clone(queue))]);
                    }
                })
                .build();
            let observed = Arc::clone(&backlogs);
            meter
                .f64_observable_gauge("jobs.queue.oldest.age")
                .with_unit("s")
                .with_description("For how long the oldest job that is due has been.")
                .with_callback(move |observer| {
                    for (queue, backlog) in &*observed.lock() {
                        let age = backlog.oldest.unwrap_or_default().as_secs_f64();
                        observer.observe(age, &[KeyValue::new(DESTINATION, Arc::clone(queue))]);
                    }
                })
                .build();
            Instruments {
                process: seconds("messaging.process.duration", "How long a run of a job took."),
                pickup: seconds("jobs.pickup.duration", "From when a job was due until a worker had it."),
                retried: jobs("jobs.retried", "Jobs that failed and are due again."),
                dead: jobs("jobs.dead", "Jobs that became dead letters."),
                parked: jobs("jobs.parked", "Jobs that no worker could make anything of."),
                lost: jobs("jobs.leases.lost", "Leases that were lost while the job ran."),
                rescued: jobs("jobs.rescued", "Jobs that were taken from a worker whose lease ran out."),
            }
        });
        Self { root: telemetry.root(), telemetry: telemetry.clone(), instruments, backlogs }
    }

    /// What the jobs of a queue have in common.
    pub(super) fn of_queue(&self, queue: &Arc<str>) -> QueueSignals {
        let destination = vec![KeyValue::new(DESTINATION, Arc::clone(queue))];
        QueueSignals {
            queue: Arc::clone(queue).into(),
            process: format!("process {queue}").into(),
            settle: format!("settle {queue}").into(),
            durations: self.instruments.as_ref().map(|instruments| QueueDurations {
                pickup: Bound::new(instruments.pickup.clone(), destination),
                process: BoundBy::new(instruments.process.clone()),
            }),
        }
    }

    /// The context in which a job is run, with its span begun; what it waited, of that since its lease in this process, is
    /// a span of its own.
    pub(super) fn pick_up(
        &self,
        queue: &QueueSignals,
        leased: &Leased,
        here: Duration,
        policy: &Policy,
    ) -> Context {
        let waited = leased.waited + here;
        if let Some(durations) = &queue.durations {
            durations.pickup.record(waited.as_secs_f64());
        }
        let cause = leased.carried.restore(&self.root);
        let Some(tracer) = self.telemetry.tracer() else { return cause };
        let from = cause.span().span_context().clone();
        let links = from.is_valid() && policy.links(leased.attempt, leased.delayed);
        let mut builder = tracer
            .span_builder(Arc::clone(&queue.process).to_string())
            .with_kind(SpanKind::Consumer)
            .with_attributes([
                system(),
                KeyValue::new(OPERATION_NAME, "process"),
                KeyValue::new(OPERATION_TYPE, "process"),
                KeyValue::new(DESTINATION, queue.queue.clone()),
                KeyValue::new(MESSAGE_ID, leased.id.to_string()),
                KeyValue::new(JOB_KIND, leased.kind.clone()),
                KeyValue::new(JOB_ATTEMPT, i64::from(leased.attempt)),
            ]);
        let parent = if links {
            builder = builder.with_links(vec![Link::with_context(from.clone())]);
            cause.with_remote_span_context(SpanContext::empty_context())
        } else {
            cause
        };
        let span = tracer.build_with_context(builder, &parent);
        let cx = parent.with_span(span);
        if cx.span().is_recording() {
            let now = SystemTime::now();
            let wait = tracer
                .span_builder("jobs.queue.wait")
                .with_start_time(now.checked_sub(waited).unwrap_or(now))
                .with_attributes([KeyValue::new(DESTINATION, queue.queue.clone())]);
            // Where the cause is in another trace, the wait is the run's.
            let of = if from.is_valid() && !links { &parent } else { &cx };
            tracer.build_with_context(wait, of).end_with_timestamp(now);
        }
        Operation::begin(&self.telemetry, cx)
    }

    /// A run ended: its measurement, and the end of its span.
    pub(super) fn ran(
        &self,
        queue: &QueueSignals,
        cx: &Context,
        kind: &str,
        took: Duration,
        error: Option<(&'static str, &str)>,
    ) {
        if let Some(durations) = &queue.durations {
            let attributes = || {
                let error = error.map(|(error, _)| KeyValue::new(ERROR_TYPE, error));
                let destination = KeyValue::new(DESTINATION, queue.queue.clone());
                let kind = KeyValue::new(JOB_KIND, kind.to_owned());
                let always = [system(), KeyValue::new(OPERATION_NAME, "process"), destination, kind];
                always.into_iter().chain(error).collect()
            };
            let seconds = took.as_secs_f64();
            match error {
                None => durations.process.record(seconds, |it| **it == *kind, || kind.into(), attributes),
                Some(_) => durations.process.record_other(seconds, &attributes()),
            }
        }
        let span = cx.span();
        if let Some((kind, message)) = error
            && span.is_recording()
        {
            span.set_attribute(KeyValue::new(ERROR_TYPE, kind));
            span.set_status(Status::error(message.to_owned()));
        }
        Operation::end(&self.telemetry, cx);
        span.end();
    }

    /// The context in which a batch of runs is settled: a trace of its own that links to theirs. Where none of them is
    /// recorded, nothing of it is.
    pub(super) fn settle(&self, queue: &QueueSignals, runs: &[SpanContext], count: usize) -> Context {
        let Some(tracer) = self.telemetry.tracer().filter(|_| !runs.is_empty()) else { return self.quiet() };
        let links = runs.iter().take(MOST_LINKS).cloned().map(Link::with_context).collect();
        let builder = tracer
            .span_builder(Arc::clone(&queue.settle).to_string())
            .with_kind(SpanKind::Client)
            .with_links(links)
            .with_attributes([
                system(),
                KeyValue::new(OPERATION_NAME, "settle"),
                KeyValue::new(OPERATION_TYPE, "settle"),
                KeyValue::new(DESTINATION, queue.queue.clone()),
                KeyValue::new(BATCH_COUNT, i64::try_from(count).unwrap_or(i64::MAX)),
            ]);
        self.root.with_span(tracer.build_with_context(builder, &self.root))
    }

    /// A context in which nothing is recorded: looking for jobs where there are none is nobody's trace.
    pub(super) fn quiet(&self) -> Context {
        self.root.with_remote_span_context(telemetry::nobody())
    }

    /// What is recorded of schedules.
    pub(super) fn ticks(&self) -> TickSignals {
        TickSignals::new(&self.telemetry)
    }

    /// What hides in errors what must not be stored.
    pub(super) fn redactor(&self) -> &Redactor {
        self.telemetry.redactor()
    }

    pub(super) fn retried(&self, queue: &QueueSignals) {
        self.count(queue.queue.clone(), 1, |instruments| &instruments.retried);
    }

    pub(super) fn dead(&self, queue: &QueueSignals) {
        self.count(queue.queue.clone(), 1, |instruments| &instruments.dead);
    }

    pub(super) fn parked(&self, queue: &QueueSignals) {
        self.count(queue.queue.clone(), 1, |instruments| &instruments.parked);
    }

    /// Leases turned out to be lost when their runs were settled.
    pub(super) fn lost(&self, queue: &QueueSignals, jobs: u64) {
        self.count(queue.queue.clone(), jobs, |instruments| &instruments.lost);
    }

    /// A job was taken from a worker that is thought dead.
    pub(super) fn rescued(&self, queue: &str, dead: bool) {
        self.count(queue.to_owned(), 1, |instruments| &instruments.rescued);
        if dead {
            self.count(queue.to_owned(), 1, |instruments| &instruments.dead);
        }
    }

    fn count(&self, queue: impl Into<Value>, jobs: u64, which: impl Fn(&Instruments) -> &Counter<u64>) {
        if jobs > 0
            && let Some(instruments) = &self.instruments
        {
            which(instruments).add(jobs, &[KeyValue::new(DESTINATION, queue)]);
        }
    }

    /// For how long the oldest job that is due has been, in any queue, when it was last measured.
    pub(super) fn oldest_due(&self) -> Option<Duration> {
        self.backlogs.lock().values().filter_map(|backlog| backlog.oldest).max()
    }

    /// What waits in a queue, for the gauges.
    pub(super) fn waiting(&self, queue: &Arc<str>, backlog: Backlog) {
        self.backlogs.lock().insert(Arc::clone(queue), backlog);
    }
}
