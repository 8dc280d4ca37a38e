use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::{Instant, SystemTime};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use parking_lot::Mutex;

use super::hop::Hop;
use super::outcome::Outcome;
use crate::telemetry::Telemetry;

/// How a message came to its actor.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Via {
    /// Somebody waits for the answer.
    Ask,
    /// Through the mailbox, without an answer.
    #[default]
    Tell,
    /// From the actor to itself, beside the mailbox.
    Notify,
    /// From a timer or a stream: a cause long gone, so a trace of its own.
    Later,
}

/// Where a message comes from: captured when it is sent, read when it is handled.
#[derive(Default)]
pub(super) struct Origin {
    pub(super) cx: Context,
    /// When it entered the mailbox; `None` if nobody will look at it, which spares the clock.
    pub(super) at: Option<SystemTime>,
    pub(super) hop: Hop,
    pub(super) via: Via,
    /// Whether a span below the sender's may be recorded: it is sampled or recording, or there is none.
    pub(super) recordable: bool,
    pub(super) deadline: Option<Instant>,
    pub(super) fate: Option<Arc<Fate>>,
}

impl Origin {
    /// The place that this code runs at, and the answer's address if [`ask`](super::ask) left one there.
    pub(super) fn capture(via: Via) -> (Self, Option<Reply>) {
        let mut hop = Hop::current();
        Context::map_current(|cx| {
            let (reply, fate, deadline) = match cx.get::<Call>() {
                Some(call) => (call.reply.lock().take(), call.fate.clone(), call.deadline),
                None => (None, None, None),
            };
            let via = if reply.is_some() { Via::Ask } else { via };
            let fate = if reply.is_some() { fate } else { None };

            let span = cx.span();
            let parent = span.span_context();
            let recordable = !parent.is_valid() || parent.is_sampled() || span.is_recording();
            let at = match via {
                Via::Ask | Via::Tell => {
                    let watched = match cx.get::<Telemetry>() {
                        Some(telemetry) => {
                            telemetry.meter().is_some() || (recordable && telemetry.tracer().is_some())
                        }
                        None => recordable && parent.is_valid(),
                    };
                    watched.then(SystemTime::now)
                }
                Via::Notify | Via::Later => None,
            };
            hop.born = hop.born.or(at);

            // A deadline is for those that somebody waits for; what is only told outlives it.
            let (cx, deadline) = match (via, deadline) {
                (Via::Ask, deadline) => (cx.clone(), deadline),
                (_, None) => (cx.clone(), None),
                (_, Some(_)) => (cx.with_value(Call::none()), None),
            };
            (Self { cx, at, hop, via, recordable, deadline, fate }, reply)
        })
    }
}

/// What [`ask`](super::ask) puts into the context: it travels with the message and into further asks.
pub(super) struct Call {
    pub(super) deadline: Option<Instant>,
    fate: Option<Arc<Fate>>,
    reply: Mutex<Option<Reply>>,
}

/// The sender of a oneshot channel for the answer, whose type only the receiver knows.
pub(super) type Reply = Box<dyn Any + Send>;

impl Call {
    pub(super) fn new(deadline: Instant, fate: Arc<Fate>, reply: Reply) -> Self {
        Self { deadline: Some(deadline), fate: Some(fate), reply: Mutex::new(Some(reply)) }
    }

    /// Whether nobody has taken the address for the answer.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.reply.lock().is_some()
    }

    fn none() -> Self {
        Self { deadline: None, fate: None, reply: Mutex::new(None) }
    }
}

/// Tells the asker why no answer came.
#[derive(Default)]
pub(super) struct Fate(AtomicU8);

impl Fate {
    pub(super) fn set(&self, outcome: Outcome) {
        self.0.store(outcome as u8 + 1, SeqCst);
    }

    pub(super) fn get(&self) -> Option<Outcome> {
        let stored = usize::from(self.0.load(SeqCst));
        Outcome::ALL.get(stored.checked_sub(1)?).copied()
    }
}
