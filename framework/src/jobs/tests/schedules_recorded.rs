//! What is recorded of schedules: a trace for each tick, and nothing of looking for some.

use chrono::{DateTime, Utc};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::schedules::{Keeper, SECOND, every_second, schedule};
use super::stage::SOON;
use super::*;
use crate::jobs::Schedule;
use crate::telemetry::Providers;
use crate::testing::{Capture, Spans};

on_both!(
    each_tick_is_a_trace_and_a_count,
    a_tick_that_is_rolled_back_says_why,
    looking_in_vain_records_nothing
);

struct Recorded {
    capture: Capture,
    metrics: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
    telemetry: Telemetry,
    /// As the fixture's, recorded.
    db: Db,
}

impl Recorded {
    async fn new(fixture: &Fixture) -> Self {
        let (capture, exporter) = (Capture::new(), InMemoryMetricExporter::default());
        let traces = SdkTracerProvider::builder().with_span_processor(capture.clone()).build();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let metrics = SdkMeterProvider::builder().with_reader(reader).build();
        let telemetry = Telemetry::from_providers(Providers {
            traces: Some(traces),
            metrics: Some(metrics.clone()),
            ..Providers::default()
        });
        let db = Db::connect(&fixture.database.settings(), &telemetry).await.unwrap();
        Self { capture, metrics, exporter, telemetry, db }
    }

    fn keep(&self, schedule: Schedule) -> Keeper {
        Keeper::start(&self.db, &self.telemetry, [schedule])
    }

    /// How many ticks were counted, by schedule.
    fn counted(&self) -> Vec<(String, u64)> {
        self.metrics.force_flush().unwrap();
        let all = self.exporter.get_finished_metrics().unwrap();
        let scopes = all.last().unwrap().scope_metrics();
        let metric =
            scopes.flat_map(|scope| scope.metrics()).find(|metric| metric.name() == "jobs.schedule.ticks");
        let Some(AggregatedMetrics::U64(MetricData::Sum(sum))) = metric.map(|metric| metric.data()) else {
            return Vec::new();
        };
        sum.data_points()
            .map(|point| (point.attributes().map(|of| of.value.to_string()).collect(), point.value()))
            .collect()
    }
}

async fn each_tick_is_a_trace_and_a_count(fixture: Fixture) {
    let recorded = Recorded::new(&fixture).await;
    let keeper = recorded.keep(every_second().name("often"));
    let jobs = fixture.ticked(2, 0).await;
    keeper.end().await;
    let jobs = fixture.ticked(jobs.len(), 0).await;
    let spans = recorded.capture.spans();
    assert_eq!(spans.gaps(), Vec::<String>::new(), "{spans:?}");
    assert_eq!(recorded.capture.open(), Vec::<String>::new());
    let ticks: Vec<_> = spans.named("jobs.schedule.tick").collect();
    assert_eq!(ticks.len(), jobs.len());
    for (tick, at) in ticks.into_iter().zip(jobs) {
        assert_eq!((tick.parent_span_id, &tick.span_kind), (SpanId::INVALID, &SpanKind::Internal));
        assert_eq!(Spans::attribute(tick, "jobs.schedule.name").as_deref(), Some("often"));
        assert_eq!(Spans::attribute(tick, "jobs.kind").as_deref(), Some("tick"));
        let time: DateTime<Utc> = Spans::attribute(tick, "jobs.schedule.time").unwrap().parse().unwrap();
        assert_eq!(time.timestamp(), at);
        let trace = spans.of_trace(tick.span_context.trace_id());
        let send = trace.find_path(&["jobs.schedule.tick", "send ticks"]).unwrap();
        assert_eq!(send.span_kind, SpanKind::Producer);
        assert_eq!(Spans::attribute(send, "jobs.enqueue.outcome").as_deref(), Some("committed"));
    }
    let count = u64::try_from(fixture.ticks().await.len()).unwrap();
    assert_eq!(recorded.counted(), [("often".to_owned(), count)]);
}

async fn a_tick_that_is_rolled_back_says_why(fixture: Fixture) {
    let recorded = Recorded::new(&fixture).await;
    fixture.missed("tick", 2 * SECOND).await;
    let too_large = schedule("* * * * * *", || "x".repeat(100_000));
    let keeper = recorded.keep(too_large);
    let tick = |spans: &Spans| spans.named("jobs.schedule.tick").next().cloned();
    let tick = recorded.capture.wait_for(SOON, tick).await.unwrap();
    keeper.end().await;
    let Status::Error { description } = &tick.status else { panic!("{:?}", tick.status) };
    assert!(description.contains("the payload of a tick job has"), "{description}");
    assert_eq!(recorded.counted(), []);
}

async fn looking_in_vain_records_nothing(fixture: Fixture) {
    let recorded = Recorded::new(&fixture).await;
    let yearly = || schedule("@yearly", String::new);
    let (first, second) = (recorded.keep(yearly().name("first")), recorded.keep(yearly()));
    fixture.has_begun("first").await;
    fixture.has_begun("tick").await;
    first.end().await;
    second.end().await;
    let spans = recorded.capture.spans();
    let of_schedules: Vec<_> = spans.all().iter().map(|span| span.name.to_string()).collect();
    assert_eq!(of_schedules, Vec::<String>::new());
}
