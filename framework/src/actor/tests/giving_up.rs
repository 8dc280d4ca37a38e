//! What is sent to those that have stopped for good, or never started.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use actix::dev::SendError;
use actix::prelude::*;
use opentelemetry::trace::FutureExt as _;
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};

use super::{Rig, eventually, id, outcome, run};
use crate::actor::{Actors, AskError, AskExt as _, Context, Pool, RestartPolicy};
use crate::telemetry::Telemetry;

const SOON: Duration = Duration::from_secs(5);

struct Member;

impl Actor for Member {
    type Context = Context<Self>;
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Work;

impl Handler<Work> for Member {
    type Result = ();

    fn handle(&mut self, _: Work, _: &mut Context<Self>) {}
}

#[derive(Message)]
#[rtype(result = "()")]
struct Die;

impl Handler<Die> for Member {
    type Result = ();

    fn handle(&mut self, _: Die, _: &mut Context<Self>) {
        panic!("for good");
    }
}

fn pool(actors: &Actors) -> Pool<Member> {
    actors.pool("members", 2, |_: &mut Context<Member>| Member).restart(RestartPolicy::never()).start()
}

async fn kill(member: &Addr<Member>) {
    assert_eq!(member.ask(Die, SOON).await, Err(AskError::Panicked));
    eventually("the end of a member", || !member.connected()).await;
}

#[test]
fn a_pool_passes_over_a_member_that_was_given_up() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let pool = pool(&actors);
        kill(&pool.addrs()[0]).await;
        (0..10).for_each(|_| pool.do_send(Work));
        assert!(pool.send(Work).await.is_ok());
        assert!(pool.send(Work).await.is_ok());
        assert_eq!(actors.snapshot().iter().map(|member| member.handled).collect::<Vec<_>>(), [12]);
    });
}

/// Counts the errors that are logged on this thread.
#[derive(Clone, Default)]
struct Errors(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        if *event.metadata().level() == tracing::Level::ERROR {
            self.0.fetch_add(1, SeqCst);
        }
    }
}

#[test]
fn what_is_sent_to_a_pool_without_members_are_dead_letters_in_the_senders_trace_and_one_error() {
    run(async {
        let rig = Rig::new();
        let pool = pool(&rig.actors);
        kill(&pool.addrs()[0]).await;
        kill(&pool.addrs()[1]).await;
        let errors = Errors::default();
        let subscriber = tracing_subscriber::registry().with(errors.clone());
        let _logs = tracing::subscriber::set_default(subscriber);
        let sender = rig.sender("sender");
        async {
            pool.do_send(Work);
            assert!(matches!(pool.try_send(Work), Err(SendError::Closed(Work))));
            assert_eq!(pool.send(Work).await, Err(MailboxError::Closed));
            assert_eq!(pool.ask(Work, SOON).await, Err(AskError::Closed));
            assert!(matches!(pool.offer(Work), Err(SendError::Closed(Work))));
        }
        .with_context(sender.clone())
        .await;
        let dead = rig.named("Member Work");
        assert_eq!(dead.len(), 5);
        for span in &dead {
            assert_eq!((span.parent_span_id, outcome(span).as_str()), (id(&sender), "dead_letter"));
        }
        assert_eq!(errors.0.load(SeqCst), 1, "logged once");
    });
}

#[test]
fn what_a_closed_mailbox_refuses_is_a_dead_letter_in_the_senders_trace() {
    run(async {
        let rig = Rig::new();
        let pool = pool(&rig.actors);
        let member = &pool.addrs()[0];
        kill(member).await;
        let sender = rig.sender("sender");
        async {
            assert_eq!(member.ask(Work, SOON).await, Err(AskError::Closed));
            assert!(matches!(member.offer(Work), Err(SendError::Closed(Work))));
        }
        .with_context(sender.clone())
        .await;
        let dead = rig.named("Member Work");
        assert_eq!(dead.len(), 2);
        assert!(dead.iter().all(|span| span.parent_span_id == id(&sender) && outcome(span) == "dead_letter"));
    });
}

#[test]
fn an_actor_for_an_arbiter_that_has_stopped_is_not_listed_and_not_awaited() {
    run(async {
        let actors = Actors::new(Telemetry::disabled());
        let arbiter = actors.arbiter();
        let handle = arbiter.handle();
        arbiter.stop();
        arbiter.join().unwrap();
        let addr = actors.actor("late", |_: &mut Context<Member>| Member).on(handle).start();
        assert!(actors.snapshot().is_empty());
        assert!(!addr.connected());
        let deadline = Instant::now() + SOON;
        actors.drain(deadline).await;
        assert!(Instant::now() < deadline);
    });
}
