//! What a drain awaits of the work that is not a message, and what it leaves alone.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use actix::prelude::*;
use opentelemetry::trace::Status;

use super::{Gate, Rig, eventually, run};
use crate::actor::{Actors, Context, DrainReport};
use crate::telemetry::Telemetry;

const SOON: Duration = Duration::from_secs(5);

#[derive(Clone, Default)]
struct Errand {
    gate: Gate,
    done: Arc<AtomicBool>,
}

struct Runner(Errand);

impl Actor for Runner {
    type Context = Context<Self>;
}

#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
enum Run {
    Spawn,
    Wait,
    Stop,
}

impl Handler<Run> for Runner {
    type Result = ();

    fn handle(&mut self, run: Run, ctx: &mut Context<Self>) {
        let Errand { gate, done } = self.0.clone();
        let errand = async move {
            gate.pass().await;
            done.store(true, SeqCst);
        }
        .into_actor(self);
        match run {
            Run::Spawn => _ = ctx.spawn(errand),
            Run::Wait => ctx.wait(errand),
            Run::Stop => ctx.stop(),
        }
    }
}

/// Answers with a future that the runtime runs, not the actor.
#[derive(Message)]
#[rtype(result = "()")]
struct Away;

impl Handler<Away> for Runner {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Away, _: &mut Context<Self>) -> Self::Result {
        let gate = self.0.gate.clone();
        Box::pin(async move { gate.pass().await })
    }
}

fn runner(actors: &Actors) -> (Addr<Runner>, Errand) {
    let errand = Errand::default();
    let given = errand.clone();
    (actors.actor("runner", move |_: &mut Context<Runner>| Runner(given.clone())).start(), errand)
}

fn counts(report: &DrainReport) -> (u64, u64) {
    (report.handled, report.abandoned)
}

async fn check_awaited(how: Run) {
    let actors = Actors::new(Telemetry::disabled());
    let (addr, errand) = runner(&actors);
    addr.do_send(how);
    let mut drain = std::pin::pin!(actors.drain(Instant::now() + SOON));
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut drain).await.is_err(), "it waits");
    errand.gate.open();
    assert_eq!(counts(&drain.await), (1, 0));
    assert!(errand.done.load(SeqCst));
}

#[test]
fn a_drain_awaits_what_a_message_spawned() {
    run(check_awaited(Run::Spawn));
}

#[test]
fn a_drain_awaits_what_a_message_made_its_actor_wait_for() {
    run(check_awaited(Run::Wait));
}

#[test]
fn what_a_message_spawned_and_the_deadline_cut_off_is_abandoned() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (addr, _errand) = runner(&actors);
        addr.send(Run::Spawn).await.unwrap();
        assert_eq!(counts(&actors.drain(Instant::now()).await), (0, 1));
    });
}

#[test]
fn an_answer_on_the_runtime_that_the_deadline_cut_off_is_abandoned() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (addr, _errand) = runner(&actors);
        addr.do_send(Away);
        eventually("the handler", || actors.snapshot()[0].in_flight == 1).await;
        assert_eq!(counts(&actors.drain(Instant::now()).await), (0, 1));
    });
}

#[test]
fn a_drain_awaits_and_counts_the_answer_of_an_actor_that_has_stopped() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (addr, errand) = runner(&actors);
        addr.do_send(Away);
        eventually("the handler", || actors.snapshot()[0].in_flight == 1).await;
        addr.do_send(Run::Stop);
        eventually("the end", || actors.snapshot().is_empty()).await;
        let mut drain = std::pin::pin!(actors.drain(Instant::now() + SOON));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut drain).await.is_err(), "it waits");
        errand.gate.open();
        assert_eq!(counts(&drain.await), (1, 0));
    });
}

/// Has every kind of work that no message brought.
struct Heart;

impl Actor for Heart {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let beat = Duration::from_millis(20);
        ctx.spawn(pending().into_actor(self));
        ctx.run_interval(beat, |heart, ctx| _ = ctx.spawn(pending().into_actor(heart)));
        ctx.run_later(Duration::from_secs(3600), |_, _| {});
        ctx.notify_later(Beat, Duration::from_secs(3600));
        ctx.notify_later(Beat, beat);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Beat;

impl Handler<Beat> for Heart {
    type Result = ();

    fn handle(&mut self, _: Beat, ctx: &mut Context<Self>) {
        ctx.spawn(pending().into_actor(self));
        ctx.notify_later(Beat, Duration::from_millis(20));
    }
}

#[test]
fn a_heartbeat_neither_holds_up_a_drain_nor_is_abandoned() {
    run(async {
        let rig = Rig::new();
        let _heart = rig.actors.actor("heart", |_: &mut Context<Heart>| Heart).start();
        eventually("beats", || !rig.named("Heart Beat").is_empty()).await;
        eventually("beats", || !rig.named("Heart run_interval").is_empty()).await;
        let deadline = Instant::now() + SOON;
        let report = rig.actors.drain(deadline).await;
        assert!(Instant::now() < deadline, "it did not wait for the deadline");
        assert_eq!(report.abandoned, 0);
        assert!(rig.spans().iter().all(|span| !matches!(span.status, Status::Error { .. })));
    });
}
