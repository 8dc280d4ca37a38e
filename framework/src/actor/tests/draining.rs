use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use actix::prelude::*;
use parking_lot::Mutex;

use super::{Gate, eventually, run};
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
        eventually("the hanging one", || actors.snapshot()[0].in_flight == 1).await;
        let report = actors.drain(Instant::now()).await;
        assert_eq!((report.handled, report.abandoned), (0, 4), "the hanging one and the three behind it");
        assert!(actors.snapshot().is_empty());
    });
}

/// Blocks its thread until the test lets it go on.
#[derive(Message)]
#[rtype(result = "u8")]
struct Block;

struct Thread {
    begun: Arc<AtomicUsize>,
    go_on: Arc<Mutex<Receiver<()>>>,
}

impl Actor for Thread {
    type Context = BlockingContext<Self>;
}

impl Handler<Block> for Thread {
    type Result = u8;

    fn handle(&mut self, _: Block, _: &mut Self::Context) -> u8 {
        self.begun.fetch_add(1, SeqCst);
        // An error means that the test is over.
        let _ = self.go_on.lock().recv();
        1
    }
}

/// A pool of threads, how many handlers have begun, and what lets one of them go on.
fn threads(actors: &Actors, threads: usize) -> (Addr<Thread>, Arc<AtomicUsize>, Sender<()>) {
    let begun = Arc::<AtomicUsize>::default();
    let (go, go_on) = channel();
    let (counted, go_on) = (Arc::clone(&begun), Arc::new(Mutex::new(go_on)));
    let factory = move || Thread { begun: Arc::clone(&counted), go_on: Arc::clone(&go_on) };
    let pool = actors.blocking_pool("threads", threads, factory).mailbox_capacity(0).start().unwrap();
    (pool, begun, go)
}

#[test]
fn a_drain_awaits_blocking_handlers() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (pool, begun, go) = threads(&actors, 2);
        (0..10).for_each(|_| pool.do_send(Block));
        eventually("a handler", || begun.load(SeqCst) > 0).await;
        let mut drain = std::pin::pin!(actors.drain(in_five_seconds()));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut drain).await.is_err(), "it waits");
        (0..10).for_each(|_| go.send(()).unwrap());
        let report = drain.await;
        assert_eq!((report.handled, report.abandoned), (10, 0));
        assert!(actors.snapshot().is_empty());
    });
}

#[test]
fn a_blocked_thread_is_named_in_the_report() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (pool, begun, go) = threads(&actors, 1);
        let asked = pool.ask(Block, Duration::from_secs(60));
        pool.do_send(Block);
        pool.do_send(Block);
        eventually("the handler", || begun.load(SeqCst) == 1).await;
        let report = actors.drain(Instant::now()).await;
        assert_eq!(report.unresponsive, ["threads"]);
        assert_eq!(report.abandoned, 2);
        go.send(()).unwrap();
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

/// Sends `count` messages as it stops.
struct Farewell<M: Message + Send + 'static>(Recipient<M>, fn() -> M, usize)
where
    M::Result: Send;

impl<M: Message + Send + 'static> Actor for Farewell<M>
where
    M::Result: Send,
{
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Context<Self>) {
        (0..self.2).for_each(|_| self.0.do_send(self.1()));
    }
}

#[test]
fn what_an_actor_sends_as_it_stops_is_handled_to_its_end_by_those_that_were_started_before_it() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let first = relay(&actors, None).recipient();
        let _kept = first.clone();
        let farewell = move |_: &mut Context<_>| Farewell(first.clone(), || Job(20), 1);
        let _last = actors.actor("last", farewell).start();
        let report = actors.drain(in_five_seconds()).await;
        assert_eq!((report.handled, report.abandoned), (21, 0), "with all that follows from it");
    });
}

#[test]
fn what_an_actor_sends_to_blocking_ones_as_it_stops_is_handled() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let (pool, begun, go) = threads(&actors, 1);
        let pool = pool.recipient();
        let farewell = move |_: &mut Context<_>| Farewell(pool.clone(), || Block, 10);
        let _last = actors.actor("last", farewell).start();
        let mut drain = std::pin::pin!(actors.drain(in_five_seconds()));
        while begun.load(SeqCst) == 0 {
            assert!(tokio::time::timeout(Duration::from_millis(10), &mut drain).await.is_err());
        }
        // Held until the stop is asked for, so that the messages do not fit into the workers' hands.
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut drain).await.is_err());
        (0..10).for_each(|_| go.send(()).unwrap());
        let report = drain.await;
        assert_eq!((report.handled, report.abandoned), (10, 0));
    });
}
