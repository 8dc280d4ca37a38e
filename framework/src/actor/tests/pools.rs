use std::collections::HashSet;
use std::sync::{Arc, Barrier};
use std::thread::ThreadId;
use std::time::Duration;

use actix::prelude::*;

use super::{Rig, id, run};
use crate::actor::{Actors, AskExt as _, BlockingContext, Context};
use crate::telemetry::Telemetry;

const SOON: Duration = Duration::from_secs(5);

#[derive(Message)]
#[rtype(result = "Option<ThreadId>")]
struct Where;

struct Member;

impl Actor for Member {
    type Context = Context<Self>;
}

impl Handler<Where> for Member {
    type Result = Option<ThreadId>;

    fn handle(&mut self, _: Where, _: &mut Context<Self>) -> Self::Result {
        Some(std::thread::current().id())
    }
}

#[test]
fn a_pool_uses_its_members_in_turn_on_their_arbiters() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let arbiters = [actors.arbiter(), actors.arbiter()];
        let pool = actors
            .pool("members", 4, |_: &mut Context<Member>| Member)
            .on_arbiters(arbiters.iter().map(Arbiter::handle))
            .start();
        let mut threads = HashSet::new();
        for _ in 0..4 {
            threads.insert(pool.ask(Where, SOON).await.unwrap());
        }
        assert_eq!(threads.len(), 2);
        let handled = || actors.snapshot().iter().map(|actor| actor.handled).collect::<Vec<_>>();
        super::eventually("one message each", || handled() == [1; 4]).await;
        assert_eq!(pool.addrs().len(), 4);
        let members: Vec<_> = actors.snapshot().iter().map(|actor| actor.member).collect();
        assert_eq!(members, [Some(0), Some(1), Some(2), Some(3)]);
        for arbiter in arbiters {
            arbiter.stop();
            arbiter.join().unwrap();
        }
    });
}

#[test]
fn a_pool_says_no_only_when_every_member_is_full() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let pool = actors.pool("members", 2, |_: &mut Context<Member>| Member).mailbox_capacity(1).start();
        let sent = (0..10).take_while(|_| pool.offer(Where).is_ok()).count();
        assert_eq!(sent, 2, "the members have not run yet, and each holds one");
        assert!(pool.send(Where).await.is_ok());
    });
}

#[test]
fn a_member_of_a_pool_that_was_described_with_none_exists() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let pool = actors.pool("members", 0, |_: &mut Context<Member>| Member).start();
        assert!(pool.ask(Where, SOON).await.is_ok());
    });
}

/// Its handlers run when as many as the barrier wants have begun.
struct Thread(u32, Arc<Barrier>);

fn threads(actors: &Actors, threads: usize) -> Addr<Thread> {
    let barrier = Arc::new(Barrier::new(threads));
    actors.blocking_pool("threads", threads, move || Thread(0, Arc::clone(&barrier))).start().unwrap()
}

impl Actor for Thread {
    type Context = BlockingContext<Self>;
}

impl Handler<Where> for Thread {
    type Result = Option<ThreadId>;

    fn handle(&mut self, _: Where, _: &mut Self::Context) -> Self::Result {
        self.1.wait();
        Some(std::thread::current().id())
    }
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Once;

impl Handler<Once> for Thread {
    type Result = u32;

    fn handle(&mut self, _: Once, ctx: &mut Self::Context) -> u32 {
        self.0 += 1;
        ctx.stop();
        self.0
    }
}

#[test]
fn a_blocking_pool_works_on_threads_of_its_own_and_is_traced() {
    run(async {
        let rig = Rig::new();
        let pool = threads(&rig.actors, 2);
        let sender = rig.sender("sender");
        let asked: Vec<_> = {
            let _cx = sender.clone().attach();
            (0..8).map(|_| pool.ask(Where, SOON)).collect()
        };
        let threads: HashSet<_> =
            futures_util::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(threads.len(), 2);
        assert!(!threads.contains(&Some(std::thread::current().id())));
        let spans = rig.named("Thread Where");
        assert_eq!(spans.len(), 8);
        assert!(spans.iter().all(|span| span.parent_span_id == id(&sender)));
        assert_eq!(rig.named("actor.mailbox.wait").len(), 8);
    });
}

#[test]
fn a_blocking_actor_that_stops_is_replaced_by_a_fresh_one() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let pool = threads(&actors, 1);
        assert_eq!(pool.ask(Once, SOON).await, Ok(1));
        assert_eq!(pool.ask(Once, SOON).await, Ok(1));
        assert_eq!(actors.snapshot()[0].restarts, 0, "that is no failure");
    });
}

#[test]
fn a_blocking_pool_ends_when_its_last_address_is_dropped_after_its_work_is_done() {
    run(async {
        let rig = Rig::new();
        let pool = threads(&rig.actors, 1);
        for _ in 0..3 {
            pool.do_send(Where);
        }
        drop(pool);
        super::eventually("the end", || rig.actors.snapshot().is_empty()).await;
        assert_eq!(
            rig.named("Thread Where").iter().filter(|span| super::outcome(span) == "handled").count(),
            3
        );
    });
}
