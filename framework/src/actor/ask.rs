use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Message;
use actix::dev::SendError;
use opentelemetry::Context;
use tokio::sync::oneshot;

use super::mail::Mail;
use super::origin::{Call, Fate};
use super::outcome::Outcome;
use super::refusal::note;

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
    // None if it lies beyond what the clock can tell.
    let wanted = Instant::now().checked_add(timeout);
    let cx = Context::current();
    let inherited = cx.get::<Call>().and_then(|call| call.deadline);
    let deadline = [inherited, wanted].into_iter().flatten().min();
    let fate = Arc::new(Fate::default());
    let (reply, answer) = oneshot::channel::<M::Result>();
    let (posted, unclaimed) = {
        let call = Call::new(deadline, Arc::clone(&fate), Box::new(reply));
        let cx = cx.with_value(call);
        let _cx = cx.clone().attach();
        (to.post(message), cx.get::<Call>().is_some_and(Call::is_unclaimed))
    };
    note(to.actor(), &posted);
    let sent = match posted {
        Ok(()) if unclaimed => Err(AskError::NotTraced),
        Ok(()) => Ok(()),
        Err(SendError::Full(_)) => Err(AskError::MailboxFull),
        Err(SendError::Closed(_)) => Err(AskError::Closed),
    };
    async move {
        sent?;
        let answer = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), answer).await,
            None => Ok(answer.await),
        };
        match answer {
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

/// Sends a message without waiting, unless the mailbox is full or closed: that is counted and stands in the sender's
/// trace.
///
/// It is `try_send` for the rest; actix gives no way to notice a refusal there.
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
    note(to.actor(), &sent);
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
