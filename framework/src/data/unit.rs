//! A unit of work on its way: from the caller, through a queue, to a connection, and its answer back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, poll};
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

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

type Work =
    Box<dyn for<'c> FnOnce(Result<(&'c mut Conn, Patience), DbError>) -> LocalBoxFuture<'c, Done> + Send>;

/// How long a unit may wait for what is no query, where others wait for it; then it is undone. `None` is for ever.
type Patience = Option<Duration>;

/// A unit of work that waits for its connection.
pub(super) struct Unit {
    pub(super) kind: Kind,
    claim: Arc<Claim>,
    pub(super) cx: Context,
    pub(super) site: &'static Location<'static>,
    asked: Instant,
    work: Work,
    board: Arc<Board>,
    counted: Counted,
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
        let work: Work = Box::new(move |conn| Box::pin(run(conn, work, reply, site)));
        let unit = Self {
            kind,
            claim: claim.clone(),
            cx,
            site,
            asked: Instant::now(),
            work,
            board: Arc::clone(board),
            counted: Counted::new(tally),
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

    /// Runs the caller's code and ends the transaction; also says whether it waited for what is no query. It does not panic.
    pub(super) async fn run(self, conn: &mut Conn) -> (After, bool) {
        let kind = self.kind;
        let ran = self.work(conn, None).await;
        let conclude = AssertUnwindSafe(conclude(kind, conn, ran.done.wish)).catch_unwind();
        let (after, ending, ended) = match conclude.with_context(ran.cx.clone()).await {
            Ok(ended) => ended,
            Err(panic) => (After::Broken, Ending::RolledBack, Err(panicked(panic.as_ref()))),
        };
        let waited = ran.done.waited;
        ran.end(ending, ended);
        (after, waited)
    }

    /// Runs the caller's code, and no more: what it did is in a transaction that somebody else has to end. It does not
    /// panic.
    pub(super) async fn work(self, conn: &mut Conn, patience: Patience) -> Ran {
        conn.work_for(self.site);
        let Self { cx, work, board, counted, .. } = self;
        let done = work(Ok((&mut *conn, patience))).with_context(cx.clone()).await;
        Ran { done, hooks: conn.take_hooks(), cx, board, _counted: counted }
    }

    /// Tells the caller that there is no connection.
    pub(super) async fn refuse(self, error: DbError) {
        ((self.work)(Err(error)).await.tell)(Ok(()));
    }
}

/// Why a transaction did not open.
pub(super) enum Opening {
    Lost(DbError),
    Refused(DbError),
}

/// A unit whose code has run. Its caller hears of it when its transaction has ended.
pub(super) struct Ran {
    pub(super) done: Done,
    hooks: Vec<Hook>,
    pub(super) cx: Context,
    board: Arc<Board>,
    _counted: Counted,
}

impl Ran {
    /// Does what was to follow, and tells the caller what the unit returned, or why its transaction did not end well.
    pub(super) fn end(self, ending: Ending, ended: Result<(), DbError>) {
        let _cx = self.cx.attach();
        for hook in self.hooks {
            follow(hook, ending, &self.board);
        }
        // It makes the service's own error of ours.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.done.tell)(ended))) {
            tracing::error!(panic = panic_message(panic.as_ref()), "the answer of a unit of work panicked");
        }
    }
}

/// What the code of a unit came to.
pub(super) struct Done {
    pub(super) wish: Wish,
    /// It waited for something that is no query.
    pub(super) waited: bool,
    tell: Box<dyn FnOnce(Result<(), DbError>)>,
}

/// How its transaction is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Commit,
    RollBack,
    /// It was cut off, and its connection is in whatever state it was in.
    Drop,
}

async fn run<T, E, F>(
    conn: Result<(&mut Conn, Patience), DbError>,
    work: F,
    reply: oneshot::Sender<Result<T, E>>,
    site: &'static Location<'static>,
) -> Done
where
    T: 'static,
    E: From<DbError> + 'static,
    F: AsyncFnOnce(&mut Conn) -> Result<T, E>,
{
    let mut waited = false;
    let (wish, result) = match conn {
        Err(error) => (Wish::RollBack, Err(error.into())),
        Ok((conn, patience)) => {
            let mut work = pin!(AssertUnwindSafe(work(conn)).catch_unwind());
            let ran = match (poll!(work.as_mut()), patience) {
                (Poll::Ready(ran), _) => Ok(ran),
                (Poll::Pending, None) => {
                    waited = true;
                    Ok(work.await)
                }
                (Poll::Pending, Some(patience)) => {
                    waited = true;
                    timeout(patience, work).await.map_err(|_| DbError::Stalled { site, waited: patience })
                }
            };
            match ran {
                Ok(Ok(Ok(value))) => (Wish::Commit, Ok(value)),
                Ok(Ok(Err(error))) => (Wish::RollBack, Err(error)),
                Ok(Err(panic)) => (Wish::Drop, Err(panicked(panic.as_ref()).into())),
                Err(stalled) => (Wish::Drop, Err(stalled.into())),
            }
        }
    };
    let tell = Box::new(move |ended: Result<(), DbError>| {
        let _ = reply.send(ended.map_err(E::from).and(result));
    });
    Done { wish, waited, tell }
}

fn panicked(panic: &(dyn Any + Send)) -> DbError {
    DbError::Panicked { message: panic_message(panic).to_owned() }
}

/// Ends the transaction of one unit.
async fn conclude(kind: Kind, conn: &mut Conn, wish: Wish) -> (After, Ending, Result<(), DbError>) {
    match (wish, kind) {
        (Wish::Commit, Kind::Plain) => (After::Whole, Ending::Committed, Ok(())),
        (Wish::RollBack, Kind::Plain) => (After::Whole, Ending::RolledBack, Ok(())),
        (Wish::Commit, _) => match conn.commit().await {
            Ok(()) => (After::Whole, Ending::Committed, Ok(())),
            Err(DbError::Aborted) => (After::Whole, Ending::RolledBack, Err(DbError::Aborted)),
            Err(error @ DbError::CommitUncertain(_)) => (After::Broken, Ending::Uncertain, Err(error)),
            // SQLite keeps a transaction open when its COMMIT fails.
            Err(error) => (After::Broken, Ending::RolledBack, Err(error)),
        },
        (Wish::RollBack, _) => {
            let after = if conn.rollback().await.is_ok() { After::Whole } else { After::Broken };
            (after, Ending::RolledBack, Ok(()))
        }
        // The transaction ends with its connection.
        (Wish::Drop, _) => (After::Broken, Ending::RolledBack, Ok(())),
    }
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
