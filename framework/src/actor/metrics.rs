use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};
use parking_lot::Mutex;

use super::outcome::Outcome;
use super::vitals::Vitals;
use crate::telemetry::BoundBy;

/// Upper bounds of both histograms, in seconds: from 10 µs, since a mailbox is faster than a network.
const BOUNDS: [f64; 14] = [1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];

/// The instruments that are recorded to for each message; everything else is observed from [`Vitals`].
#[derive(Clone)]
pub(super) struct Histograms {
    wait: Histogram<f64>,
    work: Histogram<f64>,
}

impl Histograms {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            wait: meter
                .f64_histogram("actor.mailbox.wait.duration")
                .with_unit("s")
                .with_description("How long a message was in the mailbox.")
                .with_boundaries(BOUNDS.to_vec())
                .build(),
            work: meter
                .f64_histogram("actor.message.process.duration")
                .with_unit("s")
                .with_description("From the start of the handler to its answer.")
                .with_boundaries(BOUNDS.to_vec())
                .build(),
        }
    }

    /// For one actor.
    pub(super) fn durations(&self) -> Durations {
        Durations { wait: BoundBy::new(self.wait.clone()), work: BoundBy::new(self.work.clone()) }
    }
}

/// Where the messages of one actor are measured.
pub(super) struct Durations {
    pub(super) wait: BoundBy<()>,
    /// By the type of the message.
    pub(super) work: BoundBy<&'static str>,
}

/// All the actors of a service: those that live, and the totals of those that are gone.
#[derive(Default)]
pub(super) struct Ledger {
    live: Mutex<Vec<Arc<Vitals>>>,
    gone: Mutex<Gone>,
}

#[derive(Default)]
struct Gone {
    totals: HashMap<Key, Totals>,
    /// Stopped actors with answers on the way: the runtime runs a `ResponseFuture`, not the actor.
    outlived: Vec<Arc<Vitals>>,
}

impl Gone {
    fn settle(&mut self) {
        for vitals in self.outlived.extract_if(.., |vitals| vitals.in_flight() == 0) {
            self.totals.entry((vitals.name.clone(), vitals.kind)).or_default().add(&vitals);
        }
    }
}

type Key = (Cow<'static, str>, &'static str);

#[derive(Clone, Default)]
struct Totals {
    outcomes: [u64; Outcome::ALL.len()],
    restarts: u64,
    depth: u64,
    active: i64,
}

impl Totals {
    fn add(&mut self, vitals: &Vitals) {
        for outcome in Outcome::ALL {
            self.outcomes[outcome as usize] += vitals.outcome(outcome);
        }
        self.restarts += vitals.restarts();
    }
}

impl Ledger {
    pub(super) fn enter(&self, vitals: Arc<Vitals>) {
        self.live.lock().push(vitals);
    }

    /// Moves an actor that has stopped from the living to the totals.
    pub(super) fn leave(&self, vitals: &Arc<Vitals>) {
        // Both are held, so that no observation sees the actor twice or not at all.
        let mut live = self.live.lock();
        let mut gone = self.gone.lock();
        if let Some(at) = live.iter().position(|other| Arc::ptr_eq(other, vitals)) {
            gone.outlived.push(live.remove(at));
            gone.settle();
        }
    }

    /// The living, in the order of their start.
    pub(super) fn live(&self) -> Vec<Arc<Vitals>> {
        self.live.lock().clone()
    }

    /// Answers on the way of actors that have stopped.
    pub(super) fn outlived(&self) -> usize {
        self.gone.lock().outlived.iter().map(|vitals| vitals.in_flight()).sum()
    }

    /// A total over the living and the gone.
    pub(super) fn total(&self, outcome: Outcome) -> u64 {
        self.totals().values().map(|totals| totals.outcomes[outcome as usize]).sum()
    }

    fn totals(&self) -> HashMap<Key, Totals> {
        let live = self.live.lock();
        let mut gone = self.gone.lock();
        gone.settle();
        let mut all = gone.totals.clone();
        for vitals in &gone.outlived {
            all.entry((vitals.name.clone(), vitals.kind)).or_default().add(vitals);
        }
        for vitals in live.iter() {
            let totals = all.entry((vitals.name.clone(), vitals.kind)).or_default();
            totals.add(vitals);
            totals.depth += vitals.depth();
            totals.active += 1;
        }
        all
    }

    /// Creates the instruments that are read from the counters whenever the metrics are collected.
    pub(super) fn observe(self: &Arc<Self>, meter: &Meter) {
        let ledger = Arc::clone(self);
        meter
            .u64_observable_counter("actor.messages")
            .with_unit("{message}")
            .with_description("Messages by what became of them.")
            .with_callback(move |to| {
                for (key, totals) in ledger.totals() {
                    for outcome in Outcome::ALL {
                        let count = totals.outcomes[outcome as usize];
                        if count > 0 {
                            let [name, kind] = attributes(&key);
                            let outcome = KeyValue::new("actor.message.outcome", outcome.as_str());
                            to.observe(count, &[name, kind, outcome]);
                        }
                    }
                }
            })
            .build();
        let ledger = Arc::clone(self);
        meter
            .u64_observable_counter("actor.restarts")
            .with_unit("{restart}")
            .with_description("Restarts after a panic.")
            .with_callback(move |to| {
                for (key, totals) in ledger.totals() {
                    to.observe(totals.restarts, &attributes(&key));
                }
            })
            .build();
        let ledger = Arc::clone(self);
        meter
            .u64_observable_gauge("actor.mailbox.depth")
            .with_unit("{message}")
            .with_description(
                "Messages in the mailbox: 0 when idle, otherwise as last measured at an enqueue.",
            )
            .with_callback(move |to| {
                for (key, totals) in ledger.totals() {
                    to.observe(totals.depth, &attributes(&key));
                }
            })
            .build();
        let ledger = Arc::clone(self);
        meter
            .i64_observable_up_down_counter("actor.active")
            .with_unit("{actor}")
            .with_description("Actors that live.")
            .with_callback(move |to| {
                for (key, totals) in ledger.totals() {
                    to.observe(totals.active, &attributes(&key));
                }
            })
            .build();
    }
}

fn attributes((name, kind): &Key) -> [KeyValue; 2] {
    [KeyValue::new("actor.name", name.clone()), KeyValue::new("actor.type", *kind)]
}
