//! The machine that jobs are documented to be ([`State`] and the functions of the store), in memory: what every statement
//! should do, said once more and without SQL.

use std::collections::BTreeMap;

use super::row::{At, MINUTE, Row, read};
use super::store::Then;
use super::*;

/// How long a lease lasts: gone when an hour has passed, and not before.
pub(super) const HALF_HOUR: Duration = Duration::from_secs(1800);
/// A job that so many workers died over is dead.
pub(super) const MAX_CRASHES: u32 = 3;

#[derive(Clone, Debug)]
pub(super) struct ModelJob {
    pub(super) state: State,
    pub(super) token: i64,
    pub(super) key: Option<String>,
    priority: u8,
    run_at: At,
    attempt: i64,
    max_attempts: i64,
    crashes: i64,
    lease_until: Option<At>,
    worker: Option<String>,
    key_held: bool,
    key_until: At,
    unwanted: bool,
    finished_at: Option<At>,
}

/// A job that is enqueued.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) key: Option<String>,
    pub(super) period: Duration,
    pub(super) delay: Duration,
    pub(super) priority: u8,
    pub(super) max_attempts: u32,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) jobs: BTreeMap<i64, ModelJob>,
    /// The database's clock, as far as it matters here.
    pub(super) now: i64,
}

impl Model {
    fn after(&self, delay: Duration) -> At {
        At::About(self.now + i64::try_from(delay.as_micros()).unwrap())
    }

    fn holder(&self, key: &str) -> Option<i64> {
        let holds = |job: &ModelJob| job.key_held && job.key.as_deref() == Some(key);
        self.jobs.iter().find(|(_, job)| holds(job)).map(|(id, _)| *id)
    }

    /// Takes the key from a job that ended and whose period is over.
    fn free(&mut self, key: &str) {
        let now = self.now;
        if let Some(id) = self.holder(key)
            && let Some(job) = self.jobs.get_mut(&id)
            && matches!(job.state, State::Completed | State::Cancelled | State::Dead)
            && job.key_until.micros() <= now
        {
            job.key_held = false;
        }
    }

    /// The job that is met, or none when there is none: then the new one gets the id.
    pub(super) fn enqueue(&mut self, new: New, id: i64) -> Option<i64> {
        if let Some(key) = &new.key {
            self.free(key);
            if let Some(holder) = self.holder(key) {
                return Some(holder);
            }
        }
        let key_until = if new.period.is_zero() { At::Exactly(0) } else { self.after(new.period) };
        let job = ModelJob {
            state: State::Available,
            priority: new.priority,
            run_at: self.after(new.delay),
            attempt: 0,
            max_attempts: i64::from(new.max_attempts),
            crashes: 0,
            token: 0,
            lease_until: None,
            worker: None,
            key_held: new.key.is_some(),
            key: new.key,
            key_until,
            unwanted: false,
            finished_at: None,
        };
        assert!(self.jobs.insert(id, job).is_none(), "the id {id} came twice");
        None
    }

    fn due(&self, suspects: bool) -> Vec<(u8, i64, i64)> {
        let due = |job: &&ModelJob| {
            job.state == State::Available
                && (job.crashes > 0) == suspects
                && job.run_at.micros() <= self.now + MINUTE
        };
        let place = |(id, job): (&i64, &ModelJob)| (job.priority, job.run_at.micros(), *id);
        self.jobs.iter().filter(|(_, job)| due(job)).map(place).collect()
    }

    fn begin(&mut self, id: i64, worker: &str) -> Held {
        let lease_until = Some(self.after(HALF_HOUR));
        let job = self.jobs.get_mut(&id).unwrap();
        job.state = State::Running;
        job.attempt += 1;
        job.token += 1;
        job.worker = Some(worker.to_owned());
        job.lease_until = lease_until;
        Held { id, token: job.token }
    }

    pub(super) fn lease(&mut self, limit: usize, worker: &str) -> Vec<Held> {
        let mut due = self.due(false);
        due.sort_unstable();
        due.into_iter().take(limit).map(|(_, _, id)| self.begin(id, worker)).collect()
    }

    pub(super) fn lease_suspect(&mut self, worker: &str) -> Option<Held> {
        let first = self.due(true).into_iter().min_by_key(|(_, run_at, id)| (*run_at, *id))?;
        Some(self.begin(first.2, worker))
    }

    fn held(&mut self, held: Held) -> Option<&mut ModelJob> {
        let job = self.jobs.get_mut(&held.id)?;
        (job.state == State::Running && job.token == held.token).then_some(job)
    }

    pub(super) fn is_held(&mut self, held: Held) -> bool {
        self.held(held).is_some()
    }

    /// The leases that are held.
    pub(super) fn running(&self) -> Vec<Held> {
        let running = self.jobs.iter().filter(|(_, job)| job.state == State::Running);
        running.map(|(id, job)| Held { id: *id, token: job.token }).collect()
    }

    pub(super) fn complete(&mut self, held: Held) -> bool {
        let now = self.now;
        let Some(job) = self.held(held) else { return false };
        job.end(State::Completed, now);
        true
    }

    pub(super) fn settle(&mut self, held: Held, then: Then) -> Option<State> {
        let (now, again) = match then {
            Then::RetryIn(delay) => (self.now, Some(self.after(delay))),
            _ => (self.now, None),
        };
        let job = self.held(held)?;
        let next = match then {
            _ if job.unwanted => State::Cancelled,
            Then::RetryIn(_) if job.attempt >= job.max_attempts => State::Dead,
            Then::RetryIn(_) | Then::GiveBack => State::Available,
            Then::GiveUp => State::Dead,
            Then::Park => State::Parked,
        };
        if matches!(then, Then::GiveBack | Then::Park) {
            job.attempt -= 1;
        }
        job.end(next, now);
        if let (State::Available, Some(again)) = (next, again) {
            job.run_at = again;
        }
        Some(next)
    }

    /// Whether it is still held, and then whether it is to be cancelled.
    pub(super) fn heartbeat(&mut self, held: Held) -> Option<bool> {
        let until = self.after(HALF_HOUR);
        let job = self.held(held)?;
        job.lease_until = Some(until);
        Some(job.unwanted)
    }

    /// Where the jobs are whose leases had run out.
    pub(super) fn rescue(&mut self) -> Vec<(i64, State)> {
        let now = self.now;
        let mut rescued = Vec::new();
        // Who is to blame is judged by how it was before.
        let before = self.jobs.clone();
        for (id, job) in &mut self.jobs {
            if job.lease_until.is_none_or(|until| until.micros() >= now) {
                continue;
            }
            let of_its_worker = |other: &&ModelJob| other.worker == job.worker;
            let to_blame = |other: &ModelJob| match other.state {
                State::Running => other.crashes > 0,
                State::Available => other.crashes > 1,
                _ => false,
            };
            let blame = i64::from(job.crashes > 0 || !before.values().filter(of_its_worker).any(to_blame));
            let spent = job.crashes + 1 >= i64::from(MAX_CRASHES) || job.attempt >= job.max_attempts;
            let next = match blame {
                _ if job.unwanted => State::Cancelled,
                1 if spent => State::Dead,
                _ => State::Available,
            };
            job.crashes += blame;
            job.attempt -= 1 - blame;
            job.end(next, now);
            rescued.push((*id, next));
        }
        rescued
    }

    pub(super) fn cancel(&mut self, id: i64) -> Option<State> {
        let now = self.now;
        let job = self.jobs.get_mut(&id)?;
        match job.state {
            State::Available => job.end(State::Cancelled, now),
            State::Running => {}
            _ => return None,
        }
        job.unwanted = true;
        Some(job.state)
    }

    pub(super) fn retry(&mut self, id: i64) -> bool {
        let Some(job) = self.jobs.get(&id).cloned().filter(ModelJob::is_aside) else { return false };
        if let Some(key) = &job.key {
            if self.holder(key) != Some(id) {
                self.free(key);
            }
            if self.holder(key).is_some_and(|holder| holder != id) {
                return false;
            }
        }
        let again = ModelJob {
            state: State::Available,
            run_at: self.after(Duration::ZERO),
            finished_at: None,
            attempt: 0,
            crashes: 0,
            unwanted: false,
            key_held: job.key.is_some(),
            ..job
        };
        self.jobs.insert(id, again);
        true
    }

    pub(super) fn discard(&mut self, id: i64) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.is_aside()) else { return false };
        job.end(State::Cancelled, now);
        true
    }

    /// Forgets what ended, and whose key's period was over, half an hour ago.
    pub(super) fn prune(&mut self, state: State) -> usize {
        let (before, count) = (self.now - 30 * MINUTE, self.jobs.len());
        self.jobs.retain(|_, job| {
            let until = job.finished_at.map(|at| at.micros().max(job.key_until.micros()));
            job.state != state || until.is_none_or(|until| until >= before)
        });
        count - self.jobs.len()
    }

    /// Lets time pass: all times lie further back.
    pub(super) fn pass(&mut self, micros: i64) {
        let back = |at: &mut At| *at = At::Exactly(at.micros() - micros);
        for job in self.jobs.values_mut() {
            back(&mut job.run_at);
            back(&mut job.key_until);
            job.lease_until.iter_mut().for_each(back);
            job.finished_at.iter_mut().for_each(back);
        }
    }

    /// Holds the table against this, and takes over the times that the database chose.
    pub(super) fn agree(&mut self, rows: &[Row]) {
        assert_eq!(
            rows.iter().map(|row| row.id).collect::<Vec<_>>(),
            self.jobs.keys().copied().collect::<Vec<_>>(),
            "these jobs are there, and those should be"
        );
        for (row, job) in rows.iter().zip(self.jobs.values_mut()) {
            let stored = (
                (row.state.as_str(), row.priority, row.attempt, row.max_attempts, row.crashes, row.token),
                (row.worker.as_deref(), row.unique_key.as_deref(), row.unique_held, row.cancel_requested),
            );
            let expected = (
                (
                    job.state.name(),
                    i64::from(job.priority),
                    job.attempt,
                    job.max_attempts,
                    job.crashes,
                    job.token,
                ),
                (job.worker.as_deref(), job.key.as_deref(), job.key_held, job.unwanted),
            );
            assert_eq!(stored, expected, "job {} is not as it should be", row.id);
            let before = job.clone();
            let times = [
                job.run_at.read(row.run_at),
                job.key_until.read(row.unique_until),
                read(&mut job.lease_until, row.lease_until),
                read(&mut job.finished_at, row.finished_at),
            ];
            assert_eq!(times, [true; 4], "a time of a job: {row:?} should be {before:?}");
        }
    }
}

impl ModelJob {
    /// Whether it waits for somebody's decision.
    pub(super) fn is_aside(&self) -> bool {
        matches!(self.state, State::Dead | State::Parked)
    }

    /// Leaves the state that it is in for one in which no worker has it.
    fn end(&mut self, next: State, now: i64) {
        let keeps = matches!(next, State::Available | State::Parked);
        self.state = next;
        self.lease_until = None;
        self.key_held &= keeps || self.key_until.micros() > now;
        self.finished_at = (next != State::Available).then_some(At::About(now));
    }
}
