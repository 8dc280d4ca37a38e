use std::time::Duration;

use deadpool_redis::redis::cmd;

use super::entry::Nonce;
use crate::data::{Redis, RedisError};
use crate::redact::Secret;
use crate::telemetry::Telemetry;

/// Puts a value in the place of the entry that has this nonce, and of no other.
const REPLACE: &str = "if redis.call('GETRANGE', KEYS[1], 1, 16) == ARGV[1] then \
                       redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end return 0";

/// Values in Redis (feature `redis`; without it, `no_redis.rs` stands here).
#[derive(Clone)]
pub(super) struct InRedis(Redis);

impl InRedis {
    pub(super) fn new(
        url: &Secret<String>,
        telemetry: &Telemetry,
        within: Duration,
    ) -> Result<Self, RedisError> {
        Redis::impatient(url, telemetry, "cache", within).map(Self)
    }

    pub(super) fn server(&self) -> &str {
        self.0.server()
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RedisError> {
        self.0.command("GET", cmd("GET").arg(key)).await
    }

    pub(super) async fn put(&self, key: &str, bytes: &[u8], ttl: Duration) -> Result<(), RedisError> {
        self.0.command("SET", cmd("SET").arg(key).arg(bytes).arg("PX").arg(millis(ttl))).await
    }

    pub(super) async fn put_new(&self, key: &str, bytes: &[u8], ttl: Duration) -> Result<bool, RedisError> {
        let mut set = cmd("SET");
        set.arg(key).arg(bytes).arg("NX").arg("PX").arg(millis(ttl));
        Ok(self.0.command::<Option<String>>("SET", &set).await?.is_some())
    }

    pub(super) async fn replace(
        &self,
        key: &str,
        nonce: &Nonce,
        bytes: &[u8],
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        let mut eval = cmd("EVAL");
        eval.arg(REPLACE).arg(1).arg(key).arg(&nonce[..]).arg(bytes).arg(millis(ttl));
        Ok(self.0.command::<i64>("EVAL", &eval).await? == 1)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), RedisError> {
        self.0.command("DEL", cmd("DEL").arg(key)).await
    }

    pub(super) async fn ping(&self) -> Result<(), RedisError> {
        self.0.command("PING", &cmd("PING")).await
    }
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
