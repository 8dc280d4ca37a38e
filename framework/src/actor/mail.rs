use actix::dev::{SendError, ToEnvelope};
use actix::{Actor, Addr, Handler, Message, Recipient};

use super::label::short_name;
use super::letter::Host;

/// Whatever a message can be sent to: an [`Addr`], a [`Recipient`], a [`Pool`](super::Pool).
///
/// It is sealed; [`ask`](super::ask) and [`offer`](super::offer) work through it, with actors whose context is one of
/// this module's.
pub trait Mail<M: Message + Send>: sealed::Mail<M> {}

impl<M: Message + Send, T: sealed::Mail<M>> Mail<M> for T {}

pub(super) mod sealed {
    use super::{Message, SendError};

    pub trait Mail<M: Message + Send> {
        /// Puts the message into the mailbox now, or gives it back.
        fn post(&self, message: M) -> Result<(), SendError<M>>;

        /// The receiver's type, if it is known.
        fn actor(&self) -> Option<&'static str>;
    }
}

impl<A, M> sealed::Mail<M> for Addr<A>
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

impl<M> sealed::Mail<M> for Recipient<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn post(&self, message: M) -> Result<(), SendError<M>> {
        self.try_send(message)
    }

    fn actor(&self) -> Option<&'static str> {
        None
    }
}
