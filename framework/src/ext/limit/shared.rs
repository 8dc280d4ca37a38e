//! Counting in Redis, for all processes.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::client::Client;
use super::names::Names;
use super::rule::{Rule, Verdict};
use crate::data::{Redis, RedisError};

/// One round trip, and one decision over all rules of a request.
const SCRIPT: &str = include_str!("gcra.lua");

/// A request does not wait longer to be counted.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long Redis is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    redis: Redis,
    names: Names,
    prefix: String,
    /// The name that Redis gave the script.
    script: OnceLock<String>,
    /// Until when it is left alone, since it did not answer.
    away: Mutex<Option<Instant>>,
}

impl Shared {
    /// `secret` is the same in all processes: without it, nobody can tell who a key is of.
    pub(super) fn new(redis: Redis, secret: &[u8], prefix: String) -> Self {
        Self { redis, names: Names::new(secret), prefix, script: OnceLock::new(), away: Mutex::default() }
    }

    /// What the rules say to a request, or nothing if Redis does not.
    pub(super) async fn check(&self, asked: &[(&Rule, Client)]) -> Option<Vec<Verdict>> {
        let was_away = {
            let mut away = self.away.lock();
            let now = Instant::now();
            match *away {
                Some(until) if now < until => return None,
                // This one finds out for all others.
                Some(_) => {
                    *away = Some(now + PAUSE);
                    true
                }
                None => false,
            }
        };
        match timeout(PATIENCE, self.ask(asked)).await {
            Ok(Ok(verdicts)) => {
                if was_away {
                    *self.away.lock() = None;
                    tracing::info!(redis = self.redis.server(), "requests are counted in Redis again");
                }
                Some(verdicts)
            }
            Ok(Err(error)) => self.is_away(&error.to_string()),
            Err(_elapsed) => self.is_away(&format!("no answer within {PATIENCE:?}")),
        }
    }

    fn is_away(&self, error: &str) -> Option<Vec<Verdict>> {
        if self.away.lock().replace(Instant::now() + PAUSE).is_none() {
            tracing::warn!(
                redis = self.redis.server(),
                error,
                "requests can not be counted in Redis: until it answers, each process counts for itself"
            );
        }
        None
    }

    async fn ask(&self, asked: &[(&Rule, Client)]) -> Result<Vec<Verdict>, RedisError> {
        let keys: Vec<String> = asked
            .iter()
            .map(|(rule, client)| format!("{}:{}:{}", self.prefix, rule.name, self.names.of(client)))
            .collect();
        let answer = match self.run(&keys, asked).await {
            // A server that was started anew knows no scripts.
            Err(error) if error.code() == Some("NOSCRIPT") => {
                self.load().await?;
                self.run(&keys, asked).await?
            }
            answer => answer?,
        };
        Ok(answer
            .into_iter()
            .map(|(room, remaining, wait, reset)| Verdict {
                allowed: room == 1,
                remaining,
                wait: Duration::from_micros(wait),
                reset: Duration::from_micros(reset),
            })
            .collect())
    }

    async fn run(
        &self,
        keys: &[String],
        asked: &[(&Rule, Client)],
    ) -> Result<Vec<(u8, u32, u64, u64)>, RedisError> {
        let script = match self.script.get() {
            Some(script) => script.clone(),
            None => self.load().await?,
        };
        let mut command = cmd("EVALSHA");
        command.arg(script).arg(keys.len()).arg(keys);
        for (rule, _) in asked {
            let cost = u64::try_from(rule.settings.interval().as_micros()).unwrap_or(u64::MAX);
            command.arg(cost).arg(rule.settings.burst().get());
        }
        self.redis.command("EVALSHA", &command).await
    }

    async fn load(&self) -> Result<String, RedisError> {
        let name: String = self.redis.command("SCRIPT LOAD", cmd("SCRIPT").arg("LOAD").arg(SCRIPT)).await?;
        Ok(self.script.get_or_init(|| name).clone())
    }
}
