//! Where a PostgreSQL server is, and how to speak to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

use super::tls::{Verify, connector};
use crate::config::DatabaseSettings;
use crate::data::{Backend, DbError};

/// How long what was sent to a server may go without a sign of arrival.
const SILENCE: Duration = Duration::from_secs(30);

/// A parsed `postgres://` URL.
pub(in crate::data) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// For messages: user, host, port and database.
    pub(super) shown: String,
    /// For telemetry.
    pub(super) attributes: Vec<KeyValue>,
    /// The name of its pool, for telemetry.
    pub(in crate::data) pool: String,
}

impl Target {
    pub(super) fn parse(settings: &DatabaseSettings) -> Result<Arc<Self>, DbError> {
        let invalid = |reason: String| DbError::Url { reason };
        let (url, tls) = TlsOptions::split_off(settings.url.expose()).map_err(invalid)?;
        let mut config: Config = url
            .parse()
            .map_err(|error: tokio_postgres::Error| invalid(format!("is refused: {}", told(&error))))?;
        config.ssl_mode(tls.mode);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid(
                "names no host: use postgres://user@host/name, or postgres:///name?host=/socket/directory"
                    .to_owned(),
            ));
        }
        let user = config.get_user().unwrap_or("postgres").to_owned();
        config.user(&user);
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        config.dbname(&database);
        if config.get_connect_timeout().is_none() {
            // The network's error must reach the caller before the pool's own limit hides it.
            config.connect_timeout(settings.acquire_timeout.mul_f64(0.8).max(Duration::from_millis(100)));
        }
        if config.get_application_name().is_none() {
            config.application_name(env!("CARGO_PKG_NAME"));
        }
        config.keepalives_idle(Duration::from_secs(60));
        if config.get_tcp_user_timeout().is_none() {
            // A server that vanished without a word: the system itself would send again for a quarter of an hour.
            config.tcp_user_timeout(SILENCE);
        }

        let port = config.get_ports().first().copied().unwrap_or(5432);
        let (host, unix) = match config.get_hosts().first() {
            Some(Host::Tcp(host)) => (host.clone(), false),
            #[cfg(unix)]
            Some(Host::Unix(directory)) => (directory.display().to_string(), true),
            None => (config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(), false),
        };
        let mut attributes = vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, Backend::Postgres.name()),
            KeyValue::new(attribute::DB_NAMESPACE, database.clone()),
            KeyValue::new(attribute::SERVER_ADDRESS, host.clone()),
        ];
        if !unix {
            attributes.push(KeyValue::new(attribute::SERVER_PORT, i64::from(port)));
        }
        let tls = match tls.mode {
            SslMode::Disable => None,
            _ if unix => None,
            _ => Some(connector(tls.verify, tls.root.as_deref().map(Path::new)).map_err(invalid)?),
        };
        let pool = format!("{host}:{port}/{database}");
        Ok(Arc::new(Self { config, tls, shown: format!("{user}@{pool}"), attributes, pool }))
    }

    /// Connects; the error's message is fit to be shown.
    pub(super) async fn connect(&self) -> diesel::ConnectionResult<AsyncPgConnection> {
        let failed = |error: &tokio_postgres::Error| diesel::ConnectionError::BadConnection(explained(error));
        match &self.tls {
            Some(tls) => {
                let (client, connection) =
                    self.config.connect(tls.clone()).await.map_err(|error| failed(&error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            None => {
                let (client, connection) =
                    self.config.connect(NoTls).await.map_err(|error| failed(&error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
        }
    }
}

struct TlsOptions {
    mode: SslMode,
    verify: Verify,
    root: Option<String>,
}

impl TlsOptions {
    /// Takes `sslmode` and `sslrootcert` out of the URL: the driver knows three of libpq's modes and no root file.
    fn split_off(url: &str) -> Result<(String, Self), String> {
        let mut options = Self { mode: SslMode::Prefer, verify: Verify::Nothing, root: None };
        let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), options)) };
        let mut kept: Vec<&str> = Vec::new();
        for pair in query.split('&') {
            let Some((key, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { continue };
            match key.as_ref() {
                "sslmode" => {
                    (options.mode, options.verify) = match value.as_ref() {
                        "disable" => (SslMode::Disable, Verify::Nothing),
                        "prefer" => (SslMode::Prefer, Verify::Nothing),
                        "require" => (SslMode::Require, Verify::Nothing),
                        "verify-ca" => (SslMode::Require, Verify::Chain),
                        "verify-full" => (SslMode::Require, Verify::ChainAndName),
                        _ => {
                            return Err(
                                "has an unknown sslmode: use disable, prefer, require, verify-ca or \
                                        verify-full"
                                    .to_owned(),
                            );
                        }
                    };
                }
                "sslrootcert" => options.root = Some(value.into_owned()),
                _ => kept.push(pair),
            }
        }
        // As libpq does: a root given with `require` is meant to be checked against.
        if options.root.is_some() && options.mode == SslMode::Require && options.verify == Verify::Nothing {
            options.verify = Verify::Chain;
        }
        Ok((format!("{base}?{}", kept.join("&")), options))
    }
}

fn explained(error: &tokio_postgres::Error) -> String {
    let said = told(error);
    let advice = match error.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD => "check the password in DATABASE_URL",
        Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check the user in DATABASE_URL and the server's pg_hba.conf"
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => {
            "create it (createdb), or correct the name in DATABASE_URL"
        }
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "lower database.pool_size, or raise the server's max_connections"
        }
        Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => {
            "the server is starting or stopping: try again"
        }
        Some(_) => return said,
        None if said.contains("password missing") => "the server wants a password: put one into DATABASE_URL",
        None if said.contains("TLS") => "check sslmode in DATABASE_URL and the server's certificate",
        None => "check that the server runs and that host and port in DATABASE_URL are right",
    };
    format!("{said}; {advice}")
}

/// An error and its causes in one line; the driver's own text names only the step that failed.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return server.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
