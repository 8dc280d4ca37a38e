use std::path::PathBuf;

use crate::redact::PatternError;

/// Why a service's telemetry cannot be set up. The message names the variable or setting and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// An endpoint that is no URL of a collector.
    #[error(
        "{origin} is `{value}`, which {reason}: use e.g. `http://localhost:4317` for gRPC or \
         `http://localhost:4318` for HTTP"
    )]
    Endpoint {
        /// The variable or setting it was read from.
        origin: String,
        /// What was read, without a password.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key of an exporter that cannot be used.
    #[error("{variable} names {path}, which {reason}", path = .path.display())]
    Certificate {
        /// The variable it was read from.
        variable: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that everybody on the way could read.
    #[error(
        "{variable} would go unencrypted to {endpoint}: use an endpoint with https, or unset the variable if a \
         collector nearby holds the key"
    )]
    PlainKey {
        /// The variable that holds the key.
        variable: &'static str,
        /// Where it would go.
        endpoint: String,
    },
    /// A log level that is none.
    #[error(
        "log.level (LOG_LEVEL) is `{value}`, which is no level: use off, error, warn, info, debug or trace, \
         or `info,target=debug`"
    )]
    LogLevel {
        /// What was read.
        value: String,
    },
    /// A pattern of `telemetry.redact.patterns` that cannot be used.
    #[error("telemetry.redact.patterns: {0}")]
    Pattern(#[from] PatternError),
    /// The exporter's client could not be made, e.g. because the system has no root certificates.
    #[error("the exporter of {signal} to {endpoint} cannot be made: {reason}")]
    Exporter {
        /// `spans`, `metrics` or `logs`.
        signal: &'static str,
        /// The collector's host and port.
        endpoint: String,
        /// What the client says.
        reason: String,
    },
    /// The exporters' thread could not be started.
    #[error("the exporters' thread cannot be started: {0}; see the limits of the process (ulimit -u)")]
    Thread(#[from] std::io::Error),
}
