//! What it costs to enqueue.

use std::time::Instant;

use futures_util::future::try_join_all;
use spanbox::data::{Conn, Db};
use spanbox::jobs::{self, JobsError};
use spanbox::telemetry::Telemetry;

use super::MeasureError;
use super::bare::per_second;
use super::kind::{self, Noop, in_a_trace};
use super::place::{Places, Store};
use crate::figures::Figures;
use crate::nowhere;

/// Enqueued in batches.
const MANY: usize = 20_000;
/// Enqueued one by one.
const FEW: usize = 2_000;
/// So many enqueue at once, as the requests of a service do.
const CLIENTS: usize = 16;

/// In batches, one after the other, and one by one from several clients; all in traces that are recorded.
pub(super) async fn measure(places: &Places, store: Store, into: &mut Figures) -> Result<(), MeasureError> {
    let (telemetry, _) = nowhere::telemetry()?;
    let place = places.fresh(store).await?;
    let db = place.db(&telemetry).await?;
    let start = Instant::now();
    kind::enqueue(&db, &telemetry, MANY).await?;
    let what = format!("enqueue: batches of {}", kind::BATCH);
    into.add(store.name(), what, "jobs/s", per_second(MANY, start.elapsed()));
    let start = Instant::now();
    one_by_one(&db, &telemetry, FEW).await?;
    into.add(store.name(), "enqueue: a unit of work each", "jobs/s", per_second(FEW, start.elapsed()));
    let start = Instant::now();
    try_join_all((0..CLIENTS).map(|_| one_by_one(&db, &telemetry, FEW / CLIENTS))).await?;
    let what = format!("enqueue: a unit of work each, {CLIENTS} clients");
    into.add(store.name(), what, "jobs/s", per_second(FEW, start.elapsed()));
    Ok(())
}

async fn one_by_one(db: &Db, telemetry: &Telemetry, jobs: usize) -> Result<(), JobsError> {
    for n in 0..jobs {
        let unit = db.write(async move |conn: &mut Conn| jobs::enqueue(conn, Noop::new(n)).await.map(drop));
        in_a_trace(telemetry, unit).await?;
    }
    Ok(())
}
