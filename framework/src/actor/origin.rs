use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::Instant;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use parking_lot::Mutex;

use super::hop::Hop;
use super::outcome::Outcome;
use super::stamp::Stamp;
use crate::telemetry::{Hold, Telemetry};

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

/// Where a message comes from: captured when it is sent, read when it is handled. Kept small: a mailbox is full of it.
#[derive(Default)]
pub(super) struct Origin {
    pub(super) cx: Context,
    /// When it entered the mailbox; `None` if nobody will look at it, which spares the clock.
    pub(super) at: Option<Stamp>,
    /// The sender's [`Hop`].
    pub(super) born: Option<Stamp>,
    pub(super) depth: u16,
    pub(super) via: Via,
    /// Whether a span below the sender's may be recorded: it is sampled or recording, or there is none.
    pub(super) recordable: bool,
    pub(super) terms: Option<Box<Terms>>,
    /// Keeps the sender's trace undecided until this is handled or will never be.
    _hold: Option<Box<Hold>>,
}

/// What only an ask with a deadline has.
pub(super) struct Terms {
    pub(super) deadline: Option<Instant>,
    pub(super) fate: Option<Arc<Fate>>,
}

impl Origin {
    /// The place that this code runs at, and the answer's address if [`ask`](super::ask) left one there.
    #[inline]
    pub(super) fn capture(via: Via) -> (Self, Option<Reply>) {
        let Hop { depth, born } = Hop::current();
        Context::map_current(|cx| {
            let span = cx.span();
            let parent = span.span_context();
            let recordable = !parent.is_valid() || parent.is_sampled() || span.is_recording();
            let watched = match cx.get::<Telemetry>() {
                Some(telemetry) => {
                    telemetry.meter().is_some() || (recordable && telemetry.tracer().is_some())
                }
                None => recordable && parent.is_valid(),
            };
            let queued = matches!(via, Via::Ask | Via::Tell);
            let at = (watched && queued).then(Stamp::now);
            let undecided = !parent.is_sampled() && span.is_recording() && via != Via::Later;
            let telemetry = cx.get::<Telemetry>().filter(|_| undecided);
            let mut origin = Self {
                cx: cx.clone(),
                at,
                born: born.or(at),
                depth,
                via,
                recordable,
                terms: None,
                _hold: telemetry.and_then(|telemetry| telemetry.hold(parent.trace_id())),
            };
            let reply = cx.get::<Call>().and_then(|call| origin.heed(call));
            (origin, reply)
        })
    }

    fn heed(&mut self, call: &Call) -> Option<Reply> {
        let reply = call.reply.lock().take();
        if reply.is_some() {
            self.via = Via::Ask;
        }
        if self.via == Via::Ask {
            let fate = if reply.is_some() { call.fate.clone() } else { None };
            self.terms = Some(Box::new(Terms { deadline: call.deadline, fate }));
        } else if call.deadline.is_some() {
            // A deadline is for those that somebody waits for; what is only told outlives it.
            self.cx = self.cx.with_value(Call::none());
        }
        reply
    }

    pub(super) fn hop(&self) -> Hop {
        Hop { depth: self.depth, born: self.born }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.terms.as_ref()?.deadline
    }

    pub(super) fn fate(&self) -> Option<&Arc<Fate>> {
        self.terms.as_ref()?.fate.as_ref()
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
    pub(super) fn new(deadline: Option<Instant>, fate: Arc<Fate>, reply: Reply) -> Self {
        Self { deadline, fate: Some(fate), reply: Mutex::new(Some(reply)) }
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
