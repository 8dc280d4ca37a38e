use std::time::{Duration, Instant};

use actix::prelude::*;

use super::{Gate, run};
use crate::actor::{Actors, AskExt as _, BlockingContext, Context};
use crate::telemetry::Telemetry;

struct Relay {
    next: Option<Addr<Relay>>,
    gate: Gate,
}

impl Actor for Relay {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Job(u32);

impl Handler<Job> for Relay {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Job(hops): Job, ctx: &mut Context<Self>) -> Self::Result {
        let next = self.next.clone().unwrap_or_else(|| ctx.address());
        Box::pin(
            async move {
                tokio::task::yield_now().await;
                if hops > 0 {
                    next.do_send(Job(hops - 1));
                }
            }
            .into_actor(self),
        )
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hang;

impl Handler<Hang> for Relay {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Hang, _: &mut Context<Self>) -> Self::Result {
        let gate = self.gate.clone();
        AtomicResponse::new(Box::pin(async move { gate.pass().await }.into_actor(self)))
    }
}

fn relay(actors: &Actors, next: Option<Addr<Relay>>) -> Addr<Relay> {
    let factory = move |_: &mut Context<Relay>| Relay { next: next.clone(), gate: Gate::default() };
    actors.actor("relay", factory).mailbox_capacity(0).start()
}

fn in_five_seconds() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[test]
fn a_drain_follows_messages_from_actor_to_actor_until_all_is_done() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let arbiter = actors.arbiter();
        let far = actors
            .actor("far", |_: &mut Context<Relay>| Relay { next: None, gate: Gate::default() })
            .on(arbiter.handle())
            .start();
        let near = relay(&actors, Some(far));
        for _ in 0..100 {
            near.do_send(Job(50));
        }
        let report = actors.drain(in_five_seconds()).await;
        assert_eq!((report.handled, report.abandoned), (5100, 0));
        assert!(report.unresponsive.is_empty());
        assert!(actors.snapshot().is_empty(), "all are stopped");
        assert!(!near.connected());
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn what_is_left_at_the_deadline_is_stopped_and_counted() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let stuck = relay(&actors, None);
        stuck.do_send(Hang);
        for _ in 0..3 {
            stuck.do_send(Job(0));
        }
        let report = actors.drain(Instant::now() + Duration::from_millis(20)).await;
        assert_eq!((report.handled, report.abandoned), (0, 4), "the hanging one and the three behind it");
        assert!(actors.snapshot().is_empty());
    });
}

#[derive(Message)]
#[rtype(result = "u8")]
struct Nap(Duration);

struct Thread;

impl Actor for Thread {
    type Context = BlockingContext<Self>;
}

impl Handler<Nap> for Thread {
    type Result = u8;

    fn handle(&mut self, Nap(length): Nap, _: &mut Self::Context) -> u8 {
        std::thread::sleep(length);
        1
    }
}

#[test]
fn a_drain_awaits_blocking_handlers() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let pool = actors.blocking_pool("threads", 2, || Thread).start().unwrap();
        for _ in 0..10 {
            pool.do_send(Nap(Duration::from_millis(5)));
        }
        let report = actors.drain(in_five_seconds()).await;
        assert_eq!((report.handled, report.abandoned), (10, 0));
        assert!(actors.snapshot().is_empty());
    });
}

#[test]
fn a_blocked_thread_is_named_in_the_report() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let pool = actors.blocking_pool("threads", 1, || Thread).start().unwrap();
        let asked = pool.ask(Nap(Duration::from_millis(600)), Duration::from_secs(5));
        pool.do_send(Nap(Duration::ZERO));
        pool.do_send(Nap(Duration::ZERO));
        super::eventually("the handler", || actors.snapshot()[0].depth == 0).await;
        let report = actors.drain(Instant::now() + Duration::from_millis(10)).await;
        assert_eq!(report.unresponsive, ["threads"]);
        assert_eq!(report.abandoned, 2);
        assert_eq!(asked.await, Ok(1), "and ends what it was doing");
    });
}

#[test]
fn a_drain_without_actors_is_over_at_once() {
    run(async {
        let report = Actors::new(Telemetry::disabled()).drain(in_five_seconds()).await;
        assert_eq!((report.handled, report.abandoned), (0, 0));
    });
}

struct Farewell(Addr<Relay>);

impl Actor for Farewell {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.0.do_send(Job(0));
    }
}

#[test]
fn what_an_actor_sends_as_it_stops_reaches_those_that_were_started_before_it() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let first = relay(&actors, None);
        let _last = actors.actor("last", move |_: &mut Context<Farewell>| Farewell(first.clone())).start();
        let report = actors.drain(in_five_seconds()).await;
        assert_eq!((report.handled, report.abandoned), (1, 0));
    });
}
