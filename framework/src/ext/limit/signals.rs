use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use super::gate::Gate;
use crate::telemetry::{self, Telemetry};

/// The rule that refused a request.
const RULE: &str = "spanbox.limit.rule";

/// What is recorded of limits.
pub(super) struct LimitSignals {
    instruments: Option<Instruments>,
}

struct Instruments {
    refused: Counter<u64>,
    alone: Counter<u64>,
}

impl LimitSignals {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let instruments = telemetry.meter().map(|meter| {
            let requests = |name: &'static str, description: &'static str| {
                meter.u64_counter(name).with_unit("{request}").with_description(description).build()
            };
            Instruments {
                refused: requests("spanbox.limit.refused", "Requests that were too many."),
                alone: requests(
                    "spanbox.limit.alone",
                    "Requests that were counted by their process alone, since Redis did not answer.",
                ),
            }
        });
        Self { instruments }
    }

    pub(super) fn refused(&self, rule: &str) {
        telemetry::set_attribute(RULE, rule.to_owned());
        if let Some(instruments) = &self.instruments {
            instruments.refused.add(1, &[KeyValue::new(RULE, rule.to_owned())]);
        }
    }

    pub(super) fn counted_alone(&self) {
        if let Some(instruments) = &self.instruments {
            instruments.alone.add(1, &[]);
        }
    }

    /// Shows how many clients are counted, for as long as the service is there.
    pub(super) fn observe(gate: &Arc<Gate>, telemetry: &Telemetry) {
        let Some(meter) = telemetry.meter() else { return };
        let gate = Arc::downgrade(gate);
        meter
            .u64_observable_gauge("spanbox.limit.clients")
            .with_unit("{client}")
            .with_description("Clients that this process counts requests of.")
            .with_callback(move |observer| {
                for rule in gate.upgrade().iter().flat_map(|gate| &gate.rules) {
                    let clients = u64::try_from(rule.local.clients()).unwrap_or(u64::MAX);
                    observer.observe(clients, &[KeyValue::new(RULE, rule.name.clone())]);
                }
            })
            .build();
    }
}
