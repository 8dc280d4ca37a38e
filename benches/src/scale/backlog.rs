//! What jobs cost while very many of them wait.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db, DbError};
use spanbox::jobs::store::{self, Front, Leased};
use spanbox::jobs::{self, Job, JobContext, JobError};
use spanbox::testing::PgServer;

use super::ScaleError;
use super::store::{Place, Store, told};
use crate::figures::Figures;

const LEASE: Duration = Duration::from_secs(3600);
/// Turns of each in a round.
const TURNS: usize = 60;
/// One job at a time, and as many as a unit of work commonly ends and leases.
pub(super) const BATCHES: [usize; 2] = [1, 64];

/// All are due.
const WAITING: &str = "SELECT 'backlog', 'wait', '{}', 'available', 5, n, 9, 1, NULL";

#[derive(Serialize, Deserialize)]
struct Wait;

impl Job for Wait {
    const NAME: &'static str = "wait";
    const QUEUE: &'static str = "backlog";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

/// The names of the figures of a batch: enqueued, leased, completed.
pub(super) fn names(batch: usize) -> [String; 3] {
    ["enqueued", "leased", "completed"].map(|what| format!("{what}, {batch} at a time"))
}

/// Whose figures these are.
pub(super) fn of(store: Store, backlog: i64) -> String {
    format!("{}, {backlog} waiting", store.name())
}

pub(super) async fn measure(
    store: Store,
    server: &PgServer,
    backlog: i64,
    rounds: u16,
    into: &mut Figures,
) -> Result<(), ScaleError> {
    let (empty, full) = (Place::fresh(store, server).await?, Place::fresh(store, server).await?);
    told(format!("{}: a backlog of {backlog}", store.name()), full.fill_jobs(WAITING, backlog)).await?;
    for round in 0..=rounds {
        for batch in BATCHES {
            for (waiting, place) in [(0, &empty), (backlog, &full)] {
                let took = turns(&place.db, batch).await?;
                // The first is for the caches.
                if round > 0 {
                    for (what, took) in names(batch).into_iter().zip(took) {
                        into.add(of(store, waiting), what, "µs/job", took);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Enqueues, leases and completes as many jobs, each time; what each of these takes, in microseconds a job, by the median.
async fn turns(db: &Db, batch: usize) -> Result<[f64; 3], ScaleError> {
    let mut took = [const { Vec::new() }; 3];
    let mut front = Front::new(Wait::QUEUE);
    for _ in 0..TURNS {
        let began = Instant::now();
        db.write(async move |conn: &mut Conn| {
            jobs::enqueue_many(conn, (0..batch).map(|_| Wait)).await.map(drop)
        })
        .await?;
        took[0].push(began.elapsed());
        let began = Instant::now();
        // As a dispatcher does.
        let mut to = front.clone();
        let (leased, to) = db
            .write(async move |conn: &mut Conn| {
                Ok::<_, DbError>((store::lease_from(conn, &mut to, batch, "backlog", LEASE).await?, to))
            })
            .await?;
        front = to;
        took[1].push(began.elapsed());
        let held: Vec<_> = leased.iter().map(Leased::held).collect();
        let began = Instant::now();
        let ended = db.write(async move |conn: &mut Conn| store::complete(conn, &held).await).await?;
        took[2].push(began.elapsed());
        if ended.len() != batch {
            return Err(ScaleError::Rows { what: "the end of a batch of jobs", rows: ended.len() });
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let median = |took: Vec<Duration>| {
        let micros: Vec<_> = took.iter().map(|took| took.as_secs_f64() * 1e6 / batch as f64).collect();
        crate::figures::quantile(&micros, 0.5)
    };
    Ok(took.map(median))
}
