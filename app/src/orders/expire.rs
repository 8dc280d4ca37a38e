use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};
use serde::{Deserialize, Serialize};
use spanbox::data::Conn;
use spanbox::jobs::store::keys_in_use;
use spanbox::jobs::{Job, JobContext, JobError};
use spanbox::telemetry;

use super::model::now;
use super::process::ProcessOrder;
use super::settings::OrderSettings;
use super::store::{self, Stale};

/// How many orders are looked at in one unit of work.
const BATCH: usize = 500;

/// Ends orders as `failed` that have been `pending` or `processing` for too long and that nobody processes any more.
///
/// An order whose job waits, runs or is parked is left alone: what it was charged would be lost. One whose job is a dead
/// letter, or was cancelled, is ended. The order is locked before its job is looked for, and a run locks it before it
/// does anything, so that a job which somebody retries at that moment is either seen here or finds the order failed.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ExpireStaleOrders {}

impl Job for ExpireStaleOrders {
    const NAME: &'static str = "expire_stale_orders";
    const QUEUE: &'static str = ProcessOrder::QUEUE;
    type State = OrderSettings;

    async fn run(self, settings: OrderSettings, ctx: JobContext) -> Result<(), JobError> {
        expire(settings.stale_after, ctx).await
    }
}

#[spanbox::traced(name = ExpireStaleOrders::NAME)]
async fn expire(stale_after: Duration, ctx: JobContext) -> Result<(), JobError> {
    let Some(before) = ago(stale_after) else { return Ok(()) };
    let (mut expired, mut after) = (0, None);
    loop {
        let (ended, last) = batch(before, after, &ctx).await?;
        expired += ended;
        if last.is_none() {
            break;
        }
        after = last;
    }
    telemetry::set_attribute("orders.expired", i64::try_from(expired).unwrap_or(i64::MAX));
    if expired > 0 {
        tracing::warn!(orders = expired, ?stale_after, "orders were ended that nobody had finished");
    }
    Ok(())
}

/// Ends the stale ones of the next orders; tells how many those were, and where to go on. The last batch ends the job.
async fn batch(
    before: NaiveDateTime,
    after: Option<Stale>,
    ctx: &JobContext,
) -> Result<(usize, Option<Stale>), JobError> {
    let job = ctx.clone();
    let ended = ctx.db().write(async move |conn: &mut Conn| {
        let stale = store::lock_stale(conn, before, after, BATCH).await?;
        let keys: Vec<_> = stale.iter().map(|order| ProcessOrder::key(order.id)).collect();
        let alive = keys_in_use(conn, ProcessOrder::NAME, &keys).await?;
        let abandoned = stale.iter().zip(&keys).filter(|(_, key)| !alive.contains(*key));
        let expired = store::expire(conn, abandoned.map(|(order, _)| order.id).collect()).await?;
        let last = stale.last().copied().filter(|_| stale.len() == BATCH);
        if last.is_none() {
            job.complete_in(conn).await?;
        }
        Ok::<_, JobError>((expired, last))
    });
    ended.await
}

/// So long ago; `None` when that is before all times.
fn ago(age: Duration) -> Option<NaiveDateTime> {
    now().checked_sub_signed(TimeDelta::from_std(age).ok()?)
}
