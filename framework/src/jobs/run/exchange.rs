//! What a queue's dispatcher and its workers hand each other.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::waiting::Waiting;
use super::worker::Done;

/// Jobs that wait for a worker, workers that wait for a job, and runs that have ended.
///
/// A worker that has ended a run takes the next job by itself: it does not wait for the dispatcher, which is on another
/// thread, and a job that takes long holds up no other.
pub(super) struct Exchange {
    inside: Mutex<Inside>,
    workers: usize,
    /// A run has ended, the first since they were taken.
    pub(super) filled: Notify,
    /// More could be taken in: a worker is idle, or half of the jobs that waited have been taken.
    pub(super) wanted: Notify,
}

struct Inside {
    ready: VecDeque<Waiting>,
    /// More are wanted when so many are left.
    low: usize,
    idle: Vec<usize>,
    done: Vec<Done>,
}

impl Inside {
    /// Whether it is the first since they were taken.
    fn end(&mut self, done: Done) -> bool {
        self.done.push(done);
        self.done.len() == 1
    }
}

impl Exchange {
    pub(super) fn new(workers: usize) -> Self {
        let inside =
            Inside { ready: VecDeque::new(), low: 0, idle: (0..workers).rev().collect(), done: Vec::new() };
        Self { inside: Mutex::new(inside), workers, filled: Notify::new(), wanted: Notify::new() }
    }

    /// A job that waits for a worker from now on, until [`pair`](Self::pair) finds one that is idle.
    pub(super) fn add(&self, job: Waiting) {
        let mut inside = self.inside.lock();
        inside.ready.push_back(job);
        inside.low = inside.ready.len() / 2;
    }

    /// A worker that is idle, and the job that has waited longest.
    pub(super) fn pair(&self) -> Option<(usize, Waiting)> {
        let mut inside = self.inside.lock();
        if inside.idle.is_empty() {
            return None;
        }
        let job = inside.ready.pop_front()?;
        Some((inside.idle.pop()?, job))
    }

    /// A run has ended; its worker takes the next job, or is idle.
    pub(super) fn swap(&self, done: Done) -> Option<Waiting> {
        let mut inside = self.inside.lock();
        let next = inside.ready.pop_front();
        let wanted = next.is_none() || inside.ready.len() == inside.low;
        if next.is_none() {
            inside.idle.push(done.place);
        }
        let first = inside.end(done);
        drop(inside);
        self.tell(first, wanted);
        next
    }

    /// A run has ended, and its worker with it; the one in its place is idle.
    pub(super) fn put(&self, done: Done) {
        let mut inside = self.inside.lock();
        inside.idle.push(done.place);
        let first = inside.end(done);
        drop(inside);
        self.tell(first, true);
    }

    fn tell(&self, first: bool, wanted: bool) {
        if first {
            self.filled.notify_one();
        }
        if wanted {
            self.wanted.notify_one();
        }
    }

    /// The runs that have ended.
    pub(super) fn take_done(&self) -> Vec<Done> {
        mem::take(&mut self.inside.lock().done)
    }

    /// The jobs that wait for a worker: they wait no longer.
    pub(super) fn take_ready(&self) -> VecDeque<Waiting> {
        mem::take(&mut self.inside.lock().ready)
    }

    /// How many more jobs may be taken in, where so many are had ready ahead of the workers.
    pub(super) fn room(&self, ahead: usize) -> usize {
        let inside = self.inside.lock();
        (inside.idle.len() + ahead).saturating_sub(inside.ready.len())
    }

    /// Whether no worker has a job, and no run has ended since they were taken.
    pub(super) fn is_at_rest(&self) -> bool {
        let inside = self.inside.lock();
        inside.idle.len() == self.workers && inside.done.is_empty()
    }

    /// When the job that has waited longest will have waited for `age`.
    pub(super) fn oldest_until(&self, age: Duration) -> Option<Instant> {
        self.inside.lock().ready.front().map(|waiting| waiting.until(age))
    }
}
