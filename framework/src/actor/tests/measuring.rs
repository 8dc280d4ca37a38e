use std::time::Duration;

use actix::prelude::*;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

use super::{Gate, Rig, attribute, eventually, metered, run};
use crate::actor::{Actors, AskExt as _, Context};

struct Worker(Gate);

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Work;

impl Handler<Work> for Worker {
    type Result = ();

    fn handle(&mut self, _: Work, _: &mut Context<Self>) {}
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hold;

impl Handler<Hold> for Worker {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Hold, _: &mut Context<Self>) -> Self::Result {
        let gate = self.0.clone();
        AtomicResponse::new(Box::pin(async move { gate.pass().await }.into_actor(self)))
    }
}

fn worker(actors: &Actors) -> (Addr<Worker>, Gate) {
    let gate = Gate::default();
    let shared = gate.clone();
    (
        actors
            .actor("worker", move |_: &mut Context<Worker>| Worker(shared.clone()))
            .mailbox_capacity(2)
            .start(),
        gate,
    )
}

#[test]
fn the_depth_at_enqueue_is_exact() {
    run(async {
        let rig = Rig::new();
        let (addr, gate) = worker(&rig.actors);
        let _cx = rig.sender("sender").attach();
        addr.do_send(Hold);
        eventually("the hold", || rig.actors.snapshot()[0].in_flight == 1).await;
        (0..3).for_each(|_| addr.do_send(Work));
        gate.open();
        eventually("the first three", || rig.named("Worker Work").len() == 3).await;
        (0..2).for_each(|_| addr.do_send(Work));
        eventually("all", || rig.named("Worker Work").len() == 5).await;
        let depths: Vec<_> = rig
            .named("Worker Work")
            .iter()
            .filter_map(|span| attribute(span, "actor.mailbox.depth"))
            .map(|depth| depth.to_string())
            .collect();
        assert_eq!(
            depths,
            ["0", "1", "2", "0", "1"],
            "the held one had left the mailbox, and an idle one is empty"
        );
        assert_eq!(rig.actors.snapshot()[0].depth, 0);
    });
}

#[test]
fn a_snapshot_says_what_an_actor_has_done() {
    run(async {
        let rig = Rig::new();
        let (addr, gate) = worker(&rig.actors);
        let _cx = rig.sender("sender").attach();
        addr.do_send(Hold);
        addr.do_send(Work);
        eventually("the hold", || rig.actors.snapshot()[0].in_flight == 1).await;
        gate.open();
        eventually("the work", || rig.actors.snapshot()[0].handled == 2).await;
        let snapshot = rig.actors.snapshot().remove(0);
        assert_eq!((snapshot.name.as_str(), snapshot.kind), ("worker", "Worker"));
        assert_eq!((snapshot.failed, snapshot.in_flight, snapshot.restarts), (0, 0, 0));
        assert_eq!((snapshot.waits, snapshot.processings, snapshot.member), (2, 2, None));
        assert!(snapshot.wait_total >= snapshot.wait_max && snapshot.wait_max > 0.0);
        assert!(snapshot.processing_total > 0.0);
        assert!(snapshot.since > 1.7e9, "seconds of Unix time");
        assert_eq!(rig.actors.snapshot()[0].handled, 2, "a second reader sees the same");
        assert!(serde_json::to_string(&snapshot).unwrap().contains(r#""condition":"running""#));
    });
}

#[test]
fn the_metrics_are_those_of_the_schema() {
    run(async {
        let (telemetry, provider, exporter) = metered();
        let actors = Actors::new(telemetry.clone());
        let (addr, gate) = worker(&actors);
        let _cx = telemetry.root().attach();
        addr.do_send(Hold);
        eventually("the hold", || actors.snapshot()[0].in_flight == 1).await;
        (0..3).for_each(|_| drop(addr.offer(Work)));
        gate.open();
        addr.ask(Work, Duration::from_secs(5)).await.ok();
        eventually("the work", || actors.snapshot()[0].handled >= 3).await;
        let (gone, _) = worker(&actors);
        gone.send(Work).await.unwrap();
        drop(gone);
        eventually("one actor", || actors.snapshot().len() == 1).await;
        provider.force_flush().unwrap();

        let exported = exporter.get_finished_metrics().unwrap();
        let mut seen = Vec::new();
        for metric in exported.iter().flat_map(|all| all.scope_metrics()).flat_map(|scope| scope.metrics()) {
            seen.push(metric.name().to_owned());
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                    assert_eq!(metric.unit(), "s");
                    let count: u64 = histogram.data_points().map(|point| point.count()).sum();
                    assert_eq!(
                        count,
                        4,
                        "{}: the hold, two works and the one of the actor that is gone",
                        metric.name()
                    );
                }
                AggregatedMetrics::U64(MetricData::Sum(sum)) if metric.name() == "actor.messages" => {
                    let points: Vec<_> = sum.data_points().map(|point| point.value()).collect();
                    assert_eq!(points, [4], "one point: all were handled");
                }
                AggregatedMetrics::U64(MetricData::Sum(sum)) if metric.name() == "actor.mailbox.rejected" => {
                    assert_eq!(sum.data_points().map(|point| point.value()).sum::<u64>(), 2);
                }
                AggregatedMetrics::I64(MetricData::Sum(sum)) if metric.name() == "actor.active" => {
                    assert_eq!(sum.data_points().map(|point| point.value()).sum::<i64>(), 1);
                }
                _ => {}
            }
        }
        seen.sort();
        seen.dedup();
        let schema = include_str!("../schema.md");
        for name in &seen {
            assert!(schema.contains(&format!("`{name}`")), "{name} is not in the schema");
        }
        assert_eq!(seen.len(), 7, "{seen:?}");
    });
}
