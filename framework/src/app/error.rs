use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::holders::{self, Holder};
use crate::config::{ConfigErrors, closest};
use crate::data::DbError;
use crate::jobs::JobsError;
use crate::module::BoxError;
use crate::telemetry::TelemetryError;

/// Everything that is wrong with a service, found before it starts.
#[derive(Debug)]
#[non_exhaustive]
pub struct BootErrors {
    /// What is wrong with the settings.
    pub config: Option<ConfigErrors>,
    /// What is wrong with the telemetry, its `OTEL_*` variables included.
    pub telemetry: Vec<TelemetryError>,
    /// What is wrong with the certificate or its key.
    pub tls: Option<Box<TlsError>>,
    /// What is wrong with the extensions, one line each.
    pub extensions: Vec<String>,
    /// What is wrong with the modules and their routes, one line each.
    pub modules: Vec<String>,
}

impl fmt::Display for BootErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(config) = &self.config {
            write!(f, "{config}")?;
            separator = "\n";
        }
        for error in &self.telemetry {
            write!(f, "{separator}{error}")?;
            separator = "\n";
        }
        if let Some(error) = &self.tls {
            write!(f, "{separator}{error}")?;
            separator = "\n";
        }
        if !self.extensions.is_empty() {
            write!(f, "{separator}{} of the extensions can not be installed:", self.extensions.len())?;
            for line in &self.extensions {
                write!(f, "\n  {line}")?;
            }
            separator = "\n";
        }
        if !self.modules.is_empty() {
            write!(f, "{separator}{} of the modules can not be served:", self.modules.len())?;
            for line in &self.modules {
                write!(f, "\n  {line}")?;
            }
        }
        Ok(())
    }
}

impl Error for BootErrors {}

/// A certificate or its key that can not be used.
#[derive(Debug, thiserror::Error)]
#[error("server.tls: {path}: {message}", path = .path.display())]
#[non_exhaustive]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

/// Why a service that was checked could not start after all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The telemetry could not be set up.
    #[error("the telemetry could not be set up: {0}")]
    Telemetry(#[from] TelemetryError),
    /// The database could not be opened or migrated.
    #[error("the database could not be used: {0}")]
    Database(#[from] DbError),
    /// The database lacks migrations and the settings do not let the service apply them.
    #[error(
        "the database lacks {} of the service's migrations ({}): apply them with `{service} migrate up`, or set \
         database.migrate_on_start",
        .missing.len(), .missing.join(", ")
    )]
    Migrations {
        /// The service's name.
        service: &'static str,
        /// The versions that are not applied.
        missing: Vec<String>,
    },
    /// An extension could not be installed.
    #[error("the extension `{extension}` could not be installed: {source}")]
    Extension {
        /// Its name.
        extension: &'static str,
        /// What it said.
        source: BoxError,
    },
    /// A module's start hook failed.
    #[error("the module `{module}` could not start: {source}")]
    Module {
        /// Its name.
        module: &'static str,
        /// What the hook said.
        source: BoxError,
    },
    /// Two modules provided a value of the same type.
    #[error("provided twice: {}; give one of the two a type of its own", .types.join(", "))]
    ProvidedTwice {
        /// The types.
        types: Vec<&'static str>,
    },
    /// A worker was started for a service that has no jobs.
    #[error("{service} has no jobs to run: add some with Module::job")]
    NoJobs {
        /// The service's name.
        service: &'static str,
    },
    /// A worker was started for a queue that no job goes to.
    #[error(
        "no job goes to the queue `{queue}`, and [jobs.queues] does not name it{}: the queues are {}",
        did_you_mean(.queue, .known), .known.join(", ")
    )]
    UnknownQueue {
        /// What was asked for.
        queue: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The jobs could not be run.
    #[error("the jobs can not be run: {0}")]
    Jobs(#[from] JobsError),
    /// The management listener could not listen.
    #[error(
        "can not listen on {address} for management: {source}{}; take another port with management.port \
         (APP_MANAGEMENT__PORT), or set management.optional to start without it",
        held(.holder.as_deref())
    )]
    Management {
        /// `address:port`.
        address: String,
        /// What the system said.
        source: std::io::Error,
        /// Who listens there, as far as that can be seen.
        holder: Option<String>,
    },
    /// The address could not be listened on.
    #[error("can not listen on {address}: {source}{}", hint(.source, .address, .holder.as_deref()))]
    Listen {
        /// `host:port`.
        address: String,
        /// What the system said.
        source: std::io::Error,
        /// Who listens there, as far as that can be seen.
        holder: Option<String>,
    },
}

fn did_you_mean(wrong: &str, known: &[String]) -> String {
    closest(wrong, known.iter().map(String::as_str))
        .map(|name| format!(" (did you mean `{name}`?)"))
        .unwrap_or_default()
}

/// Who has an address that is in use.
pub(super) fn holder(error: &std::io::Error, address: &str) -> Option<String> {
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return None;
    }
    let holders = holders::of_address(address);
    let told = |holder: &Holder| match holder.is_self() {
        true => "this process itself (server.port and management.port must differ)".to_owned(),
        false => holder.to_string(),
    };
    (!holders.is_empty()).then(|| holders.iter().map(told).collect::<Vec<_>>().join(", "))
}

fn held(holder: Option<&str>) -> String {
    holder.map(|holder| format!(": {holder} has it")).unwrap_or_default()
}

fn hint(error: &std::io::Error, address: &str, holder: Option<&str>) -> String {
    let port = address.rsplit(':').next().unwrap_or_default();
    if let Some(holder) = holder {
        return format!("; {holder} has the port: stop it, or take another port with PORT");
    }
    match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "; another process has the port: find it with `ss -ltnp 'sport = :{port}'`, or take another with PORT"
        ),
        std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need a privilege: take a higher one with PORT".to_owned()
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: set server.host".to_owned()
        }
        _ => String::new(),
    }
}

/// The addresses that a service listens on.
pub(super) fn describe(addresses: &[SocketAddr], secure: bool) -> String {
    let scheme = if secure { "https" } else { "http" };
    addresses.iter().map(|address| format!("{scheme}://{address}")).collect::<Vec<_>>().join(", ")
}
