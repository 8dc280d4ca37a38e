//! What is wrong with statements: the slow ones, and those that are repeated where one would do.

use std::collections::HashSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::metrics::Counter;
use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;
use parking_lot::Mutex;

use super::statement::Statement;
use crate::telemetry::{Operation, Telemetry};

/// A slow statement is logged at most so often, and those in between are counted.
const PAUSE: Duration = Duration::from_secs(10);

const SLOW_STATEMENT: &str = "db.slow_statement";
const THRESHOLD: &str = "spanbox.db.threshold";
const DURATION: &str = "spanbox.db.duration";

/// Looks for them in what a database is asked.
pub(super) struct Findings {
    slow: Option<Duration>,
    slow_statements: Option<Counter<u64>>,
    n_plus_ones: Option<Counter<u64>>,
    log: Mutex<SlowLog>,
    /// Each place is logged once in the life of the process.
    told: Mutex<HashSet<&'static Location<'static>>>,
}

#[derive(Default)]
struct SlowLog {
    last: Option<Instant>,
    skipped: u64,
}

impl Findings {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        telemetry.expect_statements();
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            telemetry
                .meter()
                .map(|meter| meter.u64_counter(name).with_unit(unit).with_description(description).build())
        };
        Self {
            slow: telemetry.database().slow(),
            slow_statements: counter(
                "spanbox.db.slow_statements",
                "{statement}",
                "Statements that took longer than telemetry.database.slow_statement.",
            ),
            n_plus_ones: counter(
                "spanbox.db.n_plus_one",
                "{occurrence}",
                "Requests, jobs and messages in which one place in the code repeated a statement.",
            ),
            log: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Whether slow statements are looked for, which takes a clock.
    pub(super) fn timed(&self) -> bool {
        self.slow.is_some()
    }

    /// A statement took so long.
    pub(super) fn took(&self, took: Duration, statement: &Statement, span: Option<&mut Span>) {
        let Some(threshold) = self.slow.filter(|slow| took >= *slow) else { return };
        if let Some(span) = span {
            let attributes = vec![
                KeyValue::new(THRESHOLD, threshold.as_secs_f64()),
                KeyValue::new(DURATION, took.as_secs_f64()),
            ];
            span.add_event(SLOW_STATEMENT, attributes);
        }
        if let Some(counter) = &self.slow_statements {
            counter.add(1, &statement.metric);
        }
        let skipped = {
            let mut log = self.log.lock();
            if log.last.is_some_and(|last| last.elapsed() < PAUSE) {
                log.skipped += 1;
                return;
            }
            log.last = Some(Instant::now());
            std::mem::take(&mut log.skipped)
        };
        tracing::warn!(
            statement = statement.text.as_str(),
            ?took,
            ?threshold,
            skipped,
            "a statement was slow (telemetry.database.slow_statement)"
        );
    }

    /// A statement runs once more in `cx`, asked for at `site`.
    pub(super) fn runs(&self, cx: &Context, statement: &Arc<Statement>, site: &'static Location<'static>) {
        let Some(operation) = cx.get::<Operation>() else { return };
        if !operation.repeats(cx, statement.fingerprint, site, &statement.summary) {
            return;
        }
        if let Some(counter) = &self.n_plus_ones {
            counter.add(1, &statement.metric);
        }
        if self.told.lock().insert(site) {
            tracing::warn!(
                statement = statement.text.as_str(),
                site = %site,
                "one request, job or message repeats a statement (N+1): ask for all rows at once, with `eq_any` or a join \
                 (telemetry.database.n_plus_one)"
            );
        }
    }
}
