//! Random histories: whatever is called in whatever order, with leases that may be stale, the table is what the documented
//! machine would be ([`model`](super::model)) after every step.
//!
//! A seed tells the whole history. For longer runs set the number of histories, `HISTORIES` (default 100, and 40 on
//! PostgreSQL), and of the steps of each, `HISTORY_STEPS` (default 100); `HISTORY_SEED` runs only the one that failed.

use std::collections::BTreeSet;
use std::time::Instant;

use super::chance::{Chance, Trail, number};
use super::model::{HALF_HOUR, MAX_CRASHES, Model, New};
use super::row::{MINUTE, Row};
use super::store::{Then, Unfinished};
use super::*;
use crate::data::Backend;

on_both!(random_histories_agree_with_the_documented_machine);

async fn random_histories_agree_with_the_documented_machine(fixture: Fixture) {
    let seeds = match number("HISTORY_SEED") {
        Some(seed) => seed..=seed,
        None => {
            1..=number("HISTORIES").unwrap_or_else(|| match fixture.db.backend() {
                Backend::Sqlite => 100,
                // A statement takes five times as long there.
                Backend::Postgres => 40,
            })
        }
    };
    let steps = number("HISTORY_STEPS").unwrap_or(100);
    let is_long = (1 + seeds.end() - seeds.start()) * steps >= 4000;
    let (mut seen, mut jobs, began) = (BTreeSet::new(), 0, Instant::now());
    for seed in seeds {
        let mut history = History::new(&fixture, seed).await;
        for _ in 0..steps {
            history.step().await;
        }
        history.finish().await;
        jobs += history.committed;
        seen.append(&mut history.seen);
    }
    println!("{jobs} jobs in {:?}", began.elapsed());
    let possible: BTreeSet<_> = State::ALL
        .into_iter()
        .flat_map(|from| State::ALL.map(|to| (from, to)))
        .filter(|(from, to)| from.may_become(*to))
        .collect();
    assert!(seen.is_subset(&possible), "{seen:?}");
    if is_long {
        assert_eq!(seen, possible, "a move that is documented never came up");
    }
}

struct History<'a> {
    fixture: &'a Fixture,
    chance: Chance,
    trail: Trail,
    model: Model,
    rows: Vec<Row>,
    /// Every lease that there ever was.
    leases: Vec<Held>,
    seen: BTreeSet<(State, State)>,
    committed: usize,
    /// Those that ended and were forgotten.
    forgotten: usize,
    start: (i64, Instant),
}

impl<'a> History<'a> {
    async fn new(fixture: &'a Fixture, seed: u64) -> Self {
        fixture.sql("DELETE FROM spanbox_jobs").await;
        Self {
            fixture,
            // Neighbouring seeds would begin alike.
            chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            trail: Trail { seed, steps: Vec::new() },
            model: Model::default(),
            rows: Vec::new(),
            leases: Vec::new(),
            seen: BTreeSet::new(),
            committed: 0,
            forgotten: 0,
            start: (fixture.clock().await, Instant::now()),
        }
    }

    fn tell(&mut self, what: impl std::fmt::Debug) {
        self.trail.steps.push(format!("{what:?}"));
    }

    fn look_at_the_clock(&mut self) {
        self.model.now = self.start.0 + i64::try_from(self.start.1.elapsed().as_micros()).unwrap();
    }

    async fn step(&mut self) {
        self.look_at_the_clock();
        match self.chance.below(20) {
            0..=4 => self.enqueue().await,
            5..=7 => self.lease().await,
            8 => {
                let worker = self.worker();
                self.lease_suspect(worker).await;
            }
            9 | 10 => self.complete().await,
            11..=13 => self.settle().await,
            14 => self.heartbeat().await,
            15 => self.an_hour_passes().await,
            16 => self.rescue().await,
            17 => self.zombie().await,
            18 if self.chance.below(3) == 0 => self.prune().await,
            _ => self.decide().await,
        }
        self.agree().await;
    }

    /// The table is as the model is, and every job moved as it may.
    async fn agree(&mut self) {
        let before: Vec<_> = self.rows.iter().map(|row| (row.id, row.state())).collect();
        self.rows = self.read().await;
        self.model.agree(&self.rows);
        for (id, from) in before {
            let Some(to) = self.model.jobs.get(&id).map(|job| job.state) else { continue };
            assert!(from == to || from.may_become(to), "job {id} went from {from} to {to}");
            if from != to {
                self.seen.insert((from, to));
            }
        }
        let mut alive = BTreeSet::new();
        for (id, job) in &self.model.jobs {
            let lives = matches!(job.state, State::Available | State::Running | State::Parked);
            if let Some(key) = job.key.as_ref().filter(|_| lives) {
                assert!(alive.insert(key), "job {id} is not the only one under {key}");
            }
        }
        assert!(self.rows.iter().all(|row| !row.payload.contains("rolled back")));
    }

    async fn read(&self) -> Vec<Row> {
        let rows = self.fixture.db.read(async |conn: &mut Conn| -> Result<Vec<Row>, DbError> {
            let all = sql_query(
                "SELECT id, payload, state, priority, run_at, attempt, max_attempts, crashes, token, lease_until, worker, \
                 unique_key, unique_until, unique_held, cancel_requested, finished_at, error FROM spanbox_jobs ORDER BY id",
            );
            query!(conn, c => all.load(c).await)
        });
        rows.await.unwrap()
    }

    async fn enqueue(&mut self) {
        let key = [None, None, None, Some("k0"), Some("k1"), Some("k2")][self.chance.below(6)];
        let period = [Duration::ZERO, HALF_HOUR * 3][self.chance.below(2)];
        let new = New {
            key: key.map(|key| format!("note:{key}")),
            period: if key.is_some() { period } else { Duration::ZERO },
            delay: [Duration::ZERO, Duration::ZERO, HALF_HOUR][self.chance.below(3)],
            priority: [2, 5, 5, 9][self.chance.below(4)],
            max_attempts: [1, 3, 5][self.chance.below(3)],
        };
        let commits = self.chance.below(5) > 0;
        self.tell(("enqueue", &new, commits));
        let text = if commits { "kept" } else { "rolled back" };
        let mut job = note(text).delay(new.delay).priority(new.priority).max_attempts(new.max_attempts);
        if let Some(key) = key {
            job = job.unique(key, new.period);
        }
        if !commits {
            let refused: Result<(), JobsError> = self
                .fixture
                .db
                .write(async move |conn: &mut Conn| {
                    let _ = job.enqueue(conn).await?;
                    Err(DbError::Closed.into())
                })
                .await;
            assert!(matches!(refused, Err(JobsError::Db(DbError::Closed))));
            return;
        }
        let stored = self.fixture.enqueue(job).await;
        let met = self.model.enqueue(new, stored.id);
        assert_eq!((met.unwrap_or(stored.id), met.is_none()), (stored.id, stored.fresh));
        self.committed += usize::from(stored.fresh);
    }

    fn worker(&mut self) -> &'static str {
        ["w1", "w2", "w3"][self.chance.below(3)]
    }

    async fn lease(&mut self) {
        let (limit, worker) = (1 + self.chance.below(3), self.worker());
        self.lease_up_to(limit, worker).await;
    }

    async fn lease_up_to(&mut self, limit: usize, worker: &'static str) {
        self.tell(("lease", limit, worker));
        let leased = self
            .fixture
            .write(async move |conn: &mut Conn| {
                Ok(store::lease(conn, "notes", limit, worker, HALF_HOUR).await?)
            })
            .await;
        let leased: Vec<_> = leased.iter().map(Leased::held).collect();
        assert_eq!(leased, self.model.lease(limit, worker));
        self.leases.extend(leased);
    }

    /// Whether there was one.
    async fn lease_suspect(&mut self, worker: &'static str) -> bool {
        self.tell(("lease suspect", worker));
        let leased = self
            .fixture
            .write(async move |conn: &mut Conn| {
                Ok(store::lease_suspects(conn, "notes", ANY_CRASHES, 1, worker, HALF_HOUR).await?)
            })
            .await;
        let leased = leased.iter().map(Leased::held).next();
        assert_eq!(leased, self.model.lease_suspect(worker));
        self.leases.extend(leased);
        leased.is_some()
    }

    /// Up to three leases, most of which are held.
    fn some_leases(&mut self) -> Vec<Held> {
        let model = &mut self.model;
        let held: Vec<_> = self.leases.iter().copied().filter(|held| model.is_held(*held)).collect();
        let mut some = BTreeSet::new();
        for _ in 0..=self.chance.below(3) {
            let lease =
                if self.chance.below(5) > 0 { self.chance.of(&held) } else { self.chance.of(&self.leases) };
            some.extend(lease.map(|held| (held.id, held.token)));
        }
        some.into_iter().map(|(id, token)| Held { id, token }).collect()
    }

    async fn complete(&mut self) {
        let held = self.some_leases();
        self.complete_all(held).await;
    }

    async fn complete_all(&mut self, held: Vec<Held>) {
        self.tell(("complete", &held));
        let mut done = self.fixture.complete(held.clone()).await;
        done.sort_unstable();
        let expected = held.into_iter().filter(|held| self.model.complete(*held)).map(|held| held.id);
        assert_eq!(done, expected.collect::<Vec<_>>());
    }

    async fn settle(&mut self) {
        let thens = [
            Then::RetryIn(Duration::ZERO),
            Then::RetryIn(HALF_HOUR),
            Then::GiveUp,
            Then::Park,
            Then::GiveBack,
        ];
        let runs: Vec<_> = self
            .some_leases()
            .into_iter()
            .map(|held| (held, thens[self.chance.below(thens.len())]))
            .collect();
        self.tell(("settle", &runs));
        let unfinished: Vec<_> = runs
            .iter()
            .map(|(held, then)| Unfinished {
                held: *held,
                then: *then,
                error: Some("it broke".to_owned()),
                trace_id: None,
            })
            .collect();
        let settled = self
            .fixture
            .write(async move |conn: &mut Conn| Ok(store::settle(conn, &unfinished).await?))
            .await;
        let mut settled: Vec<_> = settled.into_iter().map(|settled| (settled.id, settled.state)).collect();
        settled.sort_unstable();
        let expected =
            runs.into_iter().filter_map(|(held, then)| Some((held.id, self.model.settle(held, then)?)));
        assert_eq!(settled, expected.collect::<Vec<_>>());
    }

    async fn heartbeat(&mut self) {
        let held = self.some_leases();
        self.tell(("heartbeat", &held));
        let asked = held.clone();
        let beats = self
            .fixture
            .write(async move |conn: &mut Conn| Ok(store::heartbeat(conn, &asked, HALF_HOUR).await?))
            .await;
        let mut beats: Vec<_> = beats.into_iter().map(|beat| (beat.id, beat.cancel_requested)).collect();
        beats.sort_unstable();
        let expected = held.into_iter().filter_map(|held| Some((held.id, self.model.heartbeat(held)?)));
        assert_eq!(beats, expected.collect::<Vec<_>>());
    }

    async fn an_hour_passes(&mut self) {
        self.tell("an hour passes");
        let hour = 60 * MINUTE;
        let sql = format!(
            "UPDATE spanbox_jobs SET run_at = run_at - {hour}, lease_until = lease_until - {hour}, \
             unique_until = unique_until - {hour}, finished_at = finished_at - {hour}"
        );
        self.fixture.sql(sql).await;
        self.model.pass(hour);
    }

    async fn rescue(&mut self) {
        self.tell("rescue");
        let rescued = self
            .fixture
            .write(async |conn: &mut Conn| Ok(store::rescue(conn, 1000, MAX_CRASHES).await?))
            .await;
        let mut rescued: Vec<_> = rescued.into_iter().map(|job| (job.id, job.state)).collect();
        rescued.sort_unstable();
        assert_eq!(rescued, self.model.rescue());
    }

    /// Who lost a lease writes all the same: not a single row changes.
    async fn zombie(&mut self) {
        let model = &mut self.model;
        let lost: Vec<_> = self.leases.iter().copied().filter(|held| !model.is_held(*held)).collect();
        let Some(held) = self.chance.of(&lost) else { return };
        self.tell(("zombie", held));
        assert!(self.fixture.complete(vec![held]).await.is_empty());
        for then in [Then::RetryIn(Duration::ZERO), Then::GiveUp, Then::Park, Then::GiveBack] {
            assert_eq!(self.fixture.fail(held, then).await, None);
        }
        let beats = self
            .fixture
            .write(async move |conn: &mut Conn| Ok(store::heartbeat(conn, &[held], HALF_HOUR).await?))
            .await;
        assert_eq!(beats, []);
        assert_eq!(self.read().await, self.rows);
    }

    async fn prune(&mut self) {
        let state = State::ALL[self.chance.below(6)];
        self.tell(("prune", state));
        let gone = self
            .fixture
            .write(async move |conn: &mut Conn| Ok(store::prune(conn, state, HALF_HOUR, 1000).await?))
            .await;
        let ends = matches!(state, State::Completed | State::Cancelled | State::Dead);
        assert_eq!(gone, if ends { self.model.prune(state) } else { 0 });
        self.forgotten += gone;
    }

    /// Somebody cancels, retries or discards a job: one that it fits, or any, or one that is not there.
    async fn decide(&mut self) {
        let all: Vec<_> = self.model.jobs.keys().copied().chain([1_000_000_000]).collect();
        let jobs = self.model.jobs.iter();
        let aside: Vec<_> = jobs.filter(|(_, job)| job.is_aside()).map(|(id, _)| *id).collect();
        let some = if self.chance.below(2) == 0 { self.chance.of(&aside) } else { None };
        let id = some.or_else(|| self.chance.of(&all)).unwrap_or_default();
        let what = ["cancel", "retry", "discard"][self.chance.below(3)];
        self.tell((what, id));
        let fixture = self.fixture;
        match what {
            "cancel" => {
                let cancelled =
                    fixture.write(async move |conn: &mut Conn| Ok(store::cancel(conn, id).await?)).await;
                assert_eq!(cancelled, self.model.cancel(id));
            }
            "retry" => {
                let retried =
                    fixture.write(async move |conn: &mut Conn| Ok(store::retry(conn, id).await?)).await;
                assert_eq!(retried, self.model.retry(id));
            }
            _ => {
                let discarded =
                    fixture.write(async move |conn: &mut Conn| Ok(store::discard(conn, id).await?)).await;
                assert_eq!(discarded, self.model.discard(id));
            }
        }
    }

    /// A worker comes that does all the work: nothing is left over.
    async fn finish(&mut self) {
        self.look_at_the_clock();
        self.an_hour_passes().await;
        self.rescue().await;
        self.agree().await;
        self.lease_up_to(1_000_000, "w1").await;
        while self.lease_suspect("w1").await {}
        self.agree().await;
        let held = self.model.running();
        self.complete_all(held).await;
        self.agree().await;
        assert_eq!(self.rows.len() + self.forgotten, self.committed, "a job was lost, or came from nowhere");
        for (id, job) in &self.model.jobs {
            assert!(!matches!(job.state, State::Available | State::Running), "job {id} has no end: {job:?}");
        }
    }
}
