use std::path::PathBuf;
use std::time::Duration;

use crate::app::{BootError, BootErrors};
use crate::config::ConfigError;
use crate::data::DbError;
use crate::module::BoxError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Description(#[from] BootErrors),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(
        "this would take tables away with what is in them, in production: say `--yes` too if that is meant"
    )]
    Unconfirmed,
    #[error(
        "this would cancel many jobs for good, in production: say `jobs discard --all --yes` if that is meant"
    )]
    UnconfirmedDiscard,
    #[error("this service has no database, so there is {0}")]
    NoDatabase(&'static str),
    #[error(
        "there is no database at {}: if `database.url` is meant so, make it with `{service} migrate up`", .file.display()
    )]
    NoFile { file: PathBuf, service: &'static str },
    #[error(
        "this service keeps no jobs: its migrations would have to end in `.with(&spanbox::jobs::MIGRATIONS)`"
    )]
    NoJobs,
    #[error("the database lacks the table of the jobs ({}): make it with `{service} migrate up`", .missing.join(", "))]
    NoTable { service: &'static str, missing: Vec<String> },
    #[error(
        "another process holds a lock in the database for longer than {waited:?}: nothing was changed by what failed, \
         try again ({source})"
    )]
    Locked { waited: Duration, source: DbError },
    #[error("there is no job {0}: it never was, or it ended and was forgotten")]
    NoSuchJob(i64),
    #[error("{failed} of {of} jobs could not be {what}")]
    Undone { what: &'static str, failed: usize, of: usize },
    #[cfg(feature = "openapi")]
    #[error("`{service}` does not say what its interface is: it would be given that with Service::describe")]
    NoDescription { service: &'static str },
    #[error("{0}")]
    Setting(#[from] ConfigError),
    #[error(
        "nobody answers at {at}: {reason}; is `{service}` running on this machine, or in this container, with these \
         settings? `{service} config explain management.port` tells where the port comes from"
    )]
    Unanswered { service: &'static str, at: String, reason: String },
    #[error("{at} answers with {status}, which is not how a `{service}` does: is it another program?")]
    Strange { service: &'static str, at: String, status: u16 },
    #[error(
        "the service has no management listener (management.enabled is false), which alone could tell: switch it on for it"
    )]
    NoManagement,
    #[error("{key} is 0, any free port, so nobody knows which: give it a number")]
    AnyPort { key: &'static str },
    #[error("{0}")]
    NotReady(String),
    #[error("{0} of the findings are failures: each says what to do")]
    Unwell(usize),
    #[error("{0}")]
    Own(BoxError),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("what was found could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    pub(super) const fn exit_code(&self) -> u8 {
        if let Self::Usage(_) = self { 2 } else { 1 }
    }
}
