//! The client against servers that do what they should not.

mod bounds;
mod breaking;
mod faults;
mod recorded;
mod refused;
mod secure;
mod server;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use opentelemetry::trace::{FutureExt as _, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

use super::address::{Lookup, system};
use super::{BreakerSettings, Client, HttpClientSettings, RetrySettings, Upstream, UpstreamSettings};
use crate::telemetry::{Providers, Telemetry};

/// Nothing but a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client, and what was recorded of it.
struct Ground {
    client: Client,
    telemetry: Telemetry,
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
}

impl Ground {
    fn new() -> Self {
        Self::with(|_| ())
    }

    /// With other settings than those by default, and waits that are short.
    fn with(change: impl FnOnce(&mut HttpClientSettings)) -> Self {
        Self::looking_up(change, system())
    }

    fn looking_up(change: impl FnOnce(&mut HttpClientSettings), lookup: Lookup) -> Self {
        let (spans, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let reader = PeriodicReader::builder(metrics.clone()).build();
        let telemetry = Telemetry::from_providers(Providers {
            traces: Some(SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build()),
            metrics: Some(SdkMeterProvider::builder().with_reader(reader).build()),
            logs: None,
        });
        let mut settings = HttpClientSettings { retry: soon(), ..HttpClientSettings::default() };
        change(&mut settings);
        let client = Client::new(settings, &telemetry, lookup).unwrap();
        Self { client, telemetry, spans, metrics }
    }

    /// Does the work below a span that is recorded.
    async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        let tracer = self.telemetry.tracer().unwrap();
        let root = self.telemetry.root();
        let cx = root.with_span(tracer.build_with_context(tracer.span_builder("cause"), &root));
        let done = work.with_context(cx.clone()).await;
        cx.span().end();
        done
    }

    /// The attempts that have ended, in their order.
    fn attempts(&self) -> Vec<SpanData> {
        let spans = self.spans.get_finished_spans().unwrap();
        spans.into_iter().filter(|span| span.span_kind == SpanKind::Client).collect()
    }

    /// The values of a metric by its attributes: sums and gauges as they are, of histograms the count.
    fn measured(&self, name: &str) -> BTreeMap<String, i64> {
        self.metrics.reset();
        self.telemetry.providers().metrics.as_ref().unwrap().force_flush().unwrap();
        let mut found = BTreeMap::new();
        for resource in self.metrics.get_finished_metrics().unwrap() {
            let scopes = resource.scope_metrics().flat_map(|scope| scope.metrics());
            for metric in scopes.filter(|metric| metric.name() == name) {
                match metric.data() {
                    AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                        for point in histogram.data_points() {
                            found.insert(text(point.attributes()), point.count().try_into().unwrap());
                        }
                    }
                    AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                        found
                            .extend(sum.data_points().map(|point| (text(point.attributes()), point.value())));
                    }
                    AggregatedMetrics::I64(MetricData::Gauge(gauge)) => {
                        found.extend(
                            gauge.data_points().map(|point| (text(point.attributes()), point.value())),
                        );
                    }
                    other => panic!("{name} is {other:?}"),
                }
            }
        }
        found
    }
}

fn text<'a>(attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> String {
    let mut all: Vec<_> =
        attributes.map(|attribute| format!("{}={}", attribute.key, attribute.value)).collect();
    all.sort();
    all.join(" ")
}

/// An attribute's text.
fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string())
}

/// Retries that nobody waits for.
fn soon() -> RetrySettings {
    RetrySettings {
        backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        ..RetrySettings::default()
    }
}

/// An upstream `payments` whose breaker opens after so many failures, and whose requests are sent once.
fn upstream(ground: &Ground, url: &str) -> Upstream {
    ground.client.upstream_at("payments", url).unwrap()
}

fn breaking(failures: u32, settings: &mut HttpClientSettings) {
    let upstream = UpstreamSettings {
        retry: Some(RetrySettings { attempts: 1, ..soon() }),
        breaker: BreakerSettings { failures, open_for: Duration::from_millis(20) },
        ..UpstreamSettings::default()
    };
    settings.upstreams.insert("payments".to_owned(), upstream);
}

/// Asks again and again until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "it never happened: {what}");
        tokio::task::yield_now().await;
    }
}
