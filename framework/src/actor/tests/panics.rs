use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use actix::prelude::*;
use opentelemetry::Value;
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry_sdk::trace::InMemorySpanExporter;

use super::{Rig, attribute, eventually, id, outcome, run};
use crate::actor::{ActorCondition, Actors, AskError, AskExt as _, BlockingContext, Context, RestartPolicy};
use crate::config::TelemetrySettings;
use crate::telemetry::{ServiceInfo, Setup, Telemetry};

const SOON: Duration = Duration::from_secs(5);

struct Fragile {
    seen: u32,
    dropped: Arc<AtomicUsize>,
}

impl Actor for Fragile {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Count;

impl Handler<Count> for Fragile {
    type Result = u32;

    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u32 {
        self.seen += 1;
        self.seen
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Message)]
#[rtype(result = "()")]
enum Break {
    Handler,
    Answer,
    Future,
    Timer,
}

impl Handler<Break> for Fragile {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, place: Break, ctx: &mut Context<Self>) -> Self::Result {
        match place {
            Break::Handler => panic!("broken in the handler"),
            Break::Future => _ = ctx.spawn(async { panic!("broken in a future") }.into_actor(self)),
            Break::Timer => _ = ctx.run_later(Duration::from_millis(1), |_, _| panic!("broken in a timer")),
            Break::Answer => {}
        }
        Box::pin(
            async move {
                tokio::task::yield_now().await;
                assert!(place != Break::Answer, "broken in the answer");
            }
            .into_actor(self),
        )
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct BreakFuture;

impl Handler<BreakFuture> for Fragile {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: BreakFuture, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { panic!("broken in the future") })
    }
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Sleep;

impl Handler<Sleep> for Fragile {
    type Result = ();

    fn handle(&mut self, _: Sleep, ctx: &mut Context<Self>) {
        let held = OnDrop(Arc::clone(&self.dropped));
        ctx.spawn(
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
            .into_actor(self),
        );
    }
}

fn policy(max_restarts: usize, backoff: Duration) -> RestartPolicy {
    RestartPolicy::new().max_restarts(max_restarts).within(SOON).backoff(backoff, backoff)
}

fn fragile(actors: &Actors, policy: RestartPolicy) -> (Addr<Fragile>, Arc<AtomicUsize>) {
    let dropped = Arc::<AtomicUsize>::default();
    let futures = Arc::clone(&dropped);
    let factory = move |_: &mut Context<Fragile>| Fragile { seen: 0, dropped: Arc::clone(&futures) };
    (actors.actor("fragile", factory).restart(policy).start(), dropped)
}

async fn check(place: Break, text: &str) {
    let rig = Rig::new();
    let (addr, _) = fragile(&rig.actors, policy(3, Duration::from_millis(1)));
    assert_eq!(addr.send(Count).await, Ok(1));
    let sender = rig.sender("sender");
    let asked = {
        let _cx = sender.clone().attach();
        addr.ask(place, SOON)
    };
    let answer = asked.await;
    if matches!(place, Break::Handler | Break::Answer) {
        assert_eq!(answer, Err(AskError::Panicked));
        let span = rig.one("Fragile Break").await;
        assert_eq!(span.parent_span_id, id(&sender));
        assert_eq!(outcome(&span), "panic");
    }
    eventually("the restart", || rig.actors.snapshot()[0].restarts == 1).await;
    assert_eq!(addr.send(Count).await, Ok(1), "the next message meets a fresh actor at the same address");
    assert_eq!(rig.actors.snapshot()[0].last_panic.as_deref(), Some(text));

    let broken = rig
        .spans()
        .into_iter()
        .find(|span| matches!(span.status, Status::Error { .. }) && !span.events.is_empty());
    let broken = broken.unwrap();
    assert_eq!(broken.events[0].name, "exception");
    assert_eq!(attribute(&broken, "error.type"), Some(Value::from("panic")));
    assert_eq!(broken.status, Status::error(text.to_owned()));
}

#[test]
fn a_panic_keeps_the_trace_that_is_not_sampled_and_whose_sender_has_ended() {
    run(async {
        let exporter = InMemorySpanExporter::default();
        let settings = TelemetrySettings { sample_ratio: 0.0, ..TelemetrySettings::default() };
        let telemetry = Setup::new(ServiceInfo::new("test", "1"))
            .settings(settings)
            .environment([])
            .span_exporter(exporter.clone())
            .build()
            .unwrap();
        let rig = Rig { actors: Actors::new(telemetry.clone()), telemetry, exporter };
        let (addr, _) = fragile(&rig.actors, policy(3, Duration::from_millis(1)));
        let sender = rig.sender("sender");
        {
            let _cx = sender.clone().attach();
            addr.do_send(Count);
            addr.do_send(Break::Handler);
        }
        sender.span().end();
        let sender = rig.one("sender").await;
        assert_eq!(attribute(&sender, "spanbox.kept"), Some(Value::from("panic")));
        let children =
            rig.spans().into_iter().filter(|span| span.parent_span_id == sender.span_context.span_id());
        // Each message has waited and has been handled.
        assert_eq!(children.count(), 4, "{:?}", rig.spans());
    });
}

#[test]
fn a_panic_in_a_handler_is_recorded_and_restarts_the_actor() {
    run(check(Break::Handler, "broken in the handler"));
}

#[test]
fn a_panic_in_an_answer_is_recorded_and_restarts_the_actor() {
    run(check(Break::Answer, "broken in the answer"));
}

#[test]
fn a_panic_in_a_spawned_future_is_recorded_and_restarts_the_actor() {
    run(check(Break::Future, "broken in a future"));
}

#[test]
fn a_panic_in_a_timer_is_recorded_and_restarts_the_actor() {
    run(check(Break::Timer, "broken in a timer"));
}

#[test]
fn a_panic_in_a_response_future_fails_the_ask_and_leaves_the_actor_alone() {
    run(async {
        let rig = Rig::new();
        let (addr, _) = fragile(&rig.actors, policy(3, Duration::from_millis(1)));
        assert_eq!(addr.send(Count).await, Ok(1));
        assert_eq!(addr.ask(BreakFuture, SOON).await, Err(AskError::Panicked));
        assert_eq!(outcome(&rig.one("Fragile BreakFuture").await), "panic");
        assert_eq!(addr.send(Count).await, Ok(2));
    });
}

#[test]
fn futures_of_a_panicked_actor_are_dropped_before_the_pause() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (addr, dropped) = fragile(&actors, policy(3, Duration::from_secs(3600)));
        addr.send(Sleep).await.unwrap();
        assert_eq!(dropped.load(SeqCst), 0);
        addr.do_send(Break::Handler);
        eventually("the drop", || dropped.load(SeqCst) == 1).await;
        assert_eq!(actors.snapshot()[0].condition, ActorCondition::Restarting);
    });
}

#[test]
fn messages_wait_in_the_mailbox_during_the_pause_and_are_handled_after_it() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (addr, _) = fragile(&actors, policy(3, Duration::from_millis(300)));
        addr.do_send(Break::Handler);
        let asked = [addr.send(Count), addr.send(Count)];
        eventually("the panic", || actors.snapshot()[0].condition == ActorCondition::Restarting).await;
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers, [Ok(1), Ok(2)]);
    });
}

#[test]
fn an_actor_that_panics_too_often_is_stopped_and_its_mailbox_is_dead_letters() {
    run(async {
        let rig = Rig::new();
        let (addr, _) = fragile(&rig.actors, policy(1, Duration::from_millis(1)));
        let sender = rig.sender("sender");
        let asked = {
            let _cx = sender.clone().attach();
            addr.do_send(Break::Handler);
            addr.do_send(Break::Handler);
            addr.ask(Count, SOON)
        };
        assert_eq!(asked.await, Err(AskError::Closed));
        let dead = rig.one("Fragile Count").await;
        assert_eq!(outcome(&dead), "dead_letter");
        assert_eq!(dead.parent_span_id, id(&sender));
        assert!(rig.actors.snapshot().is_empty());
        assert!(!addr.connected());
    });
}

#[test]
fn an_actor_that_panics_when_its_last_address_is_gone_handles_its_mailbox_after_the_restart_and_ends() {
    run(async {
        let rig = Rig::new();
        let (addr, _) = fragile(&rig.actors, policy(3, Duration::from_millis(1)));
        for _ in 0..2 {
            addr.do_send(Break::Handler);
            addr.do_send(Count);
        }
        drop(addr);
        eventually("the end", || rig.actors.snapshot().is_empty()).await;
        let outcomes: Vec<_> = rig.named("Fragile Count").iter().map(outcome).collect();
        assert_eq!(outcomes, ["handled", "handled"]);
    });
}

struct Reluctant;

impl Actor for Reluctant {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        panic!("no");
    }
}

impl Handler<Count> for Reluctant {
    type Result = u32;

    fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u32 {
        1
    }
}

#[test]
fn a_panic_in_started_counts_against_the_limit() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let starts = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&starts);
        let factory = move |_: &mut Context<Reluctant>| {
            counted.fetch_add(1, SeqCst);
            Reluctant
        };
        let addr = actors.actor("reluctant", factory).restart(policy(2, Duration::from_millis(1))).start();
        assert_eq!(addr.ask(Count, SOON).await, Err(AskError::Closed));
        assert_eq!(starts.load(SeqCst), 3, "the first start and two restarts");
    });
}

struct Blocker(u32);

impl Actor for Blocker {
    type Context = BlockingContext<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Risk(bool);

impl Handler<Risk> for Blocker {
    type Result = u32;

    fn handle(&mut self, Risk(fatal): Risk, _: &mut Self::Context) -> u32 {
        assert!(!fatal, "broken on its thread");
        self.0 += 1;
        self.0
    }
}

#[test]
fn a_panic_on_a_blocking_thread_is_recorded_and_replaces_the_instance() {
    run(async {
        let rig = Rig::new();
        let restart = policy(3, Duration::from_millis(1));
        let addr = rig.actors.blocking_pool("blocker", 1, || Blocker(0)).restart(restart).start().unwrap();
        assert_eq!(addr.ask(Risk(false), SOON).await, Ok(1));
        assert_eq!(addr.ask(Risk(true), SOON).await, Err(AskError::Panicked));
        assert_eq!(addr.ask(Risk(false), SOON).await, Ok(1));
        let spans = rig.named("Blocker Risk");
        assert_eq!(spans.iter().filter(|span| outcome(span) == "panic").count(), 1);
    });
}

/// An answer that panics when nobody takes it.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[derive(Message)]
#[rtype(result = "Bomb")]
struct Arm;

impl Handler<Arm> for Blocker {
    type Result = MessageResult<Arm>;

    fn handle(&mut self, _: Arm, _: &mut Self::Context) -> Self::Result {
        MessageResult(Bomb)
    }
}

#[test]
fn a_panic_after_a_blocking_handler_leaves_no_worker_busy() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let restart = policy(3, Duration::from_millis(1));
        let addr = actors.blocking_pool("blocker", 1, || Blocker(0)).restart(restart).start().unwrap();
        addr.do_send(Arm);
        assert_eq!(addr.ask(Risk(false), SOON).await, Ok(1));
        let deadline = std::time::Instant::now() + SOON;
        actors.drain(deadline).await;
        assert!(std::time::Instant::now() < deadline, "it is idle");
    });
}
