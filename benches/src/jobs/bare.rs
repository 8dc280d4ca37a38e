//! What a store can do at most: a loop that claims jobs and completes them, without actors, runs or telemetry.

use std::time::{Duration, Instant};

use deadpool_redis::redis::{Pipeline, cmd};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl as _;
use spanbox::data::{Conn, Db, DbError, query};
use spanbox::jobs::store::{self, Front, Held, Leased};
use spanbox::telemetry::Telemetry;

use super::place::{Place, Places, Store, completed, settle};
use super::{MeasureError, kind};
use crate::figures::Figures;
use crate::{machine, nowhere};

/// Claimed, and completed, by one unit of work.
const BATCH: usize = 64;
/// The same for the second loop: as many as a runner claims at most.
const LARGE_BATCH: usize = 256;
const LEASE: Duration = Duration::from_secs(60);

/// The name of the store's limit among the figures.
pub(super) const LIMIT: &str = "limit: lease and complete, batches of 64";

/// A loop over the framework's own statements, with small and with large batches.
pub(super) async fn limit(places: &Places, store: Store, into: &mut Figures) -> Result<(), MeasureError> {
    let cpu = turns(places, store, BATCH, LIMIT, into).await?;
    into.add(store.name(), "limit: CPU of this process", "µs/job", cpu_of(store, cpu));
    turns(places, store, LARGE_BATCH, "limit: the same in batches of 256", into).await.map(drop)
}

/// The processor's time that it took.
async fn turns(
    places: &Places,
    store: Store,
    batch: usize,
    what: &'static str,
    into: &mut Figures,
) -> Result<Duration, MeasureError> {
    let place = places.fresh(store).await?;
    let db = filled(&place, store).await?;
    let (start, cpu) = (Instant::now(), machine::cpu_time());
    let (mut held, mut front): (Vec<Held>, _) = (Vec::new(), Front::new("noops"));
    loop {
        (held, front) = db
            .write(async move |conn: &mut Conn| {
                store::complete(conn, &held).await?;
                let leased = store::lease_from(conn, &mut front, batch, "bare", LEASE).await?;
                Ok::<_, DbError>((leased.iter().map(Leased::held).collect(), front))
            })
            .await?;
        if held.is_empty() {
            break;
        }
    }
    let (took, cpu) = (start.elapsed(), machine::cpu_time() - cpu);
    record(&db, store, what, took, into).await?;
    Ok(cpu)
}

/// The ids of entries and their fields.
type Entries = Vec<(String, Vec<(String, String)>)>;

/// A loop over a stream: entries read by a consumer group, acknowledged and deleted.
pub(super) async fn stream(places: &Places, into: &mut Figures) -> Result<(), MeasureError> {
    let place = places.fresh(Store::Redis).await?;
    let Some(redis) = place.redis(&Telemetry::disabled())? else { return Ok(()) };
    let jobs = Store::Redis.jobs();
    let mut group = cmd("XGROUP");
    group.arg("CREATE").arg("bare").arg("all").arg("0").arg("MKSTREAM");
    redis.command::<()>("XGROUP CREATE", &group).await?;
    for _ in 0..jobs / BATCH {
        let mut add = Pipeline::new();
        for n in 0..BATCH {
            add.cmd("XADD").arg("bare").arg("*").arg("job").arg(format!("{{\"order_id\":{n}}}")).ignore();
        }
        redis.pipeline::<()>("PIPELINE XADD", &add).await?;
    }
    let (start, mut ended) = (Instant::now(), 0);
    let mut read = cmd("XREADGROUP");
    read.arg("GROUP").arg("all").arg("one").arg("COUNT").arg(BATCH).arg("STREAMS").arg("bare").arg(">");
    loop {
        let streams: Option<Vec<(String, Entries)>> = redis.command("XREADGROUP", &read).await?;
        let ids: Vec<String> =
            streams.into_iter().flatten().flat_map(|(_, entries)| entries).map(|(id, _)| id).collect();
        if ids.is_empty() {
            break;
        }
        ended += ids.len();
        let mut end = Pipeline::new();
        end.atomic().cmd("XACK").arg("bare").arg("all").arg(&ids).ignore();
        end.cmd("XDEL").arg("bare").arg(&ids).ignore();
        redis.pipeline::<()>("MULTI XACK", &end).await?;
    }
    into.add(Store::Redis.name(), LIMIT, "jobs/s", per_second(ended, start.elapsed()));
    redis.command::<()>("DEL", cmd("DEL").arg("bare")).await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// A loop over statements that know nothing of tokens, priorities and rows in JSON.
pub(super) async fn plain(places: &Places, store: Store, into: &mut Figures) -> Result<(), MeasureError> {
    let place = places.fresh(store).await?;
    let db = filled(&place, store).await?;
    let skip = if store == Store::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let claim = format!(
        "UPDATE spanbox_jobs SET state = 'running', lease_until = 1, started_at = 1 WHERE id IN ( \
             SELECT id FROM spanbox_jobs WHERE queue = 'noops' AND priority = 5 AND state = 'available' \
             ORDER BY run_at, id LIMIT {BATCH} {skip}) \
         RETURNING id, payload, kind, traceparent"
    );
    let start = Instant::now();
    let mut held: Vec<i64> = Vec::new();
    loop {
        let ids = held.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let complete = format!(
            "UPDATE spanbox_jobs SET state = 'completed', lease_until = NULL, finished_at = 1 WHERE id IN ({ids})"
        );
        let claim = claim.clone();
        held = db
            .write(async move |conn: &mut Conn| {
                if !ids.is_empty() {
                    query!(&mut *conn, c => diesel::sql_query(complete).execute(c).await)?;
                }
                let claimed: Vec<Id> = query!(conn, c => diesel::sql_query(claim).load(c).await)?;
                Ok::<_, DbError>(claimed.into_iter().map(|row| row.id).collect())
            })
            .await?;
        if held.is_empty() {
            break;
        }
    }
    record(&db, store, "limit: the same by plain SQL", start.elapsed(), into).await
}

async fn filled(place: &Place, store: Store) -> Result<Db, MeasureError> {
    // The same rows as those that are run.
    let (telemetry, _) = nowhere::telemetry()?;
    let full = place.db(&telemetry).await?;
    kind::enqueue(&full, &telemetry, store.jobs()).await?;
    let db = place.db(&Telemetry::disabled()).await?;
    settle(&db).await?;
    Ok(db)
}

async fn record(
    db: &Db,
    store: Store,
    what: &'static str,
    took: Duration,
    into: &mut Figures,
) -> Result<(), MeasureError> {
    let (jobs, done) = (store.jobs(), completed(db).await?);
    if done != jobs {
        return Err(MeasureError::Incomplete { what, jobs, done });
    }
    into.add(store.name(), what, "jobs/s", per_second(jobs, took));
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn per_second(jobs: usize, took: Duration) -> f64 {
    jobs as f64 / took.as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn cpu_of(store: Store, cpu: Duration) -> f64 {
    cpu.as_secs_f64() * 1e6 / store.jobs() as f64
}
