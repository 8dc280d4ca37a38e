use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::conn::Conn;
use super::error::DbError;
use super::pool::{PoolSignals, PoolState};
use super::together::Together;
use super::unit::{After, Opening, Unit};
use crate::telemetry::Telemetry;

/// Opens one more connection; called on the thread that will use it.
pub(super) type Open = Box<dyn Fn() -> Result<Conn, DbError> + Send + Sync>;

/// Threads with a connection each, and one queue that they share. A thread is started when a unit waits and none is
/// idle, up to a limit.
pub(super) struct Lanes {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    limit: usize,
    open: Open,
    patience: Duration,
    signals: PoolSignals,
    telemetry: Telemetry,
    state: Mutex<State>,
    ready: Condvar,
    gone: Notify,
}

#[derive(Default)]
struct State {
    units: VecDeque<Unit>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Lanes {
    pub(super) fn new(
        name: &'static str,
        limit: usize,
        open: Open,
        patience: Duration,
        signals: PoolSignals,
        telemetry: Telemetry,
    ) -> Self {
        let (state, ready, gone) = (Mutex::default(), Condvar::new(), Notify::new());
        let shared = Arc::new(Shared { name, limit, open, patience, signals, telemetry, state, ready, gone });
        let lanes = Arc::downgrade(&shared);
        shared.signals.observe(&shared.telemetry, move || lanes.upgrade().map(|lanes| lanes.at_a_glance()));
        Self { shared }
    }

    pub(super) fn signals(&self) -> &PoolSignals {
        &self.shared.signals
    }

    /// The longest wait for a connection since the last call.
    pub(super) fn longest_wait(&self) -> Duration {
        self.shared.signals.longest_wait(self.shared.at_a_glance().pending, Instant::now())
    }

    pub(super) fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Queues a unit; after [`Lanes::close`] it is dropped, which its caller sees.
    pub(super) fn submit(&self, unit: Unit) -> Result<(), DbError> {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        if state.closed {
            return Ok(());
        }
        state.units.push_back(unit);
        if state.units.len() > state.idle && state.threads < shared.limit {
            state.threads += 1;
            let number = state.threads;
            drop(state);
            return self.start(number);
        }
        drop(state);
        shared.ready.notify_one();
        Ok(())
    }

    fn start(&self, number: usize) -> Result<(), DbError> {
        let name = format!("{}-{number}", self.shared.name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let started = runtime.and_then(|runtime| {
            let shared = self.shared.clone();
            std::thread::Builder::new().name(name.clone()).spawn(move || shared.work(&runtime)).map(drop)
        });
        started.map_err(|source| {
            let mut state = self.shared.state.lock();
            state.threads -= 1;
            if state.threads == 0 {
                state.units.clear();
            }
            DbError::Thread { name, source }
        })
    }

    /// Takes no more units; those that are queued still run.
    pub(super) fn close(&self) {
        self.shared.state.lock().closed = true;
        self.shared.ready.notify_all();
    }

    /// Drops what is still queued.
    pub(super) fn abandon(&self) {
        self.shared.state.lock().units.clear();
    }

    /// Waits until every thread has closed its connection.
    pub(super) async fn gone(&self) {
        loop {
            let gone = self.shared.gone.notified();
            if self.shared.state.lock().threads == 0 {
                return;
            }
            gone.await;
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self, runtime: &Runtime) {
        let _telemetry = self.telemetry.enter_thread();
        let mut together = Together::new(self.patience);
        let mut conn = None;
        while let Some(unit) = self.next() {
            if !unit.begin(&self.signals) {
                continue;
            }
            let since = self.signals.clock();
            runtime.block_on(async {
                if conn.is_none() {
                    match (self.open)() {
                        Ok(opened) => {
                            conn = Some(opened);
                            together.forget();
                            self.signals.created(since);
                        }
                        Err(error) => return unit.refuse(error).await,
                    }
                }
                let Some(open) = &mut conn else { return };
                match unit.open(open).await {
                    Err(Opening::Lost(error)) => {
                        conn = None;
                        unit.refuse(error).await;
                    }
                    Err(Opening::Refused(error)) => unit.refuse(error).await,
                    Ok(()) => {
                        let next = |together: &Together| self.next_if(|unit| together.takes(unit));
                        let after = if self.others_wait() && together.takes(&unit) && together.may(open).await
                        {
                            together.run(unit, open, &self.signals, next).await
                        } else {
                            together.run_alone(unit, open).await
                        };
                        if after == After::Broken || open.is_broken() {
                            conn = None;
                        }
                    }
                }
            });
            self.signals.used(since);
        }
        drop(conn);
        self.state.lock().threads -= 1;
        self.gone.notify_waiters();
    }

    fn at_a_glance(&self) -> PoolState {
        let state = self.state.lock();
        PoolState { limit: self.limit, open: state.threads, idle: state.idle, pending: state.units.len() }
    }

    fn others_wait(&self) -> bool {
        !self.state.lock().units.is_empty()
    }

    /// The unit that waits longest, if it is one of these.
    fn next_if(&self, these: impl FnOnce(&Unit) -> bool) -> Option<Unit> {
        let mut state = self.state.lock();
        let fits = state.units.front().is_some_and(these);
        if fits { state.units.pop_front() } else { None }
    }

    /// The next unit, or `None` when there will be no more.
    fn next(&self) -> Option<Unit> {
        let mut state = self.state.lock();
        loop {
            if let Some(unit) = state.units.pop_front() {
                return Some(unit);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            self.ready.wait(&mut state);
            state.idle -= 1;
        }
    }
}
