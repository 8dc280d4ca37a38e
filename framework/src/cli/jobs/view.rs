use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::text::time;
use crate::data::DbError;
use crate::jobs::store::Record;

/// A job as JSON tells it. Times are RFC 3339 in UTC.
#[derive(Serialize)]
pub(super) struct JobView<'a> {
    id: i64,
    state: &'static str,
    queue: &'a str,
    kind: &'a str,
    priority: i64,
    attempt: i64,
    max_attempts: i64,
    crashes: i64,
    enqueued_at: String,
    run_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    lease_until: Option<String>,
    worker: Option<&'a str>,
    token: i64,
    unique_key: Option<&'a str>,
    unique_held: bool,
    cancel_requested: bool,
    trace_id: Option<&'a str>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

impl<'a> JobView<'a> {
    /// All of it but its payload.
    pub(super) fn new(job: &'a Record) -> Result<Self, DbError> {
        let at = |micros| time(micros, SecondsFormat::Micros);
        Ok(Self {
            id: job.id,
            state: job.state()?.name(),
            queue: &job.queue,
            kind: &job.kind,
            priority: job.priority,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            crashes: job.crashes,
            enqueued_at: at(job.created_at),
            run_at: at(job.run_at),
            started_at: job.started_at.map(at),
            finished_at: job.finished_at.map(at),
            lease_until: job.lease_until.map(at),
            worker: job.worker.as_deref(),
            token: job.token,
            unique_key: job.unique_key.as_deref(),
            unique_held: job.unique_held,
            cancel_requested: job.cancel_requested,
            trace_id: job.trace_id.as_deref(),
            error: job.error.as_deref(),
            payload: None,
        })
    }

    /// With its payload as it is stored; what is no JSON becomes a string.
    pub(super) fn with_payload(self, payload: &str) -> Result<Self, serde_json::Error> {
        let payload = match serde_json::from_str::<&RawValue>(payload) {
            Ok(json) => json.to_owned(),
            Err(_) => to_raw_value(payload)?,
        };
        Ok(Self { payload: Some(payload), ..self })
    }
}
