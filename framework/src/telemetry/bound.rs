use std::sync::OnceLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, Histogram};
use parking_lot::RwLock;

/// One series of a histogram. It is looked for by its attributes when it is measured for the first time: they are sorted and
/// hashed then, which takes many times as long as to count.
pub(crate) struct Bound {
    histogram: Histogram<f64>,
    attributes: Vec<KeyValue>,
    found: OnceLock<BoundHistogram<f64>>,
}

impl Bound {
    pub(crate) fn new(histogram: Histogram<f64>, attributes: Vec<KeyValue>) -> Self {
        Self { histogram, attributes, found: OnceLock::new() }
    }

    pub(crate) fn record(&self, value: f64) {
        self.found.get_or_init(|| self.histogram.bind(&self.attributes)).record(value);
    }
}

/// So many series are kept at hand; the others are looked for each time.
const MOST: usize = 64;

/// Some series of a histogram by what tells them apart, of which there are few. All threads share them; those of requests,
/// which each worker has for itself, are in `web/series.rs`.
pub(crate) struct BoundBy<K> {
    histogram: Histogram<f64>,
    found: RwLock<Vec<(K, BoundHistogram<f64>)>>,
}

impl<K> BoundBy<K> {
    pub(crate) fn new(histogram: Histogram<f64>) -> Self {
        Self { histogram, found: RwLock::default() }
    }

    /// `key` and `attributes` are for a series that is not known yet.
    pub(crate) fn record(
        &self,
        value: f64,
        is: impl Fn(&K) -> bool,
        key: impl FnOnce() -> K,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) {
        if let Some((_, series)) = self.found.read().iter().find(|(key, _)| is(key)) {
            return series.record(value);
        }
        let attributes = attributes();
        let mut found = self.found.write();
        if found.len() == MOST || found.iter().any(|(key, _)| is(key)) {
            drop(found);
            return self.histogram.record(value, &attributes);
        }
        let series = self.histogram.bind(&attributes);
        series.record(value);
        found.push((key(), series));
    }

    /// In a series that is not kept at hand.
    pub(crate) fn record_other(&self, value: f64, attributes: &[KeyValue]) {
        self.histogram.record(value, attributes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use opentelemetry_sdk::metrics::InMemoryMetricExporter;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

    use super::*;
    use crate::telemetry::{ServiceInfo, Setup};

    /// How often each series of a histogram was measured, by what its only attribute says.
    fn counts(exporter: &InMemoryMetricExporter, name: &str) -> BTreeMap<String, u64> {
        let exports = exporter.get_finished_metrics().unwrap();
        let metrics = exports.last().into_iter().flat_map(|export| export.scope_metrics());
        let metric = metrics.flat_map(|scope| scope.metrics()).find(|metric| metric.name() == name).unwrap();
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else {
            panic!("{metric:?}")
        };
        let of = |attribute: &KeyValue| attribute.value.to_string();
        let points = histogram.data_points();
        points.map(|point| (point.attributes().map(of).collect(), point.count())).collect()
    }

    #[test]
    fn a_series_that_is_kept_at_hand_is_the_one_of_its_attributes() {
        let exporter = InMemoryMetricExporter::default();
        let setup = Setup::new(ServiceInfo::new("orders", "1.0.0")).environment([]);
        let telemetry = setup.metric_exporter(exporter.clone()).build().unwrap();
        let of = |name: &'static str| telemetry.meter().unwrap().f64_histogram(name).build();
        let (one, some) = (of("one"), of("some"));
        let attribute = |value: usize| vec![KeyValue::new("n", value.to_string())];

        let bound = Bound::new(one.clone(), attribute(1));
        bound.record(1.0);
        bound.record(2.0);
        one.record(3.0, &attribute(1));

        let by = BoundBy::new(some);
        for _ in 0..3 {
            for n in 0..2 * MOST {
                by.record(1.0, |it| *it == n, || n, || attribute(n));
            }
        }
        by.record_other(1.0, &attribute(0));
        assert_eq!(by.found.read().len(), MOST);

        assert!(telemetry.flush(Duration::from_secs(20)));
        assert_eq!(counts(&exporter, "one"), BTreeMap::from([("1".to_owned(), 3)]));
        let expected = (0..2 * MOST).map(|n| (n.to_string(), if n == 0 { 4 } else { 3 }));
        assert_eq!(counts(&exporter, "some"), expected.collect());
    }
}
