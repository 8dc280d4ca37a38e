use std::time::Duration;

use actix::prelude::*;
use futures_util::stream;
use opentelemetry::trace::TraceContextExt as _;

use super::{Rig, id, run};
use crate::actor::Context;

#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
enum Set {
    Notify,
    NotifyLater,
    RunLater,
    Interval,
    Stream,
    Messages,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Ping;

struct Timer;

impl Actor for Timer {
    type Context = Context<Self>;
}

impl Handler<Ping> for Timer {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

impl StreamHandler<u32> for Timer {
    fn handle(&mut self, _: u32, _: &mut Context<Self>) {}

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Set> for Timer {
    type Result = ();

    fn handle(&mut self, set: Set, ctx: &mut Context<Self>) {
        let soon = Duration::from_millis(1);
        match set {
            Set::Notify => ctx.notify(Ping),
            Set::NotifyLater => _ = ctx.notify_later(Ping, soon),
            Set::RunLater => _ = ctx.run_later(soon, |_, _| {}),
            Set::Interval => _ = ctx.run_interval(soon, |_, _| {}),
            Set::Stream => _ = ctx.add_stream(stream::iter([1_u32, 2])),
            Set::Messages => ctx.add_message_stream(stream::iter([Ping, Ping])),
        }
    }
}

/// Lets a handler set something up, and awaits `runs` spans of it.
async fn set(what: Set, span: &str, runs: usize) -> (Rig, opentelemetry_sdk::trace::SpanData) {
    let rig = Rig::new();
    let timer = rig.actors.actor("timer", |_: &mut Context<Timer>| Timer).start();
    let sender = rig.sender("sender");
    {
        let _cx = sender.clone().attach();
        timer.do_send(what);
    }
    let setter = rig.one("Timer Set").await;
    assert_eq!(setter.parent_span_id, id(&sender));
    super::eventually(span, || rig.named(span).len() >= runs).await;
    (rig, setter)
}

async fn check_linked(what: Set, span: &str, runs: usize) {
    let (rig, setter) = set(what, span, runs).await;
    let mut traces = Vec::new();
    for run in rig.named(span) {
        assert_eq!(run.parent_span_id, opentelemetry::trace::SpanId::INVALID);
        assert_eq!(run.links.links[0].span_context, setter.span_context);
        assert!(!traces.contains(&run.span_context.trace_id()), "each run has a trace of its own");
        traces.push(run.span_context.trace_id());
    }
    assert!(!traces.contains(&setter.span_context.trace_id()));
}

#[test]
fn a_notification_is_a_child_of_the_handler_that_made_it() {
    run(async {
        let (rig, setter) = set(Set::Notify, "Timer Ping", 1).await;
        assert_eq!(rig.one("Timer Ping").await.parent_span_id, setter.span_context.span_id());
        assert!(!opentelemetry::Context::current().span().span_context().is_valid());
    });
}

#[test]
fn a_later_notification_is_linked_to_the_handler_that_made_it() {
    run(check_linked(Set::NotifyLater, "Timer Ping", 1));
}

#[test]
fn a_later_run_is_linked_to_the_handler_that_set_it() {
    run(check_linked(Set::RunLater, "Timer run_later", 1));
}

#[test]
fn each_run_of_an_interval_is_linked_to_the_handler_that_set_it() {
    run(check_linked(Set::Interval, "Timer run_interval", 3));
}

#[test]
fn each_item_of_a_stream_is_linked_to_the_handler_that_added_it() {
    run(check_linked(Set::Stream, "Timer u32", 2));
}

#[test]
fn each_message_of_a_stream_is_linked_to_the_handler_that_added_it() {
    run(check_linked(Set::Messages, "Timer Ping", 2));
}
