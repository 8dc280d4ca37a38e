use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use parking_lot::Mutex;

use super::{Instrument, Type};
use crate::testing::Spans;

/// Notes which metrics a service exports, with their attributes; not their values. Give a clone of it to
/// [`Service::metric_exporter`](crate::app::Service::metric_exporter).
///
/// Metrics are exported when the service stops, and when it is told to by
/// [`Telemetry::flush`](crate::telemetry::Telemetry::flush).
#[derive(Clone, Debug, Default)]
pub struct CapturedMetrics(Arc<Mutex<Captured>>);

/// What a service has emitted, to be held against a [`Contract`](super::Contract).
#[derive(Clone, Debug)]
pub struct Emitted {
    pub(super) spans: Spans,
    pub(super) captured: Captured,
}

/// Metrics by name, and the attributes of the resource that they are of.
#[derive(Clone, Debug, Default)]
pub(super) struct Captured {
    pub(super) metrics: BTreeMap<String, Noted>,
    pub(super) resource: BTreeMap<String, Type>,
}

/// A metric as it was exported.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) instrument: Instrument,
    pub(super) unit: String,
    /// The attributes of each series.
    pub(super) series: BTreeSet<BTreeMap<String, Type>>,
}

impl CapturedMetrics {
    /// These metrics together with the spans of the same service.
    #[must_use]
    pub fn with(&self, spans: &Spans) -> Emitted {
        Emitted { spans: spans.clone(), captured: self.0.lock().clone() }
    }
}

impl PushMetricExporter for CapturedMetrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut all = self.0.lock();
        let resource = metrics.resource().iter().map(|(key, value)| (key.to_string(), type_of(value)));
        all.resource.extend(resource);
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let (instrument, series) = match metric.data() {
                AggregatedMetrics::F64(data) => read(data),
                AggregatedMetrics::U64(data) => read(data),
                AggregatedMetrics::I64(data) => read(data),
            };
            let noted = all.metrics.entry(metric.name().to_owned()).or_insert_with(|| Noted {
                instrument,
                unit: metric.unit().to_owned(),
                series: BTreeSet::new(),
            });
            noted.series.extend(series);
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn read<T>(data: &MetricData<T>) -> (Instrument, Vec<BTreeMap<String, Type>>) {
    match data {
        MetricData::Gauge(gauge) => {
            (Instrument::Gauge, gauge.data_points().map(|point| types(point.attributes())).collect())
        }
        MetricData::Sum(sum) => {
            let instrument = if sum.is_monotonic() { Instrument::Counter } else { Instrument::UpDownCounter };
            (instrument, sum.data_points().map(|point| types(point.attributes())).collect())
        }
        MetricData::Histogram(histogram) => {
            (Instrument::Histogram, histogram.data_points().map(|point| types(point.attributes())).collect())
        }
        MetricData::ExponentialHistogram(histogram) => {
            (Instrument::Histogram, histogram.data_points().map(|point| types(point.attributes())).collect())
        }
    }
}

pub(super) fn types<'a>(attributes: impl IntoIterator<Item = &'a KeyValue>) -> BTreeMap<String, Type> {
    attributes
        .into_iter()
        .map(|attribute| (attribute.key.as_str().to_owned(), type_of(&attribute.value)))
        .collect()
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Boolean,
        Value::I64(_) => Type::Int,
        Value::F64(_) => Type::Double,
        Value::Array(Array::String(_)) => Type::Strings,
        _ => Type::String,
    }
}
