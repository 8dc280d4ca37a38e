//! How soon a job is run where there is nothing else to do.

use std::time::{Duration, Instant};

use spanbox::data::{Conn, Db};
use spanbox::jobs::{self, JobsError};
use spanbox::telemetry::Telemetry;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::MeasureError;
use super::kind::{Tell, in_a_trace};
use super::place::{Places, Store, open};
use super::running::Process;
use crate::figures::{Figures, quantile};
use crate::nowhere;

const JOBS: usize = 1000;
/// The first ones find nothing prepared.
const WARM_UP: usize = 50;
const LIMIT: Duration = Duration::from_secs(10);

/// From the commit of an enqueue until the run begins, one job at a time. On SQLite in one process; on PostgreSQL from one
/// handle of the database to another, which share nothing but the server, as two processes do.
pub(super) async fn measure(places: &Places, store: Store, into: &mut Figures) -> Result<(), MeasureError> {
    let (telemetry, _) = nowhere::telemetry()?;
    let place = places.fresh(store).await?;
    let sender = place.db(&telemetry).await?;
    let worker = match store {
        Store::Sqlite | Store::Redis => sender.clone(),
        Store::Postgres => place.db(&telemetry).await?,
    };
    let (tell, mut began) = mpsc::unbounded_channel();
    let process = Process::start::<Tell>(&worker, place.redis(&telemetry)?, &telemetry, tell).await?;
    let mut waits = Vec::with_capacity(JOBS);
    for job in 0..WARM_UP + JOBS {
        let committed = enqueue(&sender, &telemetry).await?;
        let incomplete = MeasureError::Incomplete { what: "pickup", jobs: JOBS, done: waits.len() };
        let Ok(Some(at)) = timeout(LIMIT, began.recv()).await else { return Err(incomplete) };
        if job >= WARM_UP {
            waits.push(at.saturating_duration_since(committed).as_secs_f64() * 1e3);
        }
        while open(&sender).await? > 0 {}
    }
    process.stop().await;
    for (what, part) in [("pickup when idle: p50", 0.5), ("pickup when idle: p99", 0.99)] {
        into.add(store.name(), what, "ms", quantile(&waits, part));
    }
    Ok(())
}

/// When it was committed.
async fn enqueue(db: &Db, telemetry: &Telemetry) -> Result<Instant, MeasureError> {
    let (tell, committed) = oneshot::channel();
    let unit = db.write(async move |conn: &mut Conn| {
        conn.after_commit(move || {
            let _ = tell.send(Instant::now());
        });
        jobs::enqueue(conn, Tell).await.map(drop)
    });
    in_a_trace(telemetry, unit).await?;
    committed.await.map_err(|_| JobsError::from(spanbox::data::DbError::Closed).into())
}
