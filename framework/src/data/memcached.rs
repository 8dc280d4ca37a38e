//! Memcached: one handle, and one place that every command goes through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_memcached::{AsciiProtocol as _, Client, Error, ErrorKind, MetaProtocol as _, Status};
use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute;
use tokio::time::timeout;
use url::Url;

use super::commands::Commands;
use super::pool::{PoolSignals, PoolState};
use crate::redact::Secret;
use crate::telemetry::Telemetry;

/// Connections that a process opens at most.
const CONNECTIONS: usize = 16;
/// Its port, unless the URL says another.
const PORT: u16 = 11211;
/// Memcached takes more seconds than these for a date.
const LONGEST_TTL: u64 = 30 * 24 * 3600;

/// A Memcached server; cheap to clone. Every command is a CLIENT span by the semantic conventions where the caller's span
/// is recorded, and counts in `db.client.operation.duration`; its connections are measured like those of the database. No
/// key and no value is recorded.
///
/// A command that is not answered in time, or whose future is dropped, ends its connection: nobody reads an answer that
/// was meant for another. Keys are at most 250 bytes without blanks and control characters.
///
/// (`async-memcached`, which does the talking, is kept by Shopify; since 0.9 it closes a connection with an answer that
/// is outstanding. It has neither timeouts nor a pool, which are ours, and connects by IPv4 and Unix sockets only.)
#[derive(Clone)]
pub struct Memcached {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool<Connector>,
    signals: PoolSignals,
    commands: Commands,
    server: String,
    within: Duration,
}

/// Why Memcached did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemcachedError {
    /// The URL is none.
    #[error("this is no URL of a Memcached: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// There is no connection to the server.
    #[error("the Memcached at {server} can not be reached: {reason}")]
    Connect {
        /// Host and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The server did not answer in time.
    #[error("the Memcached at {server} did not answer {command} within {within:?}")]
    Timeout {
        /// Host and port.
        server: String,
        /// The command.
        command: &'static str,
        /// How long it had.
        within: Duration,
    },
    /// The server refused a command, or the connection was lost.
    #[error("the Memcached at {server} failed at {command}: {source}")]
    Command {
        /// Host and port.
        server: String,
        /// The command.
        command: &'static str,
        /// What it said.
        source: Error,
    },
}

impl MemcachedError {
    /// In a word, for telemetry.
    fn kind(&self) -> String {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Command { source: Error::Protocol(Status::Error(kind)), .. } => match kind {
                ErrorKind::Server(_) => "SERVER_ERROR",
                ErrorKind::Client(_) => "CLIENT_ERROR",
                ErrorKind::NonexistentCommand => "ERROR",
                _ => "protocol",
            },
            Self::Command { source: Error::Protocol(_) | Error::ParseError(_), .. } => "protocol",
            _ => "io",
        }
        .to_owned()
    }
}

impl Memcached {
    /// A handle for `memcache://host:port`, or `memcache:///path/of/a.sock`. Nothing is connected yet. A connection, the
    /// wait for one and an answer may each take as long as `within`.
    ///
    /// # Errors
    ///
    /// [`MemcachedError::Url`].
    pub fn new(
        url: &Secret<String>,
        telemetry: &Telemetry,
        within: Duration,
    ) -> Result<Self, MemcachedError> {
        let wrong = |reason: String| MemcachedError::Url { reason };
        let url = Url::parse(url.expose()).map_err(|error| wrong(error.to_string()))?;
        let mut base = vec![KeyValue::new(attribute::DB_SYSTEM_NAME, "memcached")];
        let (source, server) = match url.host_str().filter(|host| !host.is_empty()) {
            Some(host) => {
                let port = url.port().unwrap_or(PORT);
                base.push(KeyValue::new(attribute::SERVER_ADDRESS, host.to_owned()));
                base.push(KeyValue::new(attribute::SERVER_PORT, i64::from(port)));
                (format!("tcp://{host}:{port}"), format!("{host}:{port}"))
            }
            None => {
                base.push(KeyValue::new(attribute::SERVER_ADDRESS, url.path().to_owned()));
                (format!("unix://{}", url.path()), url.path().to_owned())
            }
        };
        let signals = PoolSignals::new(telemetry, &base, server.clone());
        let pool = Pool::builder(Connector(source))
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(within))
            .create_timeout(Some(within))
            .recycle_timeout(Some(within))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let weak = pool.weak();
        signals.observe(telemetry, move || weak.upgrade().map(|pool| PoolState::from(pool.status())));
        let commands = Commands::new(telemetry, base);
        Ok(Self { inner: Arc::new(Inner { pool, signals, commands, server, within }) })
    }

    /// Host and port, or the path of the socket, for messages.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.inner.server
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`MemcachedError`].
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, MemcachedError> {
        let found = self.run("get", async |client| client.get(key).await).await?;
        Ok(found.and_then(|value| value.data))
    }

    /// The value of a key, and the number that changes with it.
    ///
    /// # Errors
    ///
    /// [`MemcachedError`].
    pub async fn gets(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, MemcachedError> {
        let found =
            self.run("gets", async |client| client.meta_get(key, false, None, Some(&["v", "c"])).await);
        Ok(found.await?.and_then(|value| value.data.zip(value.cas)))
    }

    /// Stores a value. A part of a second of `ttl` counts as one; more than 30 days are 30 days.
    ///
    /// # Errors
    ///
    /// [`MemcachedError`].
    pub async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), MemcachedError> {
        self.run("set", async |client| client.set(key, value, Some(seconds(ttl)), None).await).await
    }

    /// Stores a value if there is none; tells whether it did.
    ///
    /// # Errors
    ///
    /// [`MemcachedError`].
    pub async fn add(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, MemcachedError> {
        self.run("add", async |client| {
            taken(client.add(key, value, Some(seconds(ttl)), None).await.map(drop))
        })
        .await
    }

    /// Stores a value if the one there still has this number of [`gets`](Self::gets); tells whether it did.
    ///
    /// # Errors
    ///
    /// [`MemcachedError`].
    pub async fn cas(
        &self,
        key: &str,
        value: &[u8],
        ttl: Duration,
        number: u64,
    ) -> Result<bool, MemcachedError> {
        let (number, ttl) = (format!("C{number}"), format!("T{}", seconds(ttl)));
        self.run("cas", async |client| {
            let flags: [&str; 2] = [&number, &ttl];
            taken(client.meta_set(key, value, false, None, Some(&flags)).await.map(drop))
        })
        .await
    }

    /// Deletes a key; tells whether it was there.
    ///
    /// # Errors
    ///
    /// [`MemcachedError`].
    pub async fn delete(&self, key: &str) -> Result<bool, MemcachedError> {
        self.run("delete", async |client| taken(client.delete(key).await)).await
    }

    /// The version of the server, e.g. `1.6.38`.
    ///
    /// # Errors
    ///
    /// [`MemcachedError`].
    pub async fn version(&self) -> Result<String, MemcachedError> {
        self.run("version", async |client| client.version().await).await.map(|text| text.trim().to_owned())
    }

    async fn run<T>(
        &self,
        command: &'static str,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, MemcachedError> {
        let Inner { pool, signals, commands, server, within } = &*self.inner;
        let mut client = self.connection().await?;
        let since = signals.clock();
        let answer = async {
            match timeout(*within, work(&mut client)).await {
                Ok(answer) => answer.map_err(|source| MemcachedError::Command {
                    server: server.clone(),
                    command,
                    source,
                }),
                Err(_) => Err(MemcachedError::Timeout { server: server.clone(), command, within: *within }),
            }
        };
        let answer = commands.record(command, None, answer, MemcachedError::kind).await;
        if let Err(MemcachedError::Command { source: Error::Io(_) | Error::ConnectionClosed, .. }) = &answer {
            // The server has gone, and with it the other connections.
            pool.retain(|_, _| false);
        }
        if client.is_closed() {
            drop(Object::take(client));
        }
        signals.used(since);
        answer
    }

    async fn connection(&self) -> Result<Object<Connector>, MemcachedError> {
        let Inner { pool, signals, server, .. } = &*self.inner;
        let cx = Context::current();
        let asked = Instant::now();
        let connection = pool.get().await.map_err(|error| {
            if let PoolError::Timeout(_) = error {
                signals.timed_out();
            }
            MemcachedError::Connect { server: server.clone(), reason: error.to_string() }
        })?;
        signals.waited(&cx, asked.elapsed());
        Ok(connection)
    }
}

/// Whether a command took effect: that there is something else, or nothing, is an answer and no error.
fn taken(answer: Result<(), Error>) -> Result<bool, Error> {
    match answer {
        Ok(()) => Ok(true),
        Err(Error::Protocol(Status::NotStored | Status::Exists | Status::NotFound)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn seconds(ttl: Duration) -> i64 {
    let whole = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    i64::try_from(whole.clamp(1, LONGEST_TTL)).unwrap_or(1)
}

/// Makes connections, from the address in the library's words.
#[derive(Debug)]
struct Connector(String);

impl Manager for Connector {
    type Type = Client;
    type Error = Error;

    async fn create(&self) -> Result<Client, Error> {
        Client::new(&self.0).await
    }

    async fn recycle(&self, client: &mut Client, _: &Metrics) -> RecycleResult<Error> {
        if client.is_closed() { Err(RecycleError::message("it was closed")) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Memcached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memcached").field("server", &self.inner.server).finish_non_exhaustive()
    }
}
