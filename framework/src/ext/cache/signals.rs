use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use opentelemetry_semantic_conventions::attribute;

use crate::telemetry::Telemetry;

/// What is counted of a cache.
pub(super) struct Signals {
    lookups: Option<Counter<u64>>,
    failures: Option<Counter<u64>>,
}

/// How a value came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was there.
    Hit,
    /// It was there, past its time, while somebody else loaded a new one.
    Stale,
    /// It was not, and was loaded.
    Miss,
    /// Somebody else was just loading it.
    Joined,
    /// The backend was not asked: it is away, or has yet to be told that what it has is out of date.
    Bypassed,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Joined => "joined",
            Self::Bypassed => "bypassed",
        }
    }
}

impl Signals {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let counter = |name, unit, description| {
            let meter = telemetry.meter()?;
            Some(meter.u64_counter(name).with_unit(unit).with_description(description).build())
        };
        Self {
            lookups: counter("spanbox.cache.lookups", "{lookup}", "Values that were asked for."),
            failures: counter("spanbox.cache.failures", "{failure}", "What a cache could not do."),
        }
    }

    pub(super) fn looked_up(&self, namespace: &'static str, outcome: Outcome) {
        if let Some(counter) = &self.lookups {
            counter.add(
                1,
                &[
                    KeyValue::new("spanbox.cache.namespace", namespace),
                    KeyValue::new("spanbox.cache.outcome", outcome.name()),
                ],
            );
        }
    }

    /// `kind` is `unavailable`, `too_large` or `unreadable`.
    pub(super) fn failed(&self, kind: &'static str) {
        if let Some(counter) = &self.failures {
            counter.add(1, &[KeyValue::new(attribute::ERROR_TYPE, kind)]);
        }
    }
}
