//! What Redis says of a process.

use std::collections::HashSet;

use deadpool_redis::redis::{FromRedisValue, cmd};
use spanbox::data::Redis;
use spanbox::redact::Secret;
use spanbox::telemetry::Telemetry;
use spanbox::testing::RedisServer;

use crate::work::QUEUE;

async fn ask<T: FromRedisValue>(redis: &Redis, command: &[&str]) -> T {
    let mut asked = cmd(command[0]);
    command[1..].iter().for_each(|word| {
        asked.arg(*word);
    });
    redis.command("TEST", &asked).await.unwrap()
}

fn connect(server: &RedisServer) -> Redis {
    Redis::new(&Secret::new(server.url()), &Telemetry::disabled()).unwrap()
}

/// Wipes it.
pub(crate) async fn flush(server: &RedisServer) {
    ask::<()>(&connect(server), &["FLUSHALL"]).await;
}

/// The jobs of entries that were delivered to a process and have not ended, by their ids and tokens; some of these jobs may have.
pub(crate) async fn delivered_to(server: &RedisServer, process: u32) -> HashSet<(i64, i64)> {
    let redis = connect(server);
    let streams: Vec<String> = ask(&redis, &["KEYS", &format!("spanbox:jobs:*:queue:{QUEUE}")]).await;
    let Some(stream) = streams.first() else { return HashSet::new() };
    let pending: Vec<(String, String, u64, u64)> =
        ask(&redis, &["XPENDING", stream, "workers", "-", "+", "10000"]).await;
    let of = format!(":{process}:");
    let entries: HashSet<String> =
        pending.into_iter().filter(|(_, consumer, ..)| consumer.contains(&of)).map(|(id, ..)| id).collect();
    let all: Vec<(String, Vec<(String, String)>)> = ask(&redis, &["XRANGE", stream, "-", "+"]).await;
    let jobs = |fields: &[(String, String)]| -> Vec<(i64, i64)> {
        let entry: serde_json::Value = serde_json::from_str(&fields[0].1).unwrap();
        let lease = |job: &serde_json::Value| (job["id"].as_i64().unwrap(), job["token"].as_i64().unwrap());
        entry["jobs"].as_array().unwrap().iter().map(lease).collect()
    };
    all.iter().filter(|(id, _)| entries.contains(id)).flat_map(|(_, fields)| jobs(fields)).collect()
}
