//! Telling others what was committed: those in this process at once, those on the same PostgreSQL by NOTIFY.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::db::{Db, Driver};

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something was announced.
    Said(String),
    /// From now on everything is heard; what was said before may have been missed. It comes first, and again whenever
    /// the connection to PostgreSQL was lost and made anew.
    Attentive,
}

/// What is done about a change.
type Then = Arc<dyn Fn(&str) + Send + Sync>;

/// Who listens in this process.
#[derive(Default)]
pub(super) struct Board {
    ears: Mutex<Vec<(&'static str, mpsc::UnboundedSender<Heard>)>>,
    hands: Mutex<Vec<(&'static str, Then)>>,
}

impl Board {
    /// Does what is to be done about something that was, or may have been, committed.
    pub(super) fn change(&self, channel: &str, payload: &str) {
        let hands: Vec<Then> = {
            let hands = self.hands.lock();
            hands.iter().filter(|(name, _)| *name == channel).map(|(_, then)| Arc::clone(then)).collect()
        };
        hands.iter().for_each(|then| then(payload));
    }

    pub(super) fn say(&self, channel: &str, payload: &str) {
        self.ears
            .lock()
            .retain(|(name, to)| *name != channel || to.send(Heard::Said(payload.to_owned())).is_ok());
    }

    fn hear(&self, channel: &'static str) -> (mpsc::UnboundedSender<Heard>, mpsc::UnboundedReceiver<Heard>) {
        let (to, from) = mpsc::unbounded_channel();
        self.ears.lock().push((channel, to.clone()));
        (to, from)
    }
}

/// Hears what is announced on a channel, until it is dropped: see [`Db::listen`].
#[derive(Debug)]
pub struct Listener {
    from: mpsc::UnboundedReceiver<Heard>,
    task: Option<AbortHandle>,
}

impl Listener {
    /// The next thing that was said. `None` once the database is closed, where nothing will be.
    pub async fn next(&mut self) -> Option<Heard> {
        self.from.recv().await
    }

    /// The next thing that was said already, if any.
    pub fn try_next(&mut self) -> Option<Heard> {
        self.from.try_recv().ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Db {
    /// Listens to what is announced on a channel by [`Conn::announce`](super::Conn::announce) in this process, and on
    /// PostgreSQL also by `NOTIFY` from anywhere, over a connection of its own outside the pool. While that is lost the
    /// others are not heard; it is made again for as long as it takes.
    ///
    /// The channel is an identifier of at most 63 letters, digits and `_`.
    #[must_use]
    pub fn listen(&self, channel: &'static str) -> Listener {
        let (to, from) = self.inner.board.hear(channel);
        let task = match self.driver() {
            Driver::Postgres(postgres) => Some(postgres.listen(channel, to)),
            Driver::Sqlite(_) => {
                let _ = to.send(Heard::Attentive);
                None
            }
        };
        Listener { from, task }
    }

    /// Does something with everything that is announced on a channel in this process
    /// ([`Conn::announce`](super::Conn::announce)), as long as the database is open: after the COMMIT and before
    /// whoever asked for the unit of work hears of it, where the unit runs and in its trace. Also when the COMMIT was not
    /// answered, so that nobody knows what became of it: for what must not be missed, such as caches.
    ///
    /// It must be short and must not block. A panic in it is logged; the commit stands.
    pub fn on_announced(&self, channel: &'static str, then: impl Fn(&str) + Send + Sync + 'static) {
        self.inner.board.hands.lock().push((channel, Arc::new(then)));
    }
}
