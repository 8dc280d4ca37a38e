use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use opentelemetry::trace::{Link, Span as _, SpanBuilder, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use parking_lot::Mutex;

use super::desk::{Desk, MESSAGE, OUTCOME};
use super::hop::Hop;
use super::label::{Label, Labels};
use super::origin::{Origin, Via};
use super::outcome::Outcome;
use super::stamp::Stamp;
use crate::telemetry::{Operation, Telemetry};

/// The part of an actor's telemetry that only its own thread touches.
pub(super) struct Recorder {
    pub(super) desk: Arc<Desk>,
    pub(super) labels: Labels,
    dequeued: Line,
    /// The end of the last message, which is the start of the next if nothing ran in between.
    clock: Option<Stamp>,
    busy_with: &'static str,
    /// Neither traces nor measures: nothing but the count of handled messages is kept.
    pub(super) off: bool,
    /// Handled messages that are not in the vitals yet: a plain addition here, one atomic for many there.
    handled: u64,
}

/// A message whose handler runs.
#[derive(Default)]
pub(super) struct Begun {
    /// The sender's context with the handler's span, if the handler is timed.
    pub(super) cx: Context,
    pub(super) hop: Hop,
    pub(super) message: &'static str,
    /// Set if the handler is timed.
    pub(super) start: Option<Stamp>,
}

impl Recorder {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self::in_line(desk, Line::Own(Dequeued::default()))
    }

    /// For one of several workers that take from one mailbox.
    pub(super) fn sharing(desk: Arc<Desk>, dequeued: Arc<Mutex<Dequeued>>) -> Self {
        Self::in_line(desk, Line::Shared(dequeued))
    }

    fn in_line(desk: Arc<Desk>, dequeued: Line) -> Self {
        let off = desk.tracer.is_none() && desk.durations.is_none();
        Self { desk, labels: Labels::default(), dequeued, clock: None, busy_with: "", off, handled: 0 }
    }

    /// Something other than a message has run or may have: the remembered time is no longer now.
    pub(super) fn forget_time(&mut self) {
        self.clock = None;
    }

    /// Makes the count of handled messages public.
    pub(super) fn publish(&mut self) {
        if self.handled > 0 {
            self.desk.vitals.add(Outcome::Handled, std::mem::take(&mut self.handled));
        }
    }

    pub(super) fn count_handled(&mut self) {
        self.handled += 1;
    }

    /// The mailbox is empty.
    pub(super) fn idle(&mut self) {
        if let Line::Own(dequeued) = &mut self.dequeued {
            dequeued.0.clear();
        }
        if self.desk.vitals.depth() != 0 {
            self.desk.vitals.set_depth(0);
        }
        self.desk.vitals.took_all();
    }

    /// Opens the telemetry of a message whose turn has come.
    pub(super) fn begin<A: 'static, M: 'static>(&mut self, origin: &mut Origin) -> Begun {
        let desk = &*self.desk;
        let now = self.clock.take().unwrap_or_else(Stamp::now);
        let queued = matches!(origin.via, Via::Ask | Via::Tell);
        let depth = match &mut self.dequeued {
            _ if !queued => None,
            Line::Own(dequeued) => dequeued.depth_at(origin.at, now),
            Line::Shared(dequeued) => dequeued.lock().depth_at(origin.at, now),
        };

        let spent = match origin.via {
            Via::Ask => false,
            Via::Later => true,
            Via::Tell | Via::Notify => desk.causality.is_spent(origin.hop(), now),
        };
        let hop = match origin.via {
            _ if spent => Hop { depth: 0, born: Some(now) },
            Via::Ask => Hop { depth: origin.depth, born: origin.born.or(Some(now)) },
            _ => Hop { depth: origin.depth.saturating_add(1), born: origin.born.or(Some(now)) },
        };
        let tracer = desk.tracer.as_ref().filter(|_| origin.recordable || spent);
        if tracer.is_none() && desk.durations.is_none() {
            origin.cx = adopt(desk, std::mem::take(&mut origin.cx));
            return Begun { hop, ..Begun::default() };
        }

        let label = self.labels.of::<A, M>();
        let message = label.message;
        if let Some(depth) = depth {
            desk.vitals.set_depth(depth);
        }
        if let Some(at) = origin.at {
            desk.record_wait(now.since(at));
            desk.vitals.took(at);
        }
        // The name is behind a lock; it seldom changes, and the time beside it is not.
        desk.vitals.busy(message, now, &mut self.busy_with);
        origin.cx = adopt(desk, std::mem::take(&mut origin.cx));
        let cx = match tracer {
            Some(tracer) => open(desk, tracer, label, origin, depth, now, spent),
            None => std::mem::take(&mut origin.cx),
        };
        Begun { cx, hop, message, start: Some(now) }
    }

    /// Closes the telemetry of a handler that has answered, or never will.
    pub(super) fn finish(&mut self, begun: &Begun, outcome: Outcome) {
        match outcome {
            Outcome::Handled => self.count_handled(),
            _ => self.desk.vitals.count(outcome),
        }
        if let Some(start) = begun.start {
            let end = Stamp::now();
            self.desk.record_work(begun.message, end.since(start));
            self.desk.vitals.free();
            close(&self.desk, &begun.cx, outcome, end);
            self.clock = Some(end);
        }
    }

    /// The handler's call is over and its answer is still to come.
    pub(super) fn hand_over(&mut self, begun: &Begun) {
        if begun.start.is_some() {
            self.desk.vitals.free();
        }
    }
}

/// Ends the span of `cx`.
pub(super) fn close(desk: &Desk, cx: &Context, outcome: Outcome, end: Stamp) {
    let span = cx.span();
    span.set_attribute(KeyValue::new(OUTCOME, outcome.as_str()));
    Operation::end(&desk.telemetry, cx);
    span.end_with_timestamp(end.time());
}

/// The sender's context with this actor's telemetry in it, so that everything below records to the same service.
fn adopt(desk: &Desk, cx: Context) -> Context {
    match cx.get::<Telemetry>() {
        Some(telemetry) if desk.owns(telemetry) => cx,
        _ => cx.with_value(desk.telemetry.clone()),
    }
}

fn open(
    desk: &Desk,
    tracer: &SdkTracer,
    label: &Label,
    origin: &Origin,
    depth: Option<u64>,
    now: Stamp,
    spent: bool,
) -> Context {
    let attributes = || {
        // One more place, for the outcome.
        let mut attributes = Vec::with_capacity(4);
        attributes.push(desk.name());
        attributes.push(KeyValue::new(MESSAGE, label.message));
        if let Some(depth) = depth {
            attributes.push(KeyValue::new("actor.mailbox.depth", i64::try_from(depth).unwrap_or(i64::MAX)));
        }
        attributes
    };
    let mut builder = SpanBuilder {
        name: Cow::Owned(label.span.clone()),
        start_time: Some(now.time()),
        ..SpanBuilder::default()
    };
    let sender = origin.cx.span().span_context().clone();
    let certain = sender.is_sampled() && !spent;
    if certain {
        builder.attributes = Some(attributes());
    }
    if spent && sender.is_valid() {
        builder.links = Some(vec![Link::with_context(sender.clone())]);
    }
    // A span is taken out of a context by no means, and a sampler that follows parents would see it.
    let parent = if spent { &desk.root } else { &origin.cx };
    let mut span = tracer.build_with_context(builder, parent);
    let recording = span.is_recording();
    if recording && !certain {
        span.set_attributes(attributes());
    }
    let cx = origin.cx.with_span(span);
    if let (Some(at), true) = (origin.at, recording || sender.is_sampled()) {
        // The wait belongs to the sender's trace; a message without a sender has only its own.
        let above = if sender.is_valid() { &origin.cx } else { &cx };
        desk.wait_span(tracer, above, at, now);
    }
    // What comes of a request or a job is part of it.
    if spent || !sender.is_valid() { Operation::begin(&desk.telemetry, cx) } else { cx }
}

/// When earlier messages were taken from the mailbox: enough to say how many were ahead of one that came in later.
///
/// actix keeps the mailbox's length to itself, and a counter would be one more cache line for all senders. The
/// depth that a message found is the number of earlier messages that were taken after it came in. Each time is
/// pushed once and popped once.
#[derive(Default)]
pub(super) struct Dequeued(VecDeque<Stamp>);

enum Line {
    Own(Dequeued),
    Shared(Arc<Mutex<Dequeued>>),
}

impl Dequeued {
    /// Unmeasured messages pop nothing, so what is remembered needs a bound.
    const MOST: usize = 1 << 16;

    fn depth_at(&mut self, enqueued: Option<Stamp>, now: Stamp) -> Option<u64> {
        let depth = enqueued.map(|enqueued| {
            while self.0.front().is_some_and(|taken| *taken <= enqueued) {
                self.0.pop_front();
            }
            self.0.len() as u64
        });
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back(now);
        depth
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_is_the_number_of_messages_that_were_still_ahead() {
        let at = Stamp::from_nanos;
        let mut dequeued = Dequeued::default();
        // In at 1, 2, 3 and 12; out at 10, 11, 13 and 14.
        let depths: Vec<_> = [(1, 10), (2, 11), (3, 13), (12, 14)]
            .map(|(enqueued, taken)| dequeued.depth_at(Some(at(enqueued)), at(taken)))
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(depths, [0, 1, 2, 1]);
        assert_eq!(dequeued.0.len(), 2, "what can no longer be ahead is forgotten");
    }

    #[test]
    fn messages_without_a_time_do_not_grow_the_memory_without_bound() {
        let mut dequeued = Dequeued::default();
        for _ in 0..Dequeued::MOST + 10 {
            assert_eq!(dequeued.depth_at(None, Stamp::from_nanos(1)), None);
        }
        assert_eq!(dequeued.0.len(), Dequeued::MOST);
    }
}
