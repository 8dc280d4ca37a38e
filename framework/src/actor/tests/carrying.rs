use actix::prelude::*;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{SpanKind, Tracer as _};
use opentelemetry::{Context as Cx, KeyValue, Value};

use super::{Rig, attribute, id, outcome, run};
use crate::actor::{Actors, Causality, Context, Outcome};
use crate::telemetry::Telemetry;

struct Clerk;

impl Actor for Clerk {
    type Context = Context<Self>;
}

/// Starts a span `inner` of the user's own, wherever it is called.
fn inner(name: &'static str) {
    if let Some(telemetry) = Telemetry::current()
        && let Some(tracer) = telemetry.tracer()
    {
        drop(tracer.start(name));
    }
}

#[derive(Message)]
#[rtype(result = "u8")]
struct Sync;

impl Handler<Sync> for Clerk {
    type Result = u8;

    fn handle(&mut self, _: Sync, _: &mut Context<Self>) -> u8 {
        inner("inner");
        7
    }
}

#[derive(Message)]
#[rtype(result = "u8")]
struct ActFuture;

impl Handler<ActFuture> for Clerk {
    type Result = ResponseActFuture<Self, u8>;

    fn handle(&mut self, _: ActFuture, _: &mut Context<Self>) -> Self::Result {
        let later = async {
            tokio::task::yield_now().await;
            inner("inner");
        };
        Box::pin(later.into_actor(self).map(|(), _, _| 7))
    }
}

#[derive(Message)]
#[rtype(result = "u8")]
struct Atomic;

impl Handler<Atomic> for Clerk {
    type Result = AtomicResponse<Self, u8>;

    fn handle(&mut self, _: Atomic, _: &mut Context<Self>) -> Self::Result {
        let later = async {
            tokio::task::yield_now().await;
            inner("inner");
        };
        AtomicResponse::new(Box::pin(later.into_actor(self).map(|(), _, _| 7)))
    }
}

#[derive(Message)]
#[rtype(result = "u8")]
struct Future;

impl Handler<Future> for Clerk {
    type Result = ResponseFuture<u8>;

    fn handle(&mut self, _: Future, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async {
            tokio::task::yield_now().await;
            inner("inner");
            7
        })
    }
}

#[derive(Message)]
#[rtype(result = "u8")]
struct Hidden;

impl Handler<Hidden> for Clerk {
    type Result = Response<u8>;

    fn handle(&mut self, _: Hidden, _: &mut Context<Self>) -> Self::Result {
        inner("inner");
        Response::fut(async {
            tokio::task::yield_now().await;
            7
        })
    }
}

#[derive(Message)]
#[rtype(result = "u8")]
struct Ready;

impl Handler<Ready> for Clerk {
    type Result = ActorResponse<Self, u8>;

    fn handle(&mut self, _: Ready, _: &mut Context<Self>) -> Self::Result {
        inner("inner");
        ActorResponse::reply(7)
    }
}

fn clerk(actors: &Actors) -> Addr<Clerk> {
    actors.actor("clerk", |_: &mut Context<Clerk>| Clerk).start()
}

/// Whatever a handler answers with: its span is the sender's child, and the parent of what it starts.
async fn check<M>(message: M, span: &str)
where
    M: Message<Result = u8> + Send + 'static,
    Clerk: Handler<M>,
{
    let rig = Rig::new();
    let clerk = clerk(&rig.actors);
    let sender = rig.sender("sender");
    let asked = {
        let _cx = sender.clone().attach();
        clerk.send(message)
    };
    assert_eq!(asked.await, Ok(7));
    let handler = rig.one(span).await;
    assert_eq!(handler.parent_span_id, id(&sender));
    assert_eq!(handler.span_kind, SpanKind::Internal);
    assert_eq!(outcome(&handler), "handled");
    assert_eq!(attribute(&handler, "actor.name"), Some(Value::from("clerk")));
    assert_eq!(
        rig.one("inner").await.parent_span_id,
        handler.span_context.span_id(),
        "after an await as well"
    );
    let wait = rig.one("actor.mailbox.wait").await;
    assert_eq!(wait.parent_span_id, id(&sender));
    assert_eq!(wait.end_time, handler.start_time, "the wait ends where the handler begins");
    assert!(handler.end_time >= rig.one("inner").await.end_time, "the span ends with the answer");
    assert_eq!(attribute(&handler, "actor.mailbox.depth"), Some(Value::I64(0)));
}

#[test]
fn a_message_without_a_sender_begins_a_trace() {
    run(async {
        let rig = Rig::new();
        assert_eq!(clerk(&rig.actors).send(Sync).await, Ok(7));
        let handler = rig.one("Clerk Sync").await;
        assert_eq!(handler.parent_span_id, opentelemetry::trace::SpanId::INVALID);
        assert_eq!(rig.one("inner").await.parent_span_id, handler.span_context.span_id());
    });
}

#[test]
fn the_wait_of_a_message_without_a_span_to_be_below_is_below_its_handler() {
    run(async {
        let rig = Rig::new();
        let asked = {
            let _cx = rig.telemetry.root().attach();
            clerk(&rig.actors).send(Sync)
        };
        assert_eq!(asked.await, Ok(7));
        let handler = rig.one("Clerk Sync").await;
        assert_eq!(rig.one("actor.mailbox.wait").await.parent_span_id, handler.span_context.span_id());
    });
}

#[test]
fn a_synchronous_handler_is_a_child_of_its_asker() {
    run(check(Sync, "Clerk Sync"));
}

#[test]
fn a_response_act_future_keeps_its_span_after_an_await() {
    run(check(ActFuture, "Clerk ActFuture"));
}

#[test]
fn an_atomic_response_keeps_its_span_after_an_await() {
    run(check(Atomic, "Clerk Atomic"));
}

#[test]
fn a_response_future_keeps_its_span_after_an_await() {
    run(check(Future, "Clerk Future"));
}

#[test]
fn a_response_that_hides_its_future_ends_its_span_with_the_answer() {
    run(check(Hidden, "Clerk Hidden"));
}

#[test]
fn an_actor_response_that_is_ready_ends_its_span() {
    run(check(Ready, "Clerk Ready"));
}

#[test]
fn tells_and_recipients_are_traced_like_asks() {
    run(async {
        let rig = Rig::new();
        let clerk = clerk(&rig.actors);
        let sender = rig.sender("sender");
        {
            let _cx = sender.clone().attach();
            clerk.do_send(Sync);
            clerk.try_send(Sync).unwrap();
            clerk.clone().recipient::<Sync>().do_send(Sync);
        }
        super::eventually("three handlers", || rig.named("Clerk Sync").len() == 3).await;
        assert!(rig.named("Clerk Sync").iter().all(|span| span.parent_span_id == id(&sender)));
        assert_eq!(rig.named("actor.mailbox.wait").len(), 3);
        let depths: Vec<_> = rig
            .named("Clerk Sync")
            .iter()
            .filter_map(|span| attribute(span, "actor.mailbox.depth"))
            .collect();
        assert_eq!(
            depths,
            [Value::I64(0), Value::I64(1), Value::I64(2)],
            "each found the earlier ones ahead of it"
        );
    });
}

#[derive(Message)]
#[rtype(result = "()")]
struct Pass(u32);

impl Handler<Pass> for Clerk {
    type Result = ();

    fn handle(&mut self, Pass(left): Pass, ctx: &mut Context<Self>) {
        if left > 0 {
            ctx.address().do_send(Pass(left - 1));
        }
    }
}

#[test]
fn a_chain_of_tells_over_its_budget_goes_on_in_a_new_trace_with_a_link() {
    run(async {
        let rig = Rig::with(Causality::default().depth(3));
        let clerk = clerk(&rig.actors);
        let sender = rig.sender("sender");
        {
            let _cx = sender.clone().attach();
            clerk.do_send(Pass(4));
        }
        super::eventually("five handlers", || rig.named("Clerk Pass").len() == 5).await;
        let chain = rig.named("Clerk Pass");
        let trace = |at: usize| chain[at].span_context.trace_id();
        assert_eq!(trace(0), trace(2));
        assert_ne!(trace(2), trace(3), "the fourth tell is over the budget of three");
        assert_eq!(chain[3].links.links[0].span_context, chain[2].span_context);
        assert_eq!(trace(3), trace(4), "and the chain counts anew from there");
    });
}

#[test]
fn a_chain_of_tells_that_is_too_old_goes_on_in_a_new_trace() {
    run(async {
        let rig = Rig::with(Causality::default().age(std::time::Duration::ZERO));
        let clerk = clerk(&rig.actors);
        let sender = rig.sender("sender");
        {
            let _cx = sender.clone().attach();
            clerk.do_send(Pass(0));
        }
        let handler = rig.one("Clerk Pass").await;
        assert_eq!(handler.links.links[0].span_context.span_id(), id(&sender));
    });
}

#[derive(Message)]
#[rtype(result = "Option<String>")]
struct Tenant;

impl Handler<Tenant> for Clerk {
    type Result = Option<String>;

    fn handle(&mut self, _: Tenant, _: &mut Context<Self>) -> Self::Result {
        Cx::current().baggage().get("tenant").map(ToString::to_string)
    }
}

#[test]
fn baggage_travels_with_and_without_telemetry() {
    run(async {
        for telemetry in [Telemetry::disabled(), Rig::new().telemetry] {
            let clerk = clerk(&Actors::new(telemetry));
            let asked = {
                let _cx = Cx::current_with_baggage([KeyValue::new("tenant", "acme")]).attach();
                clerk.send(Tenant)
            };
            assert_eq!(asked.await, Ok(Some("acme".to_owned())));
        }
    });
}

#[test]
fn an_unsampled_sender_is_recorded_nowhere_and_counted() {
    run(async {
        let rig = Rig::new();
        let clerk = clerk(&rig.actors);
        let parent = opentelemetry::trace::SpanContext::new(
            1.into(),
            2.into(),
            opentelemetry::TraceFlags::default(),
            true,
            opentelemetry::trace::TraceState::NONE,
        );
        use opentelemetry::trace::TraceContextExt as _;
        let asked = {
            let _cx = rig.telemetry.root().with_remote_span_context(parent).attach();
            clerk.send(Ready)
        };
        assert_eq!(asked.await, Ok(7));
        assert_eq!(super::names(&rig.named("Clerk Ready")), Vec::<String>::new());
        assert_eq!(rig.actors.snapshot()[0].handled, 1);
    });
}

#[test]
fn two_services_in_one_process_do_not_mix_their_spans() {
    run(async {
        let (one, other) = (Rig::new(), Rig::new());
        let (here, there) = (clerk(&one.actors), clerk(&other.actors));
        let sender = one.sender("sender");
        let (asked_here, asked_there) = {
            let _cx = sender.clone().attach();
            (here.send(Sync), there.send(ActFuture))
        };
        assert_eq!((asked_here.await, asked_there.await), (Ok(7), Ok(7)));
        assert_eq!(
            other.one("Clerk ActFuture").await.parent_span_id,
            id(&sender),
            "it is one trace all the same"
        );
        assert_eq!(other.named("inner").len(), 1, "and its handler finds its own service's telemetry");
        assert_eq!(one.named("inner").len(), 1);
        assert_eq!(one.named("Clerk ActFuture").len(), 0);
    });
}

#[test]
fn an_actor_that_nobody_registered_records_to_the_current_telemetry() {
    run(async {
        let rig = Rig::new();
        let sender = rig.sender("sender");
        let asked = {
            let _cx = sender.clone().attach();
            Context::new().run(Clerk).send(Sync)
        };
        assert_eq!(asked.await, Ok(7));
        assert_eq!(rig.one("Clerk Sync").await.parent_span_id, id(&sender));
        assert_eq!(Context::new().run(Clerk).send(Sync).await, Ok(7), "and works without one");
        assert_eq!(Outcome::Handled.as_str(), "handled");
    });
}
