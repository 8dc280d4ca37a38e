//! The framework's own sections, one plain struct each. A module adds its own by implementing [`Section`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Trust, database_url, endpoint};
use crate::redact::Secret;

/// A table of the configuration: plain data, every field with a default (`#[serde(default)]` on the struct).
///
/// The names of the fields are the keys that may be set; anything else in the table is refused. Keys, types and
/// what may be shown are learnt from the struct's own serde implementations: a duration is
/// `#[serde(with = "humantime_serde")]`, a secret is a [`Secret`] that says how it is shown
/// (`#[serde(serialize_with = "Secret::mask")]`, or `Secret::masked` for an optional one).
pub trait Section: Clone + Default + DeserializeOwned + Serialize + Send + Sync + 'static {
    /// The table's name, e.g. `server`.
    const NAME: &'static str;

    /// What is wrong with the values together, as `(key, message)`; each alone has its type to guard it. The key is
    /// one of this section's, e.g. `port` or `tls.certificate`; the message follows it in a sentence and shows no
    /// secret.
    ///
    /// `production` is true in the `production` profile.
    fn check(&self, production: bool) -> Vec<(&'static str, String)> {
        let _ = production;
        Vec::new()
    }
}

/// `[service]`: who this is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// `service.version` of the telemetry; the version given in code unless set (`APP_VERSION`).
    pub version: Option<String>,
    /// `deployment.environment.name`; the profile's name unless set (`ENVIRONMENT`).
    pub environment: Option<String>,
    /// The key that signs what leaves the service (`SECRET_KEY`). `production` demands one of at least 32 bytes.
    #[serde(serialize_with = "Secret::masked")]
    pub secret_key: Option<Secret<String>>,
}

impl Section for ServiceSettings {
    const NAME: &'static str = "service";

    fn check(&self, production: bool) -> Vec<(&'static str, String)> {
        if !production {
            return Vec::new();
        }
        let key = self.secret_key.as_ref().map_or("", |key| key.expose().as_str());
        let wrong = if key.is_empty() {
            "is required in production: set SECRET_KEY to 32 random bytes or more, e.g. from `openssl rand -hex 32`"
        } else if key.starts_with("dev-") {
            "is a development default: set SECRET_KEY to 32 random bytes or more, e.g. from `openssl rand -hex 32`"
        } else if key.len() < 32 {
            "is shorter than 32 bytes: set SECRET_KEY to e.g. the output of `openssl rand -hex 32`"
        } else if key.bytes().collect::<std::collections::BTreeSet<_>>().len() < 10 {
            "repeats few characters: set SECRET_KEY to e.g. the output of `openssl rand -hex 32`"
        } else {
            return Vec::new();
        };
        vec![("secret_key", wrong.to_owned())]
    }
}

/// `[server]`: the public listener.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// The address to listen on. Default `127.0.0.1`; `0.0.0.0` (or `::`) to be reached from outside.
    pub host: String,
    /// The port (`PORT`). Default 8080; 0 takes any free one.
    pub port: u16,
    /// Worker threads; 0, the default, is one per core.
    pub workers: usize,
    /// Connections the kernel holds before they are accepted. Default 2048.
    pub backlog: u32,
    /// Open connections per worker before it accepts no more. Default 25,000.
    pub max_connections: usize,
    /// New connections per worker that may be in their TLS handshake at once. Default 256.
    pub max_connection_rate: usize,
    /// Whether a client that has closed its sending side still gets its answer. Default true, as HTTP wants it
    /// (RFC 9112, section 9.6). With false a client that hangs up is noticed at once and its handler dropped; with
    /// true the handler goes on to its end or to `request_timeout`.
    pub allow_half_closed: bool,
    /// How long an idle connection is kept. Default 75 s, longer than most load balancers' 60.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How long a client may take to send the head of a request; then 408. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// How long a client may take to send the body of a request; then 408. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long a client may take nothing of what is sent to it before its connection is cut, on Linux. Default 30 s;
    /// `0s` is without limit.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// How long a request may take from its head to its answer; then 504. Default 20 s; `0s` is without limit.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// The largest body that is read, in bytes; a larger one is refused with 413. Default 1 MiB.
    pub max_body_bytes: usize,
    /// The most values that a body of JSON may have, in all its arrays and objects together; one with more is refused
    /// with 413. Default 5,000.
    pub max_json_values: usize,
    /// The proxies whose word is taken for where a request comes from: `"none"`, the default, or a list of networks as
    /// `["10.0.0.0/8", "fd00::/8"]`. Of others that header is not looked at.
    pub trusted_proxies: Trust,
    /// In which header the trusted proxies say it; the other one is the client's own and never read. Default
    /// `x-forwarded-for`.
    pub forwarded_header: ForwardedHeader,
    /// How long a stop waits for requests and mailboxes to finish before it abandons them: four fifths of it for
    /// the requests. Default 24 s: with `telemetry.flush_timeout` it stays within the 30 s that Kubernetes gives.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    /// Serve HTTPS, also HTTP/2. Off by default.
    pub tls: Option<TlsSettings>,
}

/// Where a trusted proxy says for whom it asks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses, to which each proxy adds the one that it was asked by.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the same as `for=…`.
    Forwarded,
}

/// `[server.tls]`: the certificate, by rustls.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate chain, PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, PEM (PKCS#8, PKCS#1 or SEC1).
    pub private_key: PathBuf,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
            workers: 0,
            backlog: 2048,
            max_connections: 25_000,
            max_connection_rate: 256,
            allow_half_closed: true,
            keep_alive: Duration::from_secs(75),
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(20),
            max_body_bytes: 1024 * 1024,
            max_json_values: 5000,
            trusted_proxies: Trust::None,
            forwarded_header: ForwardedHeader::XForwardedFor,
            shutdown_grace: Duration::from_secs(24),
            tls: None,
        }
    }
}

impl Section for ServerSettings {
    const NAME: &'static str = "server";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.workers > 1024 {
            wrong.push(("workers", format!("must be at most 1024, got {}", self.workers)));
        }
        if self.max_connections == 0 {
            wrong.push(("max_connections", "must be at least 1".to_owned()));
        }
        if self.backlog == 0 {
            wrong.push(("backlog", "must be at least 1".to_owned()));
        }
        if self.head_timeout.is_zero() {
            wrong.push(("head_timeout", "must be longer than 0s: it protects from slow clients".to_owned()));
        }
        if self.max_json_values == 0 {
            wrong.push(("max_json_values", "must be at least 1".to_owned()));
        }
        if self.trusted_proxies == Trust::All {
            wrong.push((
                "trusted_proxies",
                "can not be \"all\": anybody could say where a request comes from; list the networks of your proxies"
                    .to_owned(),
            ));
        }
        if self.body_timeout.is_zero() {
            wrong.push(("body_timeout", "must be longer than 0s: it protects from slow clients".to_owned()));
        }
        wrong
    }
}

/// `[database]`: where the data is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite://path` (embedded) or `postgres://user:password@host:port/name` (`DATABASE_URL`). Shown without its
    /// password. Default `sqlite://var/service.db`.
    #[serde(serialize_with = "super::database_url::masked")]
    pub url: Secret<String>,
    /// Connections: readers for SQLite, which has one writer besides; all of them for PostgreSQL. Default 8.
    pub pool_size: usize,
    /// How long to wait for a free connection, and how long a unit of work of SQLite may await what is no query while others
    /// wait to be committed with it. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// Apply pending migrations when the service starts. Default true; the `production` profile's is false.
    pub migrate_on_start: bool,
    /// SQLite: how long a statement waits for a lock that another process holds. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub busy_timeout: Duration,
    /// SQLite: `PRAGMA synchronous`. Default `normal`: what was committed survives the process, and a power cut
    /// may undo the last commits but never corrupts. `full` also survives the power cut.
    pub synchronous: SqliteSynchronous,
}

/// SQLite's `PRAGMA synchronous`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SqliteSynchronous {
    /// Syncs at checkpoints.
    #[default]
    Normal,
    /// Syncs at every commit.
    Full,
}

impl DatabaseSettings {
    /// The file of an SQLite database.
    pub(crate) fn sqlite_file(&self) -> Option<&Path> {
        database_url::sqlite_file(self.url.expose())
    }
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: Secret::new("sqlite://var/service.db".to_owned()),
            pool_size: 8,
            acquire_timeout: Duration::from_secs(5),
            migrate_on_start: true,
            busy_timeout: Duration::from_secs(5),
            synchronous: SqliteSynchronous::Normal,
        }
    }
}

impl Section for DatabaseSettings {
    const NAME: &'static str = "database";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Err(message) = super::database_url::check(self.url.expose()) {
            wrong.push(("url", message));
        }
        if !(1..=1000).contains(&self.pool_size) {
            wrong.push(("pool_size", format!("must be between 1 and 1000, got {}", self.pool_size)));
        }
        wrong
    }
}

/// `[redis]`: one Redis for what needs it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://` or `rediss://` (`REDIS_URL`). Shown masked. Not set: no Redis. Without the feature `redis` nobody asks.
    #[serde(serialize_with = "Secret::masked")]
    pub url: Option<Secret<String>>,
}

impl Section for RedisSettings {
    const NAME: &'static str = "redis";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let wrong = self.url.as_ref().and_then(|url| endpoint::check_redis(url.expose()).err());
        wrong.map(|message| ("url", message)).into_iter().collect()
    }
}

/// `[log]`: what goes to stderr.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// A level (`info`), or levels by target (`info,orders=debug`) (`LOG_LEVEL`). Default `info`.
    pub level: String,
    /// `pretty` for people, `json` for machines. Default `pretty`; the `production` profile's is `json`.
    pub format: LogFormat,
}

/// How a log record is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people, coloured on a terminal.
    #[default]
    Pretty,
    /// One JSON object per line.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Pretty }
    }
}

impl Section for LogSettings {
    const NAME: &'static str = "log";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        // A word alone would be taken as a target to log in full: `inof` is a slip, not a crate.
        let directives = self.level.split(',').map(str::trim).filter(|directive| !directive.is_empty());
        let slip = directives.clone().any(|directive| {
            !directive.contains('=') && directive.parse::<tracing_subscriber::filter::LevelFilter>().is_err()
        });
        let empty = directives.count() == 0;
        if !slip && !empty && self.level.parse::<tracing_subscriber::filter::Targets>().is_ok() {
            return Vec::new();
        }
        let level = &self.level;
        vec![(
            "level",
            format!(
                "`{level}` is no level: use off, error, warn, info, debug or trace, or `info,target=debug`"
            ),
        )]
    }
}
