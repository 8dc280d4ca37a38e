//! The names that metrics of the contract have where Prometheus scrapes them.

use super::{Instrument, Metric};
use crate::telemetry::{Kind, family, label};

impl Metric {
    /// Its name. A histogram has it with `_bucket`, `_count` and `_sum` behind it.
    pub(super) fn prometheus_name(&self) -> String {
        let kind = match self.instrument {
            Instrument::Counter => Kind::Counter,
            Instrument::Histogram => Kind::Histogram,
            Instrument::UpDownCounter | Instrument::Gauge => Kind::Gauge,
        };
        let (mut name, _unit) = family(self.name, self.unit, kind);
        if kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }

    pub(super) fn series(&self) -> Vec<(String, Vec<String>)> {
        let name = self.prometheus_name();
        let labels: Vec<_> = self.has.iter().chain(self.may_have).map(|key| label(key)).collect();
        if self.instrument != Instrument::Histogram {
            return vec![(name, labels)];
        }
        let buckets = labels.iter().cloned().chain(["le".to_owned()]).collect();
        vec![
            (format!("{name}_bucket"), buckets),
            (format!("{name}_count"), labels.clone()),
            (format!("{name}_sum"), labels),
        ]
    }
}
