use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actix::dev::{MailboxError, SendError, ToEnvelope};
use actix::{Actor, Addr, Handler, Message};

use super::label::short_name;
use super::letter::Host;
use super::mail::sealed;

/// Several actors of one type behind one handle, used in turn.
///
/// It is what [`Actors::pool`](super::Actors::pool) starts. Cheap to clone; the actors stop when the last clone and
/// the last address are gone.
pub struct Pool<A: Actor> {
    members: Arc<[Addr<A>]>,
    next: Arc<AtomicUsize>,
}

impl<A: Actor> Pool<A> {
    pub(super) fn new(members: Vec<Addr<A>>) -> Self {
        Self { members: members.into(), next: Arc::default() }
    }

    /// The members, in the order of their start.
    #[must_use]
    pub fn addrs(&self) -> &[Addr<A>] {
        &self.members
    }

    /// Sends to the next member and awaits its answer, like [`Addr::send`].
    ///
    /// # Errors
    ///
    /// [`MailboxError::Closed`] if the member has stopped or did not answer.
    pub fn send<M>(&self, message: M) -> impl Future<Output = Result<M::Result, MailboxError>> + use<A, M>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.members[self.turn()].send(message)
    }

    /// Sends to the next member, whatever is in its mailbox, like [`Addr::do_send`].
    pub fn do_send<M>(&self, message: M)
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.members[self.turn()].do_send(message);
    }

    /// Sends to the next member that has room for it.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if none has, [`SendError::Closed`] if all have stopped; the message is in it.
    pub fn try_send<M>(&self, mut message: M) -> Result<(), SendError<M>>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let first = self.turn();
        let mut full = false;
        for offset in 0..self.members.len() {
            match self.members[(first + offset) % self.members.len()].try_send(message) {
                Ok(()) => return Ok(()),
                Err(refused) => {
                    full |= matches!(refused, SendError::Full(_));
                    message = refused.into_inner();
                }
            }
        }
        Err(if full { SendError::Full(message) } else { SendError::Closed(message) })
    }

    fn turn(&self) -> usize {
        self.next.fetch_add(1, Relaxed) % self.members.len()
    }
}

impl<A: Actor> Clone for Pool<A> {
    fn clone(&self) -> Self {
        Self { members: Arc::clone(&self.members), next: Arc::clone(&self.next) }
    }
}

impl<A: Actor> std::fmt::Debug for Pool<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("actor", &short_name::<A>())
            .field("members", &self.members.len())
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
        self.try_send(message)
    }

    fn actor(&self) -> Option<&'static str> {
        Some(short_name::<A>())
    }
}
