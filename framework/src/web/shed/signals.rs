use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use super::Shedder;
use crate::telemetry::Telemetry;

/// Which pressure was too high.
const REASON: &str = "spanbox.shed.reason";

/// What is recorded of requests that are refused.
pub(super) struct ShedSignals {
    refused: Option<Counter<u64>>,
}

impl ShedSignals {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let refused = telemetry.meter().map(|meter| {
            meter
                .u64_counter("spanbox.shed.requests")
                .with_unit("{request}")
                .with_description("Requests that were refused because the service could not keep up.")
                .build()
        });
        Self { refused }
    }

    pub(super) fn refused(&self, reason: &'static str) {
        if let Some(refused) = &self.refused {
            refused.add(1, &[KeyValue::new(REASON, reason)]);
        }
    }

    /// Shows whether requests are refused, for as long as the service is there.
    pub(super) fn observe(shedder: &Arc<Shedder>, telemetry: &Telemetry) {
        let Some(meter) = telemetry.meter() else { return };
        let shedder = Arc::downgrade(shedder);
        meter
            .u64_observable_gauge("spanbox.shed.active")
            .with_unit("{service}")
            .with_description("1 while this service refuses requests, else 0.")
            .with_callback(move |observer| {
                if let Some(shedder) = shedder.upgrade() {
                    observer.observe(u64::from(shedder.over().is_some()), &[]);
                }
            })
            .build();
    }
}
