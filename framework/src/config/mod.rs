//! Settings.

mod database_url;
mod sections;

pub use sections::{
    DatabaseSettings, LogFormat, LogSettings, OtlpProtocol, RedisSettings, Section, ServerSettings,
    ServiceSettings, SqliteSynchronous, TelemetrySettings, TlsSettings,
};
