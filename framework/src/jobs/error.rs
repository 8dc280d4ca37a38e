use super::schedule::ScheduleError;
use crate::data::{DbError, RedisError};

/// Why a job could not be stored, found or moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobsError {
    /// A queue, a kind or a schedule has a name that cannot be one.
    #[error(
        "the {what} name {name:?} is none: use lower-case letters, digits, `_`, `-` and `.`, a letter first, \
         at most {max} bytes"
    )]
    Name {
        /// `queue`, `kind` or `schedule`.
        what: &'static str,
        /// Its first characters.
        name: String,
        /// The most bytes.
        max: usize,
    },
    /// Two types of jobs have one name.
    #[error("there are two kinds of jobs with the name {kind:?}, {} and {}: give one another name", types.0, types.1)]
    KindTwice {
        /// The name.
        kind: String,
        /// The types.
        types: (&'static str, &'static str),
    },
    /// A schedule that cannot be one.
    #[error("the schedule `{schedule}`: {source}")]
    Schedule {
        /// Its name.
        schedule: String,
        /// What is wrong with it.
        source: ScheduleError,
    },
    /// Two schedules have one name.
    #[error(
        "there are two schedules with the name {schedule:?}: give one another name with `Schedule::name`"
    )]
    ScheduleTwice {
        /// The name.
        schedule: String,
    },
    /// The payload is larger than the job's policy allows.
    #[error(
        "the payload of a {kind} job has {bytes} bytes, and {max} are allowed: store the data and put its id into \
         the job, or raise `Policy::max_payload`"
    )]
    PayloadTooLarge {
        /// The job's name.
        kind: String,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// The job could not be written as JSON.
    #[error("a {kind} job can not be written as JSON: {source}")]
    Payload {
        /// The job's name.
        kind: String,
        /// What serde said.
        source: serde_json::Error,
    },
    /// A uniqueness key that cannot be one.
    #[error("the uniqueness key of a {kind} job must have 1 to {max} bytes and no control characters")]
    UniqueKey {
        /// The job's name.
        kind: String,
        /// The most bytes.
        max: usize,
    },
    /// A priority out of range.
    #[error("the priority {priority} of a {kind} job is none: 0 runs first, 9 last")]
    Priority {
        /// The job's name.
        kind: String,
        /// What was asked for.
        priority: u8,
    },
    /// A uniqueness key was taken and given up by others in turn, too often to go on. Enqueue again.
    #[error(
        "the uniqueness key {key} changed hands while a job was enqueued under it; enqueue the job again"
    )]
    Contended {
        /// The kind and the key.
        key: String,
    },
    /// The Redis that is to hand the jobs out is older than can be relied on.
    #[error(
        "the Redis at {server} is version {version}, and jobs need {oldest} or newer: older ones lose pending entries \
         of a stream; upgrade it, or set jobs.transport to \"database\""
    )]
    OldRedis {
        /// Host and port.
        server: String,
        /// What it says it is.
        version: String,
        /// The oldest major version that will do.
        oldest: u32,
    },
    /// Redis failed.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}
