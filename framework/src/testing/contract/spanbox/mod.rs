mod attributes;
mod events;
mod metrics;
mod spans;

use super::Contract;

/// What spanbox itself emits.
///
/// Not in it, because it is the user's: spans of [`tracing`], and the fields that [`traced`](macro@crate::traced) is told
/// to record.
pub const SPANBOX: Contract = Contract::new("spanbox")
    .spans(spans::SPANS)
    .events(events::EVENTS)
    .metrics(metrics::METRICS)
    .resource(attributes::RESOURCE)
    .attributes(attributes::ATTRIBUTES);
