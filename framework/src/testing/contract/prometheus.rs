//! The names that metrics and attributes have in Prometheus: those of the OpenTelemetry specification, "OTLP Metric points
//! to Prometheus", which the collector's exporters and Prometheus' own receiver keep to.

use super::{Instrument, Metric};

impl Metric {
    /// Its name. A histogram has it with `_bucket`, `_count` and `_sum` behind it.
    pub(super) fn prometheus_name(&self) -> String {
        named(self.name, self.unit, self.instrument)
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

fn named(name: &str, unit: &str, instrument: Instrument) -> String {
    let mut name = label(name);
    let unit = match unit {
        "s" => "seconds",
        "ms" => "milliseconds",
        "By" => "bytes",
        "1" if instrument == Instrument::Gauge => "ratio",
        _ => "",
    };
    let parts: Vec<&str> = name.split('_').collect();
    let told = unit.is_empty() || parts.contains(&unit);
    if !told {
        name = format!("{name}_{unit}");
    }
    if instrument == Instrument::Counter && !name.ends_with("_total") {
        name.push_str("_total");
    }
    name
}

fn label(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_the_unit_and_counters_in_total() {
        for (name, unit, instrument, expected) in [
            (
                "http.server.request.duration",
                "s",
                Instrument::Histogram,
                "http_server_request_duration_seconds",
            ),
            (
                "http.server.active_requests",
                "{request}",
                Instrument::UpDownCounter,
                "http_server_active_requests",
            ),
            ("jobs.dead", "{job}", Instrument::Counter, "jobs_dead_total"),
            ("process.cpu.time", "s", Instrument::Counter, "process_cpu_time_seconds_total"),
            ("process.memory.usage", "By", Instrument::UpDownCounter, "process_memory_usage_bytes"),
            ("load", "1", Instrument::Gauge, "load_ratio"),
        ] {
            assert_eq!(named(name, unit, instrument), expected);
        }
        assert_eq!(label("messaging.destination.name"), "messaging_destination_name");
    }
}
