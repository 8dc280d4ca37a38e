use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::Method;
use opentelemetry::Context;
use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

use super::WebSignals;
use super::request::Target;
use super::route::known_method;
use super::series::Series;
use super::signals::Sample;
use crate::config::TelemetrySettings;
use crate::telemetry::{ServiceInfo, Setup};

/// What strangers choose, paths and hosts, is in no series; of methods, only those that are known.
#[test]
fn a_hundred_thousand_strange_requests_leave_a_routes_series_alone() {
    let exporter = InMemoryMetricExporter::default();
    let telemetry = Setup::new(ServiceInfo::new("orders", "1.0.0"))
        .environment([])
        .metric_exporter(exporter.clone())
        .build()
        .unwrap();
    let signals = WebSignals::new(telemetry.clone(), &TelemetrySettings::default());
    let series = Series::default();
    let request = |method: &Method, pattern: Option<&str>, answer: HttpResponse| {
        let sample = Sample {
            started: Some(Instant::now()),
            began: None,
            method: known_method(method),
            secure: false,
            told: false,
            pattern: pattern.map(str::to_owned),
        };
        signals.began(&sample, &series);
        signals.ended(&Context::new(), &sample, &Target::Nothing, &series, Some(answer.head()), None);
    };
    for strange in 0..100_000 {
        let method = Method::from_bytes(format!("X{strange}").as_bytes()).unwrap();
        request(&method, None, HttpResponse::NotFound().finish());
    }
    request(&Method::GET, Some("/orders/{id}"), HttpResponse::Ok().finish());
    assert!(telemetry.flush(Duration::from_secs(20)));

    let exports = exporter.get_finished_metrics().unwrap();
    let metrics = exports.iter().flat_map(|export| export.scope_metrics()).flat_map(|scope| scope.metrics());
    let mut series = BTreeSet::new();
    for metric in metrics.filter(|metric| metric.name() == "http.server.request.duration") {
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else {
            panic!("{metric:?}")
        };
        for point in histogram.data_points() {
            let of = |key: &str| {
                point.attributes().find(|it| it.key.as_str() == key).map(|it| it.value.to_string())
            };
            series.insert((of("http.route"), of("http.request.method"), point.count()));
        }
    }
    let expected = [
        (None, Some("_OTHER".to_owned()), 100_000),
        (Some("/orders/{id}".to_owned()), Some("GET".to_owned()), 1),
    ];
    assert_eq!(series, BTreeSet::from(expected));
    assert_eq!(signals.in_flight(), 0);
}
