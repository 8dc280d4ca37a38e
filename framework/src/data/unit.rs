//! A unit of work on its way: from the caller, through a queue, to a connection, and its answer back.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use tokio::sync::{Notify, oneshot};

use super::conn::{Conn, Kind};
use super::error::{DbError, lost_connection};
use super::listen::Board;
use super::pool::PoolSignals;
use super::traced::{Ending, Hook};
use crate::telemetry::panic_message;

/// Whether the connection is as it was before the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum After {
    Whole,
    Broken,
}

type Work = Box<dyn for<'c> FnOnce(Result<&'c mut Conn, DbError>) -> LocalBoxFuture<'c, After> + Send>;

/// A unit of work that waits for its connection.
pub(super) struct Unit {
    pub(super) kind: Kind,
    claim: Arc<Claim>,
    cx: Context,
    site: &'static Location<'static>,
    asked: Instant,
    work: Work,
    _counted: Counted,
}

impl Unit {
    /// Packs the caller's closure, where and in which context it was asked for, and the way back.
    pub(super) fn pack<T, E, F>(
        kind: Kind,
        work: F,
        site: &'static Location<'static>,
        tally: &Arc<Tally>,
        board: &Arc<Board>,
    ) -> (Self, Answer<T, E>)
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let claim = Arc::new(Claim::default());
        let cx = Context::current();
        let board = Arc::clone(board);
        let work: Work = Box::new(move |conn| Box::pin(run(kind, conn, work, reply, board)));
        let unit = Self {
            kind,
            claim: claim.clone(),
            cx,
            site,
            asked: Instant::now(),
            work,
            _counted: Counted::new(tally),
        };
        (unit, Answer { claim, answer })
    }

    /// Whether the caller is still there; from now on the unit runs to its end.
    pub(super) fn begin(&self, pool: &PoolSignals) -> bool {
        if !self.claim.take(BEGUN) {
            return false;
        }
        pool.waited(&self.cx, self.asked.elapsed());
        true
    }

    /// Opens the transaction. Nothing of the caller's has run before this, so on a lost connection the unit can
    /// be taken to another.
    pub(super) async fn open(&self, conn: &mut Conn) -> Result<(), Opening> {
        match conn.begin(self.kind).with_context(self.cx.clone()).await {
            Ok(()) => Ok(()),
            Err(error) if lost_connection(&error) => Err(Opening::Lost(error.into())),
            Err(error) => Err(Opening::Refused(error.into())),
        }
    }

    /// Runs the caller's code and ends the transaction. It does not panic.
    pub(super) async fn run(self, conn: &mut Conn) -> After {
        conn.work_for(self.site);
        (self.work)(Ok(conn)).with_context(self.cx).await
    }

    /// Tells the caller that there is no connection.
    pub(super) async fn refuse(self, error: DbError) {
        let _ = (self.work)(Err(error)).await;
    }
}

/// Why a transaction did not open.
pub(super) enum Opening {
    Lost(DbError),
    Refused(DbError),
}

async fn run<T, E, F>(
    kind: Kind,
    conn: Result<&mut Conn, DbError>,
    work: F,
    reply: oneshot::Sender<Result<T, E>>,
    board: Arc<Board>,
) -> After
where
    E: From<DbError>,
    F: AsyncFnOnce(&mut Conn) -> Result<T, E>,
{
    let conn = match conn {
        Ok(conn) => conn,
        Err(error) => {
            let _ = reply.send(Err(error.into()));
            return After::Whole;
        }
    };
    let run = async {
        let result = work(&mut *conn).await;
        match (kind, result) {
            (Kind::Plain, result) => {
                let ending = if result.is_ok() { Ending::Committed } else { Ending::RolledBack };
                (result, After::Whole, ending)
            }
            (_, Ok(value)) => match conn.commit().await {
                Ok(()) => (Ok(value), After::Whole, Ending::Committed),
                Err(DbError::Aborted) => (Err(DbError::Aborted.into()), After::Whole, Ending::RolledBack),
                Err(error @ DbError::CommitUncertain(_)) => {
                    (Err(error.into()), After::Broken, Ending::Uncertain)
                }
                // SQLite keeps a transaction open when its COMMIT fails.
                Err(error) => (Err(error.into()), After::Broken, Ending::RolledBack),
            },
            (_, Err(error)) => {
                let after = if conn.rollback().await.is_ok() { After::Whole } else { After::Broken };
                (Err(error), after, Ending::RolledBack)
            }
        }
    };
    let (result, after, ending) = match AssertUnwindSafe(run).catch_unwind().await {
        Ok(ended) => ended,
        // The transaction ends with its connection.
        Err(panic) => (
            Err(DbError::Panicked { message: panic_message(panic.as_ref()).to_owned() }.into()),
            After::Broken,
            Ending::RolledBack,
        ),
    };
    for hook in conn.take_hooks() {
        follow(hook, ending, &board);
    }
    let _ = reply.send(result);
    after
}

/// Does what was to be done at the end of a unit, which stands whatever becomes of it.
fn follow(hook: Hook, ending: Ending, board: &Board) {
    let committed = ending == Ending::Committed;
    let then = AssertUnwindSafe(|| match hook {
        Hook::Committed(then) if committed => then(),
        Hook::Announce(channel, payload) if ending != Ending::RolledBack => {
            if committed {
                board.say(channel, &payload);
            }
            board.change(channel, &payload);
        }
        Hook::Committed(_) | Hook::Announce(..) => {}
        Hook::Ended(then) => then(ending),
    });
    if let Err(panic) = catch_unwind(then) {
        tracing::error!(panic = panic_message(panic.as_ref()), "what was to follow a unit of work panicked");
    }
}

/// The caller's end of a unit. When it is dropped before the unit has begun, the unit never runs.
pub(super) struct Answer<T, E> {
    claim: Arc<Claim>,
    answer: oneshot::Receiver<Result<T, E>>,
}

impl<T, E: From<DbError>> Answer<T, E> {
    pub(super) async fn wait(&mut self) -> Result<T, E> {
        // Without a sender the unit was dropped unbegun.
        (&mut self.answer).await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    /// Withdraws the unit, unless it has begun.
    pub(super) fn withdraw(&self) -> bool {
        self.claim.take(WITHDRAWN)
    }
}

impl<T, E> Drop for Answer<T, E> {
    fn drop(&mut self) {
        self.claim.take(WITHDRAWN);
    }
}

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Who was first: the thread that begins a unit, or the caller that gives it up.
#[derive(Default)]
struct Claim(AtomicU8);

impl Claim {
    fn take(&self, state: u8) -> bool {
        self.0.compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Counts the units that are queued or running, for a close that waits for them.
#[derive(Default)]
pub(super) struct Tally {
    pending: AtomicUsize,
    emptied: Notify,
}

impl Tally {
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.pending() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

struct Counted(Arc<Tally>);

impl Counted {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.pending.fetch_add(1, Ordering::AcqRel);
        Self(tally.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}
