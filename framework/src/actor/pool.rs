use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use actix::dev::{MailboxError, SendError, ToEnvelope};
use actix::{Actor, Addr, Handler, Message};

use super::label::short_name;
use super::letter::Host;
use super::mail::sealed;
use super::outcome::Outcome;
use super::refusal::{note, refuse};

/// Several actors of one type behind one handle, used in turn.
///
/// It is what [`Actors::pool`](super::Actors::pool) starts. Cheap to clone; the actors stop when the last clone and
/// the last address are gone. A member that has stopped is passed over. When all have, what is sent is a dead letter
/// in its sender's trace, counted by `actor.mailbox.rejected`, and the first is logged as an error.
pub struct Pool<A: Actor> {
    inner: Arc<Inner<A>>,
}

struct Inner<A: Actor> {
    name: Cow<'static, str>,
    members: Vec<Addr<A>>,
    next: AtomicUsize,
    deserted: AtomicBool,
}

impl<A: Actor> Pool<A> {
    pub(super) fn new(name: Cow<'static, str>, members: Vec<Addr<A>>) -> Self {
        let inner = Inner { name, members, next: AtomicUsize::new(0), deserted: AtomicBool::new(false) };
        Self { inner: Arc::new(inner) }
    }

    /// The members, in the order of their start.
    #[must_use]
    pub fn addrs(&self) -> &[Addr<A>] {
        &self.inner.members
    }

    /// Sends to the next member and awaits its answer, like [`Addr::send`].
    ///
    /// # Errors
    ///
    /// [`MailboxError::Closed`] if all have stopped, or the member did not answer.
    pub fn send<M>(&self, message: M) -> impl Future<Output = Result<M::Result, MailboxError>> + use<A, M>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let sent = self.living().next().map(|member| member.send(message));
        if sent.is_none() {
            self.lose::<M>();
        }
        async move {
            match sent {
                Some(request) => request.await,
                None => Err(MailboxError::Closed),
            }
        }
    }

    /// Sends to the next member, whatever is in its mailbox, like [`Addr::do_send`].
    pub fn do_send<M>(&self, message: M)
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        match self.living().next() {
            Some(member) => member.do_send(message),
            None => self.lose::<M>(),
        }
    }

    /// Sends to the next member that has room for it. It is [`offer`](super::offer), which records a refusal.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if none has, [`SendError::Closed`] if all have stopped; the message is in it.
    pub fn try_send<M>(&self, message: M) -> Result<(), SendError<M>>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let sent = self.deliver(message);
        note(Some(short_name::<A>()), &sent);
        sent
    }

    fn deliver<M>(&self, mut message: M) -> Result<(), SendError<M>>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let mut full = false;
        for member in self.living() {
            match member.try_send(message) {
                Ok(()) => return Ok(()),
                Err(refused) => {
                    full |= matches!(refused, SendError::Full(_));
                    message = refused.into_inner();
                }
            }
        }
        if full {
            return Err(SendError::Full(message));
        }
        self.complain();
        Err(SendError::Closed(message))
    }

    /// The members that have not stopped, from the one whose turn it is.
    fn living(&self) -> impl Iterator<Item = &Addr<A>> {
        let Inner { members, next, .. } = &*self.inner;
        let first = next.fetch_add(1, Relaxed) % members.len();
        members[first..].iter().chain(&members[..first]).filter(|member| member.connected())
    }

    fn lose<M>(&self) {
        self.complain();
        refuse::<M>(Some(short_name::<A>()), Outcome::DeadLetter);
    }

    fn complain(&self) {
        if !self.inner.deserted.swap(true, Relaxed) {
            tracing::error!(pool = %self.inner.name, "all members have stopped: what is sent to the pool is lost");
        }
    }
}

impl<A: Actor> Clone for Pool<A> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<A: Actor> std::fmt::Debug for Pool<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("actor", &short_name::<A>())
            .field("members", &self.inner.members.len())
            .finish()
    }
}

impl<A, M> sealed::Mail<M> for Pool<A>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M> + Host,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn post(&self, message: M) -> Result<(), SendError<M>> {
        self.deliver(message)
    }

    fn actor(&self) -> Option<&'static str> {
        Some(short_name::<A>())
    }
}
