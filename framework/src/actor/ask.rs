use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Message;
use actix::dev::SendError;
use opentelemetry::{Context, KeyValue, Value};
use tokio::sync::oneshot;

use super::desk::{MESSAGE, refusal_span};
use super::label::short_name;
use super::mail::Mail;
use super::origin::{Call, Fate};
use super::outcome::Outcome;
use super::stamp::Stamp;
use crate::telemetry::Telemetry;

/// Why an [`ask`] has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The deadline passed: the one given, or an earlier one of whoever asked us.
    #[error("no answer from the actor before the deadline: allow more time, or see what it is busy with")]
    Timeout,
    /// The mailbox was full; the message was not sent.
    #[error("the actor's mailbox is full: try again later, or give it more capacity or more actors")]
    MailboxFull,
    /// The actor has stopped, before or after the message was sent.
    #[error("the actor has stopped: its log says why")]
    Closed,
    /// The handler panicked; the actor is restarted if its policy allows.
    #[error("the actor panicked while it handled the message: its log and the handler's span have the text")]
    Panicked,
    /// The recipient's actor is not a traced one and cannot answer; it got the message like one that is told.
    #[error(
        "the recipient's actor has a context of plain actix: give it spanbox::actor::Context, or use send"
    )]
    NotTraced,
    /// The actor was stopped or restarted while it worked on the answer.
    #[error("the actor was stopped or restarted before it had answered")]
    Cancelled,
}

/// Sends a message and awaits the answer, not longer than `timeout`.
///
/// The message is sent by this call, not by the first poll. The deadline travels: whatever the handler asks in turn,
/// by `ask` or by plain `send`, is bound by it too, and of two deadlines the earlier one holds. A message whose
/// deadline has passed when its turn comes is not handled; the trace of the asker says so.
///
/// Unlike `send`, which waits for a place in a full mailbox (and in actix 0.13 may not be woken when there is one),
/// this says no at once.
///
/// # Errors
///
/// See [`AskError`].
pub fn ask<M, T>(
    to: &T,
    message: M,
    timeout: Duration,
) -> impl Future<Output = Result<M::Result, AskError>> + use<M, T>
where
    T: Mail<M> + ?Sized,
    M: Message + Send + 'static,
    M::Result: Send,
{
    let wanted = Instant::now() + timeout;
    let cx = Context::current();
    let inherited = cx.get::<Call>().and_then(|call| call.deadline);
    let deadline = inherited.map_or(wanted, |earlier| earlier.min(wanted));
    let fate = Arc::new(Fate::default());
    let (reply, answer) = oneshot::channel::<M::Result>();
    let sent = {
        let call = Call::new(deadline, Arc::clone(&fate), Box::new(reply));
        let cx = cx.with_value(call);
        let _cx = cx.clone().attach();
        match to.post(message) {
            Ok(()) if cx.get::<Call>().is_some_and(Call::is_unclaimed) => Err(AskError::NotTraced),
            Ok(()) => Ok(()),
            Err(SendError::Full(_)) => Err(AskError::MailboxFull),
            Err(SendError::Closed(_)) => Err(AskError::Closed),
        }
    };
    if let Err(AskError::MailboxFull) = sent {
        reject::<M>(to.actor());
    }
    async move {
        sent?;
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(match fate.get() {
                Some(Outcome::Panic) => AskError::Panicked,
                Some(Outcome::Cancelled) => AskError::Cancelled,
                Some(Outcome::Expired) => AskError::Timeout,
                _ => AskError::Closed,
            }),
            Err(_) => Err(AskError::Timeout),
        }
    }
}

/// Sends a message without waiting, unless the mailbox is full: that is counted and stands in the sender's trace.
///
/// It is `try_send` for the rest; actix gives a full mailbox no way to be noticed there.
///
/// # Errors
///
/// [`SendError::Full`] or [`SendError::Closed`], with the message in it.
pub fn offer<M, T>(to: &T, message: M) -> Result<(), SendError<M>>
where
    T: Mail<M> + ?Sized,
    M: Message + Send + 'static,
{
    let sent = to.post(message);
    if let Err(SendError::Full(_)) = &sent {
        reject::<M>(to.actor());
    }
    sent
}

/// [`ask`] and [`offer`] as methods of addresses, recipients and pools.
pub trait AskExt {
    /// See [`ask`].
    fn ask<M>(
        &self,
        message: M,
        timeout: Duration,
    ) -> impl Future<Output = Result<M::Result, AskError>> + use<M, Self>
    where
        Self: Mail<M> + Sized,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        ask(self, message, timeout)
    }

    /// See [`offer`].
    ///
    /// # Errors
    ///
    /// As [`offer`].
    fn offer<M>(&self, message: M) -> Result<(), SendError<M>>
    where
        Self: Mail<M> + Sized,
        M: Message + Send + 'static,
    {
        offer(self, message)
    }
}

impl<T> AskExt for T {}

/// A full mailbox, from the sender's side: the message never reached anything of the receiver's.
fn reject<M>(actor: Option<&'static str>) {
    let Some(telemetry) = Telemetry::current() else { return };
    let message = short_name::<M>();
    if let Some(meter) = telemetry.meter() {
        let rejected = meter
            .u64_counter("actor.mailbox.rejected")
            .with_unit("{message}")
            .with_description("Messages that a full mailbox refused.")
            .build();
        let actor = actor.unwrap_or("unknown");
        rejected.add(1, &[KeyValue::new("actor.type", actor), KeyValue::new(MESSAGE, message)]);
    }
    let Some(tracer) = telemetry.tracer() else { return };
    let cx = Context::current();
    let span = actor.map_or_else(|| message.to_owned(), |actor| format!("{actor} {message}"));
    let actor = Value::from(actor.unwrap_or("unknown"));
    refusal_span(tracer, &cx, &span, &actor, message, Outcome::MailboxFull, Stamp::now());
}
