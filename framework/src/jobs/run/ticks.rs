//! What is recorded of the ticks of schedules.

use chrono::{DateTime, SecondsFormat, Utc};
use opentelemetry::metrics::Counter;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};

use crate::data::{Conn, Ending};
use crate::jobs::messaging::JOB_KIND;
use crate::telemetry::Telemetry;

/// The root of what a tick is: the enqueue of its job.
pub(crate) const TICK: &str = "jobs.schedule.tick";
/// The schedule's name.
const SCHEDULE: &str = "jobs.schedule.name";
/// When the tick was, RFC 3339.
const AT: &str = "jobs.schedule.time";

pub(super) struct TickSignals {
    telemetry: Telemetry,
    root: Context,
    enqueued: Option<Counter<u64>>,
}

impl TickSignals {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let enqueued = telemetry.meter().map(|meter| {
            meter
                .u64_counter("jobs.schedule.ticks")
                .with_unit("{tick}")
                .with_description("Ticks of schedules whose jobs were enqueued.")
                .build()
        });
        Self { telemetry: telemetry.clone(), root: telemetry.root(), enqueued }
    }

    /// Begins the trace of a tick.
    pub(super) fn begin(&self, schedule: &str, kind: &'static str, tick: DateTime<Utc>) -> Context {
        let Some(tracer) = self.telemetry.tracer() else { return self.root.clone() };
        let builder = tracer.span_builder(TICK).with_kind(SpanKind::Internal).with_attributes([
            KeyValue::new(SCHEDULE, schedule.to_owned()),
            KeyValue::new(JOB_KIND, kind),
            KeyValue::new(AT, tick.to_rfc3339_opts(SecondsFormat::Secs, true)),
        ]);
        self.root.with_span(tracer.build_with_context(builder, &self.root))
    }

    /// Ends the trace of a tick with the unit of work that stored its job, or was to; a tick counts if that commits.
    pub(super) fn end(&self, conn: &mut Conn, cx: Context, schedule: &str, error: Option<String>) {
        let count =
            self.enqueued.clone().map(|counter| (counter, KeyValue::new(SCHEDULE, schedule.to_owned())));
        conn.at_end(move |how| {
            let span = cx.span();
            match (how, count) {
                (Ending::Committed, Some((counter, schedule))) => counter.add(1, &[schedule]),
                (Ending::Committed, None) => {}
                (Ending::RolledBack, _) => {
                    span.set_status(Status::error(error.unwrap_or_else(|| "it was rolled back".to_owned())));
                }
                (Ending::Uncertain, _) => {
                    span.set_status(Status::error("whether it was committed is not known"));
                }
            }
            span.end();
        });
    }
}
