//! What plain actix promises, and a traced actor keeps.

use actix::dev::SendError;
use actix::prelude::*;

use super::{Gate, Rig, run};
use crate::actor::{Actors, Context};
use crate::telemetry::Telemetry;

#[derive(Default)]
struct Log {
    seen: Vec<u32>,
    gate: Gate,
}

impl Actor for Log {
    type Context = Context<Self>;
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Note(u32);

impl Handler<Note> for Log {
    type Result = ();

    fn handle(&mut self, Note(number): Note, _: &mut Context<Self>) {
        self.seen.push(number);
    }
}

#[derive(Message)]
#[rtype(result = "Vec<u32>")]
struct Read;

impl Handler<Read> for Log {
    type Result = Vec<u32>;

    fn handle(&mut self, _: Read, _: &mut Context<Self>) -> Vec<u32> {
        self.seen.clone()
    }
}

/// Notes a number after the gate has opened; what comes later has to wait for it.
#[derive(Message)]
#[rtype(result = "()")]
struct Hold(u32);

impl Handler<Hold> for Log {
    type Result = ();

    fn handle(&mut self, Hold(number): Hold, ctx: &mut Context<Self>) {
        let gate = self.gate.clone();
        ctx.wait(
            async move { gate.pass().await }.into_actor(self).map(move |(), log, _| log.seen.push(number)),
        );
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Log {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

fn log(actors: &Actors) -> (Addr<Log>, Gate) {
    let gate = Gate::default();
    let shared = gate.clone();
    let factory = move |_: &mut Context<Log>| Log { seen: Vec::new(), gate: shared.clone() };
    (actors.actor("log", factory).mailbox_capacity(2).start(), gate)
}

fn both() -> [Actors; 2] {
    [Actors::new(Telemetry::disabled()), Rig::new().actors]
}

#[test]
fn messages_are_handled_in_the_order_they_were_sent() {
    run(async {
        for actors in both() {
            let (addr, _) = log(&actors);
            (0..100).for_each(|number| addr.do_send(Note(number)));
            assert_eq!(addr.send(Read).await, Ok((0..100).collect()));
        }
    });
}

#[test]
fn a_mailbox_holds_its_capacity_and_do_send_passes_it() {
    run(async {
        for actors in both() {
            let (addr, _) = log(&actors);
            addr.try_send(Note(1)).unwrap();
            addr.try_send(Note(2)).unwrap();
            assert!(matches!(addr.try_send(Note(3)), Err(SendError::Full(Note(3)))));
            addr.do_send(Note(4));
            assert_eq!(addr.clone().send(Read).await, Ok(vec![1, 2, 4]));
        }
    });
}

#[test]
fn a_wait_holds_back_the_messages_behind_it() {
    run(async {
        for actors in both() {
            let (addr, gate) = log(&actors);
            addr.do_send(Hold(1));
            addr.do_send(Note(2));
            let read = addr.send(Read);
            gate.open();
            assert_eq!(read.await, Ok(vec![1, 2]));
        }
    });
}

#[test]
fn a_stopped_actor_closes_its_address_and_leaves_the_list() {
    run(async {
        for actors in both() {
            let (addr, _) = log(&actors);
            addr.do_send(Stop);
            let read = addr.send(Read);
            assert_eq!(read.await, Err(MailboxError::Closed));
            super::eventually("the end", || actors.snapshot().is_empty()).await;
            assert!(!addr.connected());
        }
    });
}

#[test]
fn an_actor_ends_with_its_last_address() {
    run(async {
        for actors in both() {
            let (addr, _) = log(&actors);
            assert_eq!(actors.snapshot().len(), 1);
            addr.do_send(Note(1));
            drop(addr);
            super::eventually("the end", || actors.snapshot().is_empty()).await;
        }
    });
}
