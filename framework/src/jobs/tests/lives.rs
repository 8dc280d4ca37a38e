//! Random lives: jobs are enqueued, fail, lose their workers, are cancelled, tried again and discarded, in any order, while
//! processes run them and stop and start. However that goes, each job that was committed ends, as what it does says, and
//! none goes another way than the documented one.
//!
//! A seed tells what is done; when it meets which run is up to the machine. `LIVES` (default 6) is how many there are, and
//! `HISTORY_SEED` runs only the one that failed.

use std::collections::BTreeMap;

use deadpool_redis::redis::{Value, cmd};
use diesel::sql_types::Text;
use tokio::time::timeout;

use super::chance::{Chance, Trail, number};
use super::stage::{Act, Does, Process, SOON, settings};
use super::*;
use crate::jobs::JobsSettings;

on_all!(jobs_end_whatever_their_lives_are_like);

/// How many things are done in a life.
const STEPS: usize = 40;
/// Longer than it takes to say that one lives, and short, since dead workers are waited for.
const SHORT: Duration = Duration::from_secs(1);

async fn jobs_end_whatever_their_lives_are_like(fixture: Fixture) {
    let seeds = match number("HISTORY_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("LIVES").unwrap_or(6),
    };
    let (mut jobs, mut ends) = (0, BTreeMap::new());
    for seed in seeds {
        let life = Life::new(&fixture, seed).await.lead().await;
        jobs += life.jobs.len();
        for state in life.states.into_values() {
            *ends.entry(state.to_string()).or_insert(0) += 1;
        }
    }
    println!("{jobs} jobs ended: {ends:?}");
}

struct Life<'a> {
    fixture: &'a Fixture,
    chance: Chance,
    trail: Trail,
    /// None while there is none.
    process: Option<Process>,
    /// Every job that was committed, and what it does.
    jobs: BTreeMap<i64, Does>,
    /// As they were last seen.
    states: BTreeMap<i64, State>,
    /// How many workers died.
    dead: usize,
}

#[derive(QueryableByName)]
struct Seen {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    state: String,
}

fn short() -> JobsSettings {
    JobsSettings { lease: SHORT, ..settings() }
}

/// What a job may end as.
fn may_end(does: &Does, state: State) -> bool {
    match state {
        State::Completed => matches!(does, Does::Pass | Does::Complete | Does::Sleep(_)),
        // Its workers may have died over any.
        State::Dead | State::Cancelled => true,
        State::Available | State::Running | State::Parked => false,
    }
}

/// Whether a job may be in a state that was in another a while ago.
fn may_have_become(from: State, to: State) -> bool {
    let steps = |from: State| State::ALL.into_iter().filter(move |to| from.may_become(*to));
    // No way is longer: dead, available, running, and what comes of it.
    from == to || steps(from).any(|a| a == to || steps(a).any(|b| b == to || steps(b).any(|c| c == to)))
}

impl<'a> Life<'a> {
    async fn new(fixture: &'a Fixture, seed: u64) -> Self {
        fixture.sql("DELETE FROM spanbox_jobs").await;
        Self {
            fixture,
            chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            trail: Trail { seed, steps: Vec::new() },
            process: Some(Process::start(fixture, short(), &Telemetry::disabled()).await),
            jobs: BTreeMap::new(),
            states: BTreeMap::new(),
            dead: 0,
        }
    }

    fn tell(&mut self, what: impl std::fmt::Debug) {
        self.trail.steps.push(format!("{what:?}"));
    }

    /// To its end.
    async fn lead(mut self) -> Self {
        for _ in 0..STEPS {
            match self.chance.below(10) {
                0..=3 => self.enqueue().await,
                4 | 5 => self.decide().await,
                6 | 7 => self.worker_dies().await,
                8 => self.publisher_dies().await,
                _ => self.process_changes().await,
            }
            self.look().await;
        }
        if self.process.is_none() {
            self.process = Some(Process::start(self.fixture, short(), &Telemetry::disabled()).await);
        }
        let ended = async {
            while !self.states.iter().all(|(id, state)| may_end(&self.jobs[id], *state)) {
                self.look().await;
            }
        };
        if timeout(SOON, ended).await.is_err() {
            panic!("not all jobs ended as they should: {:?} of {:?}", self.states, self.jobs);
        }
        if let Some(process) = self.process.take() {
            process.end().await;
        }
        self
    }

    async fn enqueue(&mut self) {
        let does: Vec<Does> = (0..=self.chance.below(6))
            .map(|_| match self.chance.below(6) {
                0 | 1 => Does::Pass,
                2 => Does::Complete,
                3 => Does::Sleep(20),
                4 => Does::Fail,
                _ => Does::GiveUp,
            })
            .collect();
        let commits = self.chance.below(4) > 0;
        let delay = Duration::from_millis([0, 0, 50][self.chance.below(3)]);
        self.tell(("enqueue", &does, delay, commits));
        let jobs: Vec<_> =
            does.iter().map(|does| Enqueue::new(Act { does: does.clone() }).delay(delay)).collect();
        let stored: Result<Vec<Enqueued>, JobsError> = self
            .fixture
            .db
            .write(async move |conn: &mut Conn| {
                let stored = super::super::enqueue_many(conn, jobs).await?;
                if commits { Ok(stored) } else { Err(DbError::Closed.into()) }
            })
            .await;
        for (stored, does) in stored.into_iter().flatten().zip(does) {
            self.jobs.insert(stored.id, does);
            self.states.insert(stored.id, State::Available);
        }
    }

    /// Somebody cancels, retries or discards a job.
    async fn decide(&mut self) {
        let all: Vec<i64> = self.jobs.keys().copied().collect();
        let Some(id) = self.chance.of(&all) else { return };
        let what = ["cancel", "retry", "discard"][self.chance.below(3)];
        self.tell((what, id));
        match what {
            "cancel" => {
                self.fixture.write(async move |conn: &mut Conn| Ok(store::cancel(conn, id).await?)).await;
            }
            "retry" => {
                self.fixture.write(async move |conn: &mut Conn| Ok(store::retry(conn, id).await?)).await;
            }
            _ => {
                self.fixture.write(async move |conn: &mut Conn| Ok(store::discard(conn, id).await?)).await;
            }
        }
    }

    /// A worker of another process is given jobs, and is never heard of again.
    async fn worker_dies(&mut self) {
        let jobs = 1 + self.chance.below(3);
        self.dead += 1;
        let name = format!("dead {}", self.dead);
        self.tell((&name, jobs));
        let Some(redis) = &self.fixture.redis else {
            let lease = Duration::from_millis(1);
            let leased =
                async move |conn: &mut Conn| Ok(store::lease(conn, "notes", jobs, &name, lease).await?);
            self.fixture.write(leased).await;
            return;
        };
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg("workers").arg(name).arg("COUNT").arg(jobs);
        read.arg("STREAMS").arg(self.stream().await).arg(">");
        // There is no group after Redis has lost the stream, as long as no process runs.
        if let Err(error) = redis.command::<Value>("XREADGROUP", &read).await {
            assert_eq!(error.code(), Some("NOGROUP"), "{error}");
        }
    }

    /// A process leases jobs to the stream and dies before they are in it; now and then Redis loses the stream as well.
    async fn publisher_dies(&mut self) {
        if self.fixture.redis.is_none() {
            return;
        }
        let loses = self.chance.below(3) == 0;
        self.tell(("a publisher dies", loses));
        let leased = async move |conn: &mut Conn| {
            let epoch = store::identify(conn, "ns").await?.epoch;
            let name = store::stream_lease(epoch, "dead");
            Ok(store::lease(conn, "notes", 2, &name, store::TO_STREAM).await?)
        };
        self.fixture.write(leased).await;
        if loses {
            let stream = self.stream().await;
            let redis = self.fixture.redis.as_ref().unwrap();
            redis.command::<()>("DEL", cmd("DEL").arg(stream)).await.unwrap();
        }
    }

    /// The process stops, giving back what runs, or one starts.
    async fn process_changes(&mut self) {
        match self.process.take() {
            Some(process) => {
                self.tell("stop");
                process.stop(Duration::ZERO).await;
            }
            None => {
                self.tell("start");
                self.process = Some(Process::start(self.fixture, short(), &Telemetry::disabled()).await);
            }
        }
    }

    async fn stream(&self) -> String {
        let identity = async |conn: &mut Conn| Ok(store::identify(conn, "ns").await?);
        format!("spanbox:jobs:{}:queue:notes", self.fixture.write(identity).await.namespace)
    }

    /// Every job is there that should be, and no other; and each went a way that is documented.
    async fn look(&mut self) {
        let rows = self.fixture.db.read(async |conn: &mut Conn| -> Result<Vec<Seen>, DbError> {
            query!(conn, c => sql_query("SELECT id, state FROM spanbox_jobs").load(c).await)
        });
        let now: BTreeMap<i64, State> =
            rows.await.unwrap().iter().map(|row| (row.id, row.state.parse().unwrap())).collect();
        assert!(now.keys().eq(self.jobs.keys()), "{now:?} are there, and should be {:?}", self.jobs);
        for (id, from) in &self.states {
            assert!(may_have_become(*from, now[id]), "job {id} went from {from} to {}", now[id]);
        }
        self.states = now;
    }
}
