//! Redis: one handle, and one place that every command goes through (feature `redis`; without it, `no_redis.rs` stands here).

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline};
use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute;

use super::commands::Commands;
use super::pool::{PoolSignals, PoolState};
use super::redis_info::RedisInfo;
use crate::redact::Secret;
use crate::telemetry::Telemetry;

/// Connections that a process opens at most, besides those that wait for something to read.
const CONNECTIONS: usize = 8;
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a command may take, and how long one may wait for a connection.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A Redis server; cheap to clone. Every command is a CLIENT span by the semantic conventions where the caller's span is
/// recorded, and counts in `db.client.operation.duration`; its connections are measured like those of the database,
/// except for the time that one takes to be made. No key and no value is recorded.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    signals: PoolSignals,
    client: Client,
    server: String,
    commands: Commands,
}

/// Why Redis did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL is none.
    #[error("redis.url (REDIS_URL) is no URL of a Redis: {reason}")]
    Url {
        /// What is wrong with it; not the URL, which may hold a password.
        reason: String,
    },
    /// There is no connection to the server.
    #[error("the Redis at {server} can not be reached: {reason}")]
    Connect {
        /// Host and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The server refused a command, or did not answer it.
    #[error("the Redis at {server} failed at {command}: {source}")]
    Command {
        /// Host and port.
        server: String,
        /// The command's name.
        command: &'static str,
        /// What it said.
        source: redis::RedisError,
    },
}

impl RedisError {
    /// The first word of the server's answer, e.g. `NOGROUP`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        if let Self::Command { source, .. } = self { source.code() } else { None }
    }
}

/// A connection of its own, for commands that wait for something to happen.
pub struct RedisReader {
    redis: Redis,
    connection: MultiplexedConnection,
}

impl Redis {
    /// A handle for `redis://` or `rediss://` (TLS, checked against the system's roots). Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`RedisError::Url`].
    pub fn new(url: &Secret<String>, telemetry: &Telemetry) -> Result<Self, RedisError> {
        Self::open(url, telemetry, "", [CONNECT_WITHIN, ANSWER_WITHIN])
    }

    /// The same with less patience, for what can be done without: a connection, the wait for one and an answer may each
    /// take as long as `within`. `what` it is for tells its pool from others, e.g. `cache`.
    ///
    /// # Errors
    ///
    /// [`RedisError::Url`].
    pub fn impatient(
        url: &Secret<String>,
        telemetry: &Telemetry,
        what: &str,
        within: Duration,
    ) -> Result<Self, RedisError> {
        Self::open(url, telemetry, &format!("/{what}"), [within; 2])
    }

    fn open(
        url: &Secret<String>,
        telemetry: &Telemetry,
        pool_suffix: &str,
        [connect_within, answer_within]: [Duration; 2],
    ) -> Result<Self, RedisError> {
        let wrong = |error: redis::RedisError| RedisError::Url { reason: error.to_string() };
        let client = Client::open(url.expose().as_str()).map_err(wrong)?;
        let manager =
            Manager::new_with_config(url.expose().as_str(), timeouts(connect_within, answer_within));
        let pool = Pool::builder(manager.map_err(wrong)?)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(answer_within))
            .create_timeout(Some(connect_within))
            .recycle_timeout(Some(answer_within))
            .build()
            .map_err(|error| RedisError::Url { reason: error.to_string() })?;
        let server = client.get_connection_info().addr().to_string();
        let (host, port) = server.rsplit_once(':').unwrap_or((&server, ""));
        let number = client.get_connection_info().redis_settings().db();
        let mut base = vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, "redis"),
            KeyValue::new(attribute::DB_NAMESPACE, number.to_string()),
            KeyValue::new(attribute::SERVER_ADDRESS, host.to_owned()),
        ];
        base.extend(port.parse::<i64>().ok().map(|port| KeyValue::new(attribute::SERVER_PORT, port)));
        let signals = PoolSignals::new(telemetry, &base, format!("{server}/{number}{pool_suffix}"));
        let weak = pool.weak();
        signals.observe(telemetry, move || weak.upgrade().map(|pool| PoolState::from(pool.status())));
        let commands = Commands::new(telemetry, base);
        Ok(Self { inner: Arc::new(Inner { pool, signals, client, server, commands }) })
    }

    /// Host and port, for messages.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.inner.server
    }

    /// Sends one command. `name` is its name, for telemetry and errors.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub async fn command<T: FromRedisValue>(&self, name: &'static str, cmd: &Cmd) -> Result<T, RedisError> {
        let mut connection = self.connection().await?;
        let since = self.inner.signals.clock();
        let answer = self.timed(name, None, cmd.query_async(&mut connection)).await;
        self.inner.signals.used(since);
        answer
    }

    /// Sends many commands at once. `name` says what they do, e.g. `PIPELINE XADD`.
    ///
    /// # Errors
    ///
    /// [`RedisError`]; some of the commands may have been carried out.
    pub async fn pipeline<T: FromRedisValue>(
        &self,
        name: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T, RedisError> {
        let mut connection = self.connection().await?;
        let since = self.inner.signals.clock();
        let work = pipeline.query_async(&mut connection);
        let answer = self.timed(name, Some(pipeline.len()), work).await;
        self.inner.signals.used(since);
        answer
    }

    /// A connection of its own whose answers may take as long as `patience`.
    ///
    /// # Errors
    ///
    /// [`RedisError::Connect`].
    pub async fn reader(&self, patience: Duration) -> Result<RedisReader, RedisError> {
        let config = timeouts(CONNECT_WITHIN, patience + ANSWER_WITHIN);
        let connection = self.inner.client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(|error| self.unreachable(&error))?;
        Ok(RedisReader { redis: self.clone(), connection })
    }

    /// What the server says of itself.
    ///
    /// # Errors
    ///
    /// [`RedisError`].
    pub async fn info(&self) -> Result<RedisInfo, RedisError> {
        let text: String = self.command("INFO", &redis::cmd("INFO")).await?;
        let line = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            found.unwrap_or_default().trim().to_owned()
        };
        Ok(RedisInfo {
            version: line("redis_version"),
            run_id: line("run_id"),
            maxmemory_policy: line("maxmemory_policy"),
            append_only: line("aof_enabled") == "1",
        })
    }

    async fn connection(&self) -> Result<Connection, RedisError> {
        let Inner { pool, signals, .. } = &*self.inner;
        let cx = Context::current();
        let asked = Instant::now();
        // A box, since it has room for a connection that is made, which is thousands of bytes: all futures that wait for a
        // command would have that room, those of requests among them.
        let connection = Box::pin(pool.get()).await.map_err(|error| {
            if let PoolError::Timeout(_) = error {
                signals.timed_out();
            }
            self.unreachable(&error)
        })?;
        signals.waited(&cx, asked.elapsed());
        Ok(connection)
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> RedisError {
        RedisError::Connect { server: self.inner.server.clone(), reason: error.to_string() }
    }

    async fn timed<T>(
        &self,
        name: &'static str,
        batch: Option<usize>,
        work: impl Future<Output = redis::RedisResult<T>>,
    ) -> Result<T, RedisError> {
        let kind = |error: &redis::RedisError| match error.code() {
            Some(code) => code.to_owned(),
            None => if error.is_timeout() { "timeout" } else { "io" }.to_owned(),
        };
        self.inner.commands.record(name, batch, work, kind).await.map_err(|source| RedisError::Command {
            server: self.inner.server.clone(),
            command: name,
            source,
        })
    }
}

impl RedisReader {
    /// Sends one command, which may wait.
    ///
    /// Await it to its end: what an answer that nobody reads said is lost.
    ///
    /// # Errors
    ///
    /// [`RedisError::Command`]; then this connection is of no more use.
    pub async fn command<T: FromRedisValue>(
        &mut self,
        name: &'static str,
        cmd: &Cmd,
    ) -> Result<T, RedisError> {
        let Self { redis, connection } = self;
        redis.timed(name, None, cmd.query_async(connection)).await
    }
}

fn timeouts(connect_within: Duration, answer_within: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_within))
        .set_response_timeout(Some(answer_within))
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("server", &self.inner.server).finish_non_exhaustive()
    }
}
