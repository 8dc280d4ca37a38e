//! A dispatcher's units of work: what is settled and leased by them, and what comes of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use opentelemetry::trace::{FutureExt as _, SpanContext, TraceContextExt as _};

use super::dispatcher::{Desk, MOST_SETTLED, Settling, Turning};
use super::floor::{Bell, Stop};
use super::pause::next_pause;
use super::source::{Suspects, Turn, Turned};
use super::worker::{Done, End};
use crate::data::DbError;
use crate::jobs::State;
use crate::jobs::store::{Then, Unfinished};

impl Desk {
    /// The next unit of work, if there is anything to do.
    pub(super) fn next_turn(&mut self, stop: Stop) -> Option<Turning> {
        let now = Instant::now();
        if self.pause_until.is_some_and(|until| until > now) {
            return None;
        }
        let (mut want, mut suspects) = (0, Suspects::None);
        let allowed = self.caution.room(now);
        match self.floor.alone() {
            _ if stop != Stop::No => {}
            None => {
                want = if self.due && !self.is_fed { self.room() } else { 0 };
                if allowed > 0 {
                    suspects = Suspects::Beside(allowed.min(self.room().max(1)));
                }
            }
            Some(queue) if queue == self.queue && self.floor.may_be_alone() => suspects = Suspects::Alone,
            Some(_) => {}
        }
        if self.unsettled.is_empty() && want == 0 && suspects == Suspects::None {
            return None;
        }
        let settle = self.unsettled.len().min(MOST_SETTLED);
        let done: Vec<Done> = self.unsettled.drain(..settle).collect();
        self.floor.settle(done.iter().map(|done| done.held));
        let turn = Turn {
            completed: done
                .iter()
                .filter(|done| matches!(done.end, End::Completed))
                .map(|done| done.held)
                .collect(),
            unfinished: done.iter().filter_map(unfinished).collect(),
            want,
            suspects,
        };
        let spans: Vec<SpanContext> = done.iter().filter_map(|done| done.span.clone()).collect();
        let cx = self.floor.signals.settle(&self.signals, &spans, done.len());
        self.settling = Settling { done, want, suspects };
        // What is said from now on is about jobs that this turn may not see.
        self.due = self.due && want == 0;
        let (floor, front, rate) = (Arc::clone(&self.floor), self.front.clone(), self.rate);
        let turn = async move {
            let turned = turn.take(&floor, front, rate).await;
            opentelemetry::Context::map_current(|cx| cx.span().end());
            turned
        };
        Some(turn.with_context(cx).boxed_local())
    }

    pub(super) fn turned(&mut self, turned: Result<Turned, DbError>, bell: &Bell) {
        let settling = std::mem::take(&mut self.settling);
        let turned = match turned {
            Ok(turned) => turned,
            Err(error) => return self.failed(&error, settling),
        };
        if self.pause_until.take().is_some() {
            tracing::info!(queue = %self.queue, "the jobs' database is back");
            self.pause = None;
        }
        self.settled(settling.done, &turned);
        if let Some(front) = turned.front {
            self.front = front;
        }
        let leased = turned.leased.len();
        if settling.want > 0 {
            let now = Instant::now();
            if leased >= settling.want {
                self.due = true;
            }
            let interval = self.floor.settings.poll_interval;
            self.poll_at = now + turned.next_in.map_or(interval, |next| next.min(interval));
        }
        if turned.grave {
            self.floor.ask_alone(&self.queue);
            bell.rung.notify_one();
        }
        if settling.suspects == Suspects::Alone {
            match turned.leased.first() {
                Some(job) => self.floor.be_alone(job.id),
                None => self.floor.leave_alone(&self.queue),
            }
        }
        if settling.suspects != Suspects::None {
            let found = turned.leased.iter().filter(|job| job.crashes > 0).count();
            self.caution.found(found, Instant::now());
        }
        for job in turned.leased {
            self.take_in(job, None);
        }
    }

    fn failed(&mut self, error: &DbError, settling: Settling) {
        if self.pause_until.is_none() {
            tracing::warn!(queue = %self.queue, %error, "jobs have to wait for the database");
        }
        let pause = next_pause(self.pause);
        self.pause_until = Some(Instant::now() + pause);
        self.pause = Some(pause);
        self.due = true;
        let later = std::mem::replace(&mut self.unsettled, settling.done);
        self.unsettled.extend(later);
    }

    /// What was settled is no longer in hand; what was not held any more was lost.
    fn settled(&mut self, done: Vec<Done>, turned: &Turned) {
        if done.is_empty() {
            return;
        }
        let states: HashMap<i64, State> = turned.settled.iter().map(|job| (job.id, job.state)).collect();
        let completed: HashSet<i64> = turned.completed.iter().copied().collect();
        let (floor, signals) = (&self.floor, &self.signals);
        let (mut lost, mut suspects) = (0, 0);
        for Done { held, end, suspect, .. } in done {
            self.ended.extend(floor.leave(held));
            suspects += usize::from(suspect);
            let state = match end {
                End::Completed => completed.contains(&held.id).then_some(State::Completed),
                _ => states.get(&held.id).copied(),
            };
            match (state, end) {
                (None, _) => lost += 1,
                (Some(State::Dead), _) => floor.signals.dead(signals),
                (Some(State::Parked), _) => floor.signals.parked(signals),
                (Some(State::Available), End::Unfinished { then: Then::RetryIn(_), .. }) => {
                    floor.signals.retried(signals);
                    self.due = true;
                }
                _ => {}
            }
        }
        if lost > 0 {
            floor.signals.lost(signals, lost);
            tracing::warn!(queue = %self.queue, jobs = lost, "leases ran out before their jobs were settled");
        }
        self.caution.ended(suspects, Instant::now());
    }
}

fn unfinished(done: &Done) -> Option<Unfinished> {
    let End::Unfinished { then, error } = &done.end else { return None };
    let trace_id = done.span.as_ref().map(|span| span.trace_id().to_string());
    Some(Unfinished { held: done.held, then: *then, error: error.clone(), trace_id })
}
