//! What is sent to those that have stopped for good, or never started.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use actix::dev::SendError;
use actix::dev::channel::channel;
use actix::prelude::*;
use opentelemetry::KeyValue;
use opentelemetry::trace::FutureExt as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};

use super::{Rig, eventually, id, metered, outcome, run};
use crate::actor::desk::Desk;
use crate::actor::metrics::Ledger;
use crate::actor::vitals::Vitals;
use crate::actor::{
    Actors, AskError, AskExt as _, BlockingContext, Causality, Context, Pool, RestartPolicy, blocking,
};
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
fn what_a_closed_mailbox_refuses_is_counted_by_its_reason() {
    run(async {
        let (telemetry, provider, exporter) = metered();
        let pool = pool(&Actors::new(telemetry.clone()));
        kill(&pool.addrs()[0]).await;
        kill(&pool.addrs()[1]).await;
        {
            let _cx = telemetry.root().attach();
            pool.do_send(Work);
            assert!(pool.addrs()[0].offer(Work).is_err());
        }
        provider.force_flush().unwrap();
        let exported = exporter.get_finished_metrics().unwrap();
        let counted: Vec<_> = exported
            .iter()
            .flat_map(|all| all.scope_metrics())
            .flat_map(|scope| scope.metrics())
            .filter(|metric| metric.name() == "actor.mailbox.rejected")
            .flat_map(|metric| match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => sum.data_points().collect(),
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(counted.iter().map(|point| point.value()).collect::<Vec<_>>(), [2]);
        let reason = KeyValue::new("actor.message.outcome", "dead_letter");
        assert!(counted[0].attributes().any(|attribute| *attribute == reason));
    });
}

struct Thread;

impl Actor for Thread {
    type Context = BlockingContext<Self>;
}

#[test]
fn a_pool_that_is_short_of_a_thread_ends_those_that_have_started() {
    run(async {
        let vitals = Arc::new(Vitals::new("threads".into(), "Thread", None));
        let ledger = Arc::<Ledger>::default();
        ledger.enter(Arc::clone(&vitals));
        let desk = Arc::new(Desk::new(Telemetry::disabled(), None, Causality::default(), vitals));
        let (sender, receiver) = channel(1);
        let ends = (Addr::new(sender).downgrade(), receiver);
        let short = |name: String, life| match name.as_str() {
            "threads-1" => Err(std::io::Error::other("no more threads")),
            _ => blocking::thread(name, life),
        };
        let telling = (desk, Arc::clone(&ledger));
        let factory = Box::new(|| Thread);
        assert!(blocking::start(2, ends, telling, RestartPolicy::never(), factory, short).is_err());
        eventually("the end of the first", || ledger.live().is_empty()).await;
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
