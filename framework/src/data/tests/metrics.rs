//! Reading what was measured.

use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};

use crate::telemetry::Telemetry;

/// What there is now.
pub(super) fn flushed(telemetry: &Telemetry, exporter: &InMemoryMetricExporter) -> ResourceMetrics {
    exporter.reset();
    telemetry.providers().metrics.as_ref().unwrap().force_flush().unwrap();
    exporter.get_finished_metrics().unwrap().pop().unwrap()
}

/// The sum of a counter, or how often a histogram was recorded to, over the points with all these attributes. `None`
/// if there are none.
pub(super) fn count(metrics: &ResourceMetrics, name: &str, attributes: &[(&str, &str)]) -> Option<i64> {
    macro_rules! total {
        ($points:expr, $value:ident) => {
            $points
                .filter(|point| {
                    attributes.iter().all(|(key, value)| {
                        point.attributes().any(|a| a.key.as_str() == *key && a.value.as_str() == *value)
                    })
                })
                .map(|point| i64::try_from(point.$value()).unwrap())
                .reduce(|all, one| all + one)
        };
    }
    let mut all = metrics.scope_metrics().flat_map(|scope| scope.metrics());
    match all.find(|metric| metric.name() == name)?.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => total!(sum.data_points(), value),
        AggregatedMetrics::I64(MetricData::Sum(sum)) => total!(sum.data_points(), value),
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => total!(histogram.data_points(), count),
        other => panic!("{name}: {other:?}"),
    }
}
