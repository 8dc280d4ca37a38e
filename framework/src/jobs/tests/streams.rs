//! What Redis forgets, and what dies between it and the database.

use std::collections::HashSet;

use deadpool_redis::redis::{self, cmd};
use tokio::time::timeout;

use super::stage::{Does, Process, SOON, act, settings};
use super::*;
use crate::jobs::JobsSettings;

/// A server of the test's own, and jobs that it hands out.
async fn fixture() -> (RedisServer, Fixture) {
    let server = RedisServer::start().unwrap();
    let mut fixture = Fixture::new(TestDatabase::sqlite()).await;
    fixture.redis = Some(Redis::new(&Secret::new(server.url()), &Telemetry::disabled()).unwrap());
    (server, fixture)
}

/// What a group has pending: how many, the first, the last, and by consumer.
type Summary = (usize, Option<String>, Option<String>, Option<Vec<(String, String)>>);

fn short() -> JobsSettings {
    JobsSettings { lease: Duration::from_secs(1), ..settings() }
}

impl Fixture {
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        self.redis.as_ref().unwrap().command("TEST", command).await.unwrap()
    }

    async fn enqueue_acts(&self, count: usize) {
        let jobs: Vec<_> = (0..count).map(|_| act(Does::Pass)).collect();
        self.write(async move |conn: &mut Conn| super::super::enqueue_many(conn, jobs).await).await;
    }

    async fn stream(&self) -> String {
        let keys: Vec<String> = self.ask(cmd("KEYS").arg("spanbox:jobs:*:queue:notes")).await;
        keys.into_iter().next().unwrap()
    }

    /// A process makes the stream and is gone.
    async fn make_stream(&self) -> String {
        let process = Process::start(self, short(), &Telemetry::disabled()).await;
        let first = self.act(act(Does::Pass)).await;
        self.becomes(first, State::Completed).await;
        process.end().await;
        self.stream().await
    }

    /// Publishes jobs in one entry, while no process runs.
    async fn publish_together(
        &self,
        stream: &str,
        jobs: impl IntoIterator<Item = Does>,
    ) -> Vec<store::Leased> {
        for does in jobs {
            self.act(act(does)).await;
        }
        let epoch = self.write(async |conn: &mut Conn| Ok(store::identify(conn, "ns").await?.epoch)).await;
        let name = store::stream_lease(epoch, "dead");
        let lease =
            async move |conn: &mut Conn| Ok(store::lease(conn, "notes", 100, &name, store::TO_STREAM).await?);
        let leased = self.write(lease).await;
        let wire = |job: &store::Leased| {
            serde_json::json!({
                "id": job.id, "token": job.token, "queue": "notes", "kind": "act", "payload": job.payload,
                "priority": 5, "attempt": 1, "max_attempts": job.max_attempts, "crashes": 0, "waited": 0, "delayed": 0,
            })
        };
        let entry =
            serde_json::json!({ "epoch": epoch, "jobs": leased.iter().map(wire).collect::<Vec<_>>() });
        self.ask::<String>(cmd("XADD").arg(stream).arg("*").arg("jobs").arg(entry.to_string())).await;
        leased
    }

    /// A worker reads what is in the stream, and is never heard of again.
    async fn deliver_to_the_dead(&self, stream: &str) {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg("workers").arg("dead").arg("STREAMS").arg(stream).arg(">");
        self.ask::<redis::Value>(&read).await;
    }

    /// How many entries the stream holds, and how many of them are pending.
    async fn held_by_redis(&self) -> (usize, usize) {
        let stream = self.stream().await;
        let length = self.ask(cmd("XLEN").arg(&stream)).await;
        let (pending, ..): Summary = self.ask(cmd("XPENDING").arg(&stream).arg("workers")).await;
        (length, pending)
    }

    async fn redis_is_empty(&self) {
        self.redis_holds(0).await;
    }

    /// Waits until so many entries are in the stream, each with a worker.
    async fn redis_holds(&self, entries: usize) {
        let held = async { while self.held_by_redis().await != (entries, entries) {} };
        timeout(SOON, held).await.expect("ended jobs stay in the stream");
    }

    /// Every job was run; a job that an outage took back may have been run twice, and ended once.
    async fn all_ended(&self, count: i64) {
        self.all_become(State::Completed, count).await;
        assert_eq!(self.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE crashes > 0").await, 0);
    }
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn ended_jobs_leave_nothing_in_redis() {
    let (_server, fixture) = fixture().await;
    let process = Process::run(&fixture).await;
    fixture.enqueue_acts(5000).await;
    fixture.all_ended(5000).await;
    fixture.redis_is_empty().await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_wiped_redis_is_filled_again_from_the_database() {
    let (_server, fixture) = fixture().await;
    let mut process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    let waiting: Vec<_> = (0..100).map(|_| act(Does::Wait)).collect();
    fixture.write(async move |conn: &mut Conn| super::super::enqueue_many(conn, waiting).await).await;
    for _ in 0..4 {
        process.begins().await;
    }
    fixture.ask::<()>(&cmd("FLUSHALL")).await;
    process.stage.gate.add_permits(1000);
    fixture.all_ended(100).await;
    fixture.redis_is_empty().await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_stream_that_was_deleted_is_filled_again() {
    let (_server, fixture) = fixture().await;
    let mut process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    for _ in 0..20 {
        fixture.act(act(Does::Wait)).await;
    }
    process.begins().await;
    let stream = fixture.stream().await;
    fixture.ask::<()>(cmd("DEL").arg(stream)).await;
    process.stage.gate.add_permits(1000);
    fixture.all_ended(20).await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_redis_that_is_killed_and_started_again_loses_no_job() {
    let (mut server, fixture) = fixture().await;
    let process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    fixture.enqueue_acts(300).await;
    server.kill().unwrap();
    // What is enqueued meanwhile waits in the database.
    fixture.enqueue_acts(300).await;
    server.start_again().unwrap();
    fixture.enqueue_acts(300).await;
    fixture.all_ended(900).await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn what_a_publisher_died_over_before_redis_had_it_is_published() {
    let (_server, fixture) = fixture().await;
    let lost = fixture.act(act(Does::Pass)).await;
    fixture
        .write(async |conn: &mut Conn| {
            let epoch = store::identify(conn, "ns").await?.epoch;
            // The epoch that the process begins when it finds this Redis empty.
            let name = store::stream_lease(epoch + 1, "dead");
            Ok(store::lease(conn, "notes", 1, &name, store::TO_STREAM).await?)
        })
        .await;
    let process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    let record = fixture.becomes(lost, State::Completed).await;
    assert_eq!((record.attempt, record.crashes, record.token), (1, 0, 2));
    process.end().await;
}

#[actix::test]
async fn what_stands_in_a_stream_is_run_where_the_database_hands_jobs_out_again() {
    let fixture = Fixture::new(TestDatabase::sqlite()).await;
    let ids = [fixture.act(act(Does::Pass)).await, fixture.act(act(Does::Pass)).await];
    let name = store::stream_lease(3, "of a process that is gone");
    let stream =
        async move |conn: &mut Conn| Ok(store::lease(conn, "notes", 2, &name, store::TO_STREAM).await?.len());
    assert_eq!(fixture.write(stream).await, 2);
    let [old, fresh] = ids;
    fixture
        .sql(format!("UPDATE spanbox_jobs SET lease_until = lease_until - 61000000 WHERE id = {old}"))
        .await;
    let process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    let record = fixture.becomes(old, State::Completed).await;
    assert_eq!((record.attempt, record.crashes), (1, 0));
    // What was published a moment ago may be run by who still has the other transport.
    fixture.becomes(fresh, State::Running).await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn what_was_delivered_to_a_dead_worker_counts_a_crash_and_is_run() {
    dies_over_a_job(Duration::ZERO).await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_worker_that_said_it_lives_after_its_last_delivery_is_as_dead() {
    dies_over_a_job(short().lease * 9 / 10).await;
}

/// A worker dies over a job so long after the delivery, which is when it said last that it lives.
async fn dies_over_a_job(after: Duration) {
    let (_server, fixture) = fixture().await;
    let stream = fixture.make_stream().await;
    let job = fixture.publish_together(&stream, [Does::Pass]).await.remove(0);
    fixture.deliver_to_the_dead(&stream).await;
    if !after.is_zero() {
        let alive = stream.replace("queue:notes", "alive:dead");
        let until = u64::try_from((short().lease + after).as_millis()).unwrap();
        fixture.ask::<()>(cmd("SET").arg(alive).arg(1).arg("PX").arg(until)).await;
    }

    let process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    let record = fixture.becomes(job.id, State::Completed).await;
    assert_eq!((record.attempt, record.crashes), (2, 1));
    fixture.redis_is_empty().await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn jobs_that_share_an_entry_end_by_themselves_and_it_with_the_last() {
    let (_server, fixture) = fixture().await;
    let stream = fixture.make_stream().await;
    let jobs = fixture.publish_together(&stream, [Does::Pass, Does::Wait, Does::Fail, Does::Pass]).await;
    let process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    fixture.becomes(jobs[0].id, State::Completed).await;
    fixture.becomes(jobs[2].id, State::Dead).await;
    fixture.becomes(jobs[3].id, State::Completed).await;
    fixture.becomes(jobs[1].id, State::Running).await;
    fixture.redis_holds(1).await;
    process.stage.gate.add_permits(1);
    let record = fixture.becomes(jobs[1].id, State::Completed).await;
    assert_eq!((record.attempt, record.crashes), (1, 0), "its entry was kept for it");
    fixture.redis_is_empty().await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_dead_worker_is_blamed_for_what_had_not_ended_of_an_entry() {
    let (_server, fixture) = fixture().await;
    let stream = fixture.make_stream().await;
    let jobs = fixture.publish_together(&stream, [Does::Pass, Does::Pass]).await;
    fixture.deliver_to_the_dead(&stream).await;
    let ended = jobs[0].held();
    fixture.write(async move |conn: &mut Conn| Ok(store::complete(conn, &[ended]).await?)).await;
    let process = Process::start(&fixture, short(), &Telemetry::disabled()).await;
    let record = fixture.becomes(jobs[1].id, State::Completed).await;
    assert_eq!((record.attempt, record.crashes), (2, 1));
    let record = fixture.becomes(jobs[0].id, State::Completed).await;
    assert_eq!((record.attempt, record.crashes), (1, 0));
    fixture.redis_is_empty().await;
    process.end().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn an_entry_that_is_no_job_or_of_an_earlier_epoch_is_passed_over() {
    let (_server, fixture) = fixture().await;
    let mut process = Process::run(&fixture).await;
    let first = fixture.act(act(Does::Pass)).await;
    fixture.becomes(first, State::Completed).await;
    let stream = fixture.stream().await;
    let old = serde_json::json!({
        "id": 77, "token": 1, "queue": "notes", "kind": "act", "payload": "{\"does\":\"Pass\"}",
        "priority": 5, "attempt": 1, "max_attempts": 3, "crashes": 0, "waited": 0, "delayed": 0,
    });
    let old = serde_json::json!({ "epoch": 0, "jobs": [old] });
    for text in ["{}", "no json", &old.to_string()] {
        fixture.ask::<String>(cmd("XADD").arg(&stream).arg("*").arg("jobs").arg(text)).await;
    }
    let last = fixture.act(act(Does::Pass)).await;
    fixture.becomes(last, State::Completed).await;
    fixture.redis_is_empty().await;
    let mut runs = HashSet::new();
    while let Ok((id, _)) = process.began.try_recv() {
        runs.insert(id);
    }
    assert_eq!(runs, HashSet::from([first, last]));
    process.end().await;
}

#[actix::test]
async fn a_redis_that_is_not_there_is_told_with_its_address_and_without_its_password() {
    let fixture = Fixture::new(TestDatabase::sqlite()).await;
    let url = Secret::new("redis://user:hunter2@127.0.0.1:1/0".to_owned());
    let redis = Redis::new(&url, &Telemetry::disabled()).unwrap();
    let (actors, telemetry) = (crate::actor::Actors::new(Telemetry::disabled()), Telemetry::disabled());
    let kinds = crate::jobs::Kinds::default();
    let started =
        crate::jobs::Runner::start_on(redis, fixture.db.clone(), &actors, &telemetry, short(), kinds, None);
    let error = started.await.err().unwrap().to_string();
    assert!(error.contains("127.0.0.1:1") && !error.contains("hunter2"), "{error}");
}
