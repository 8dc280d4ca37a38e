//! Looking after the streams: every process does, so that none has to be there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use deadpool_redis::redis::{Pipeline, cmd};

use super::delivery::EntryId;
use super::entry::{Entry, Replies};
use super::{GROUP, Stream};
use crate::data::{Conn, DbError, RedisError};
use crate::jobs::error::JobsError;
use crate::jobs::run::floor::Floor;
use crate::jobs::run::forsaken::{back, ring, take_back};
use crate::jobs::store::{self, Held};

/// Taken in one step at most.
const BATCH: usize = 500;
/// What a living worker has had for so many leases without keeping it, it never heard of.
const UNHEARD: u64 = 2;
/// A consumer that has been away for so many leases, and has nothing pending, is forgotten.
const FORGOTTEN: u32 = 30;
/// Forgets a consumer that has nothing pending: what is pending goes with it, so both are one step.
const FORGET: &str = "\
    for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do \
        local about = {} \
        for i = 1, #c, 2 do about[c[i]] = c[i + 1] end \
        if about['name'] == ARGV[2] and about['pending'] == 0 and about['idle'] > tonumber(ARGV[3]) then \
            return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) \
        end \
    end \
    return 0";

/// Looks whether publishers or workers have died, and sees to it that what they had is run.
pub(in crate::jobs::run) async fn sweep(floor: &Floor, stream: &Stream) -> Result<(), JobsError> {
    for queue in floor.bells.keys() {
        take_from_dead_workers(floor, stream, queue).await?;
    }
    look_after_publishers(floor, stream).await
}

/// Begins a new epoch if Redis has lost something.
pub(in crate::jobs::run) async fn check_epoch(floor: &Floor, stream: &Stream) -> Result<(), JobsError> {
    let _alone = stream.checking.lock().await;
    let before = stream.epoch();
    let run_id = stream.redis.info().await?.run_id;
    let marker: Option<String> = stream.redis.command("GET", cmd("GET").arg(stream.marker())).await?;
    let marked = marker.as_deref().and_then(|marker| {
        let (epoch, run_id) = marker.split_once(':')?;
        Some((epoch.parse::<i64>().ok()?, run_id))
    });
    let lost = stream.lost.swap(false, Ordering::AcqRel);
    if let Some((epoch, of_run)) = marked
        && of_run == run_id
        && (!lost || epoch > before)
    {
        stream.advance(epoch);
        return Ok(());
    }
    let began: Result<_, DbError> = floor
        .db
        .write(async move |conn: &mut Conn| {
            let first = store::next_epoch(conn, before).await?;
            Ok((first, store::identify(conn, "").await?.epoch))
        })
        .await;
    let (first, epoch) = match began {
        Ok(began) => began,
        Err(error) => {
            stream.lost.fetch_or(lost, Ordering::AcqRel);
            return Err(error.into());
        }
    };
    stream.advance(epoch);
    if first {
        // At once, so that another process that starts now does not begin one more. Should this one die before it has
        // taken all back, the next sweep does.
        let marker = format!("{epoch}:{run_id}");
        stream.redis.command::<()>("SET", cmd("SET").arg(stream.marker()).arg(marker)).await?;
        take_back_all(floor, stream).await?;
    }
    Ok(())
}

/// What was published in an earlier epoch is due again.
async fn take_back_all(floor: &Floor, stream: &Stream) -> Result<(), JobsError> {
    let names: Result<_, DbError> =
        floor.db.read(async |conn: &mut Conn| store::publishers(conn).await).await;
    let mut taken_back = 0;
    for name in names? {
        if store::of_stream(&name).is_some_and(|(epoch, _)| epoch < stream.epoch()) {
            taken_back += take_back(floor, Some(&name)).await?;
        }
    }
    if taken_back > 0 {
        tracing::warn!(
            jobs = taken_back,
            epoch = stream.epoch(),
            "Redis was started anew or has lost something: its jobs are published again"
        );
    }
    Ok(())
}

/// What was delivered to a worker and is not kept by it: a dead worker's, to be judged as in the database; or one whose
/// delivery a living worker never heard of.
async fn take_from_dead_workers(floor: &Floor, stream: &Stream, queue: &Arc<str>) -> Result<(), JobsError> {
    let idle = u64::try_from(floor.settings.lease.as_millis()).unwrap_or(u64::MAX);
    let mut from = "-".to_owned();
    loop {
        let mut left = stream.of_group("XPENDING", queue);
        left.arg("IDLE").arg(idle).arg(&from).arg("+").arg(BATCH);
        let left: Result<Vec<(EntryId, String, u64, u64)>, RedisError> =
            stream.redis.command("XPENDING", &left).await;
        let mut left = match left {
            Err(error) if error.code() == Some("NOGROUP") => {
                stream.report_loss();
                stream.ensure_group(queue).await?;
                return Ok(());
            }
            left => left?,
        };
        let Some((last, ..)) = left.last() else { return forget_consumers(floor, stream, queue).await };
        from = format!("({last}");
        let alive = living(stream, left.iter().map(|(_, worker, ..)| worker.as_str())).await?;
        // A worker that died may have said that it lives after its last entries were delivered, and before it knew of
        // them: it is not to be taken for one that lives and does not know.
        left.retain(|(_, worker, away, _)| !alive.contains(worker) || *away >= UNHEARD * idle);
        if left.is_empty() {
            continue;
        }
        let workers: HashMap<&str, &str> =
            left.iter().map(|(id, worker, ..)| (id.as_str(), worker.as_str())).collect();
        let mut claim = stream.of_group("XCLAIM", queue);
        claim.arg(&stream.worker).arg(idle);
        left.iter().for_each(|(id, ..)| {
            claim.arg(id);
        });
        let claimed: Replies = stream.redis.command("XCLAIM", &claim).await?;
        let (mut dead, mut unheard, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for entry in claimed.into_iter().map(Entry::read) {
            let worker = workers.get(entry.id.as_str()).copied().unwrap_or_default();
            if alive.contains(worker) {
                unheard.extend(entry.held());
            } else {
                dead.extend(entry.held().map(|held| (held, worker.to_owned())));
            }
            entries.push(entry.id);
        }
        let written: Result<_, DbError> = floor
            .db
            .write(async move |conn: &mut Conn| {
                store::expire(conn, &dead).await?;
                store::settle(conn, &back(&unheard)).await
            })
            .await;
        written?;
        if !entries.is_empty() {
            stream.finish(queue, &entries.iter().collect::<Vec<_>>()).await?;
        }
        ring(floor, std::iter::once(&**queue));
    }
}

/// Which of these processes live.
async fn living<'a>(
    stream: &Stream,
    workers: impl Iterator<Item = &'a str>,
) -> Result<HashSet<String>, RedisError> {
    let workers: HashSet<&str> = workers.collect();
    let workers: Vec<&str> = workers.into_iter().collect();
    if workers.is_empty() {
        return Ok(HashSet::new());
    }
    let mut pipeline = Pipeline::with_capacity(workers.len());
    for worker in &workers {
        pipeline.cmd("EXISTS").arg(stream.alive_key(worker));
    }
    let there: Vec<bool> = stream.redis.pipeline("PIPELINE EXISTS", &pipeline).await?;
    Ok(workers.into_iter().zip(there).filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect())
}

async fn forget_consumers(floor: &Floor, stream: &Stream, queue: &str) -> Result<(), JobsError> {
    let mut list = cmd("XINFO");
    list.arg("CONSUMERS").arg(stream.key(queue)).arg(GROUP);
    let consumers: Vec<HashMap<String, deadpool_redis::redis::Value>> =
        stream.redis.command("XINFO CONSUMERS", &list).await?;
    let away = floor.settings.lease * FORGOTTEN;
    let away = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
    for consumer in consumers {
        let number = |name: &str| {
            consumer
                .get(name)
                .and_then(|value| deadpool_redis::redis::from_redis_value_ref::<u64>(value).ok())
        };
        let name = consumer
            .get("name")
            .and_then(|value| deadpool_redis::redis::from_redis_value_ref::<String>(value).ok())
            .unwrap_or_default();
        if number("pending") != Some(0) || number("idle").is_none_or(|idle| idle <= away) {
            continue;
        }
        let mut forget = cmd("EVAL");
        forget.arg(FORGET).arg(1).arg(stream.key(queue)).arg(GROUP).arg(name).arg(away);
        stream.redis.command::<u64>("EVAL", &forget).await?;
    }
    Ok(())
}

/// Those who publish may die between the database's COMMIT and Redis, and what they did publish must have somebody who
/// would miss it.
async fn look_after_publishers(floor: &Floor, stream: &Stream) -> Result<(), JobsError> {
    let names: Result<_, DbError> =
        floor.db.read(async |conn: &mut Conn| store::publishers(conn).await).await;
    let names = names?;
    let known: BTreeMap<&str, (i64, &str)> =
        names.iter().filter_map(|name| Some((name.as_str(), store::of_stream(name)?))).collect();
    let alive = living(stream, known.values().map(|(_, publisher)| *publisher)).await?;
    for (name, (epoch, publisher)) in known {
        if epoch < stream.epoch() {
            take_back(floor, Some(name)).await?;
        } else if !alive.contains(publisher) && publisher != stream.worker {
            inherit(floor, stream, name).await?;
        }
    }
    Ok(())
}

/// Takes over what a dead publisher has published; what it did not get into the stream is due again.
async fn inherit(floor: &Floor, stream: &Stream, name: &str) -> Result<(), JobsError> {
    let of = name.to_owned();
    let jobs: Result<_, DbError> =
        floor.db.read(async move |conn: &mut Conn| store::published(conn, &of, usize::MAX).await).await;
    // Asked for before the stream is: what has ended since is in neither, and then no write finds it.
    let jobs = jobs?;
    let mut there: HashSet<Held> = HashSet::new();
    for queue in jobs.iter().map(|job| job.queue.as_str()).collect::<HashSet<_>>() {
        let all: Replies =
            stream.redis.command("XRANGE", cmd("XRANGE").arg(stream.key(queue)).arg("-").arg("+")).await?;
        all.into_iter().map(Entry::read).for_each(|entry| there.extend(entry.held()));
    }
    let (kept, missing): (Vec<Held>, Vec<Held>) =
        jobs.iter().map(store::InStream::held).partition(|held| there.contains(held));
    let (owner, lost) = (store::stream_lease(stream.epoch(), &stream.worker), missing.len());
    let written: Result<_, DbError> = floor
        .db
        .write(async move |conn: &mut Conn| {
            store::settle(conn, &back(&missing)).await?;
            store::adopt(conn, &kept, &owner).await
        })
        .await;
    written?;
    if lost > 0 {
        tracing::warn!(jobs = lost, publisher = name, "jobs whose publisher died are published again");
    }
    ring(floor, jobs.iter().map(|job| &*job.queue));
    Ok(())
}
