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
    /// A protocol that is not one of OTLP's two that are built in.
    #[error("{origin} is `{value}`, which is not built in: use `grpc` or `http/protobuf`")]
    Protocol {
        /// The variable it was read from.
        origin: String,
        /// What was read.
        value: String,
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
