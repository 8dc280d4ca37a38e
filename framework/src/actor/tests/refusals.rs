use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::dev::SendError;
use actix::prelude::*;
use opentelemetry::trace::{FutureExt as _, Status};
use opentelemetry_sdk::trace::SpanData;

use super::{Gate, Rig, eventually, id, outcome, run};
use crate::actor::origin::{Call, Origin, Via};
use crate::actor::{AskError, AskExt as _, Context};

const LONG: Duration = Duration::from_secs(5);

struct Busy(Gate);

impl Actor for Busy {
    type Context = Context<Self>;
}

/// Occupies the actor until the gate opens.
#[derive(Message)]
#[rtype(result = "()")]
struct Occupy;

impl Handler<Occupy> for Busy {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Occupy, _: &mut Context<Self>) -> Self::Result {
        let gate = self.0.clone();
        AtomicResponse::new(Box::pin(async move { gate.pass().await }.into_actor(self)))
    }
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Work;

impl Handler<Work> for Busy {
    type Result = ();

    fn handle(&mut self, _: Work, _: &mut Context<Self>) {}
}

/// Asks the other actor, with plain `send` and no deadline of its own.
#[derive(Message)]
#[rtype(result = "bool")]
struct Forward(Addr<Busy>);

impl Handler<Forward> for Busy {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Forward(to): Forward, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move { to.send(Work).await.is_ok() })
    }
}

fn busy(rig: &Rig) -> (Addr<Busy>, Gate) {
    let gate = Gate::default();
    let passed = gate.clone();
    (
        rig.actors
            .actor("busy", move |_: &mut Context<Busy>| Busy(passed.clone()))
            .mailbox_capacity(2)
            .start(),
        gate,
    )
}

fn assert_refused(span: &SpanData, sender: &opentelemetry::Context, why: &str) {
    assert_eq!(span.parent_span_id, id(sender), "it stands in the sender's trace");
    assert_eq!(outcome(span), why);
    assert!(matches!(span.status, Status::Error { .. }));
}

#[test]
fn a_message_whose_deadline_has_passed_is_not_handled_and_the_senders_trace_says_so() {
    run(async {
        let rig = Rig::new();
        let (addr, gate) = busy(&rig);
        let sender = rig.sender("sender");
        addr.do_send(Occupy);
        let asked = {
            let _cx = sender.clone().attach();
            addr.ask(Work, Duration::from_millis(5))
        };
        assert_eq!(asked.await, Err(AskError::Timeout));
        gate.open();
        assert_refused(&rig.one("Busy Work").await, &sender, "expired");
    });
}

#[test]
fn the_earlier_of_two_deadlines_holds() {
    run(async {
        let rig = Rig::new();
        let (addr, _gate) = busy(&rig);
        addr.do_send(Occupy);
        let outer = Call::new(Some(Instant::now() + Duration::from_millis(5)), Arc::default(), Box::new(()));
        let cx = rig.telemetry.root().with_value(outer);
        let asked = {
            let _cx = cx.attach();
            addr.ask(Work, Duration::from_secs(3600))
        };
        assert_eq!(tokio::time::timeout(LONG, asked).await, Ok(Err(AskError::Timeout)));
    });
}

#[test]
fn a_deadline_travels_into_further_asks_and_not_into_tells() {
    run(async {
        let rig = Rig::new();
        let (middle, _) = busy(&rig);
        let (last, gate) = busy(&rig);
        last.do_send(Occupy);
        let passed = Call::new(Some(Instant::now()), Arc::default(), Box::new(()));
        {
            let _cx = rig.telemetry.root().with_value(passed).attach();
            // The asked message takes the address for the answer; what its handler sends does not find it.
            drop(Origin::capture(Via::Ask));
            last.do_send(Work);
        }
        let asked = middle.ask(Forward(last.clone()), Duration::from_millis(200));
        assert_eq!(asked.await, Err(AskError::Timeout));
        gate.open();
        eventually("both", || rig.named("Busy Work").len() == 2).await;
        let mut outcomes: Vec<_> = rig.named("Busy Work").iter().map(outcome).collect();
        outcomes.sort();
        assert_eq!(outcomes, ["expired", "handled"], "the asked one is expired, the told one is not");
    });
}

#[test]
fn a_message_whose_asker_is_gone_is_abandoned_and_the_senders_trace_says_so() {
    run(async {
        let rig = Rig::new();
        let (addr, gate) = busy(&rig);
        let sender = rig.sender("sender");
        addr.do_send(Occupy);
        {
            let _cx = sender.clone().attach();
            drop(addr.send(Work));
        }
        gate.open();
        assert_refused(&rig.one("Busy Work").await, &sender, "abandoned");
    });
}

#[test]
fn what_a_stopped_actor_leaves_in_its_mailbox_are_dead_letters() {
    run(async {
        let rig = Rig::new();
        let (addr, _gate) = busy(&rig);
        let sender = rig.sender("sender");
        addr.do_send(Occupy);
        let asked = {
            let _cx = sender.clone().attach();
            addr.ask(Work, LONG)
        };
        let report = rig.actors.drain(Instant::now()).await;
        assert_eq!(report.abandoned, 2, "the one that was handled and the one that waited");
        assert_eq!(asked.await, Err(AskError::Closed));
        assert_refused(&rig.one("Busy Work").await, &sender, "dead_letter");
        assert_eq!(outcome(&rig.one("Busy Occupy").await), "cancelled");
    });
}

#[test]
fn a_full_mailbox_says_no_and_the_senders_trace_says_so() {
    run(async {
        let rig = Rig::new();
        let (addr, gate) = busy(&rig);
        addr.do_send(Occupy);
        eventually("the occupation", || rig.actors.snapshot()[0].in_flight == 1).await;
        let sender = rig.sender("sender");
        async {
            addr.offer(Work).unwrap();
            addr.offer(Work).unwrap();
            assert!(matches!(addr.offer(Work), Err(SendError::Full(Work))));
            assert_eq!(addr.ask(Work, LONG).await, Err(AskError::MailboxFull));
        }
        .with_context(sender.clone())
        .await;
        let refused = rig.named("Busy Work");
        assert_eq!(refused.len(), 2);
        for span in &refused {
            assert_refused(span, &sender, "mailbox_full");
        }
        gate.open();
        eventually("the rest", || rig.named("Busy Work").len() == 4).await;
    });
}

#[test]
fn an_ask_of_a_stopped_actor_is_closed() {
    run(async {
        let rig = Rig::new();
        let (addr, _) = busy(&rig);
        rig.actors.drain(Instant::now() + LONG).await;
        assert_eq!(addr.ask(Work, LONG).await, Err(AskError::Closed));
    });
}

#[test]
fn an_ask_without_end_has_no_deadline() {
    run(async {
        let rig = Rig::new();
        let (addr, _) = busy(&rig);
        assert_eq!(addr.ask(Work, Duration::MAX).await, Ok(()));
    });
}

struct Stock;

impl Actor for Stock {
    type Context = actix::Context<Self>;
}

impl Handler<Work> for Stock {
    type Result = ();

    fn handle(&mut self, _: Work, _: &mut Self::Context) {}
}

#[test]
fn an_ask_of_a_recipient_that_is_not_traced_is_an_error() {
    run(async {
        let stock = Stock.start().recipient::<Work>();
        assert_eq!(stock.ask(Work, LONG).await, Err(AskError::NotTraced));
        let rig = Rig::new();
        let (addr, _) = busy(&rig);
        assert_eq!(addr.recipient::<Work>().ask(Work, LONG).await, Ok(()));
    });
}
