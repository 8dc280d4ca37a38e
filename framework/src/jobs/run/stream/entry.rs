use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::jobs::carried::Carried;
use crate::jobs::store::{Held, Leased};

/// The id of an entry, as Redis writes it: `milliseconds-number`.
pub(in crate::jobs::run) type EntryId = String;

/// Entries as Redis sends them: their ids and their fields; none for what was deleted while it was pending.
pub(super) type Replies = Vec<(EntryId, Fields)>;

pub(in crate::jobs::run) type Fields = Option<Vec<(String, Vec<u8>)>>;

/// An entry of a stream.
pub(in crate::jobs::run) struct Entry {
    pub(in crate::jobs::run) id: EntryId,
    /// The epoch in which it was published, and the job; none when it is of another program or format.
    pub(in crate::jobs::run) job: Option<(i64, Leased)>,
}

/// A job as it stands in an entry. A field that is added later needs `#[serde(default)]`.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    epoch: i64,
    id: i64,
    token: i64,
    #[serde(borrow)]
    queue: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    priority: u8,
    attempt: u32,
    max_attempts: u32,
    crashes: u32,
    /// Microseconds.
    waited: u64,
    delayed: u64,
    traceparent: Option<Cow<'a, str>>,
    tracestate: Option<Cow<'a, str>>,
    baggage: Option<Cow<'a, str>>,
}

pub(in crate::jobs::run) fn encode(epoch: i64, job: &Leased) -> Vec<u8> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let wire = Wire {
        epoch,
        id: job.id,
        token: job.token,
        queue: Cow::Borrowed(&job.queue),
        kind: Cow::Borrowed(&job.kind),
        payload: Cow::Borrowed(&job.payload),
        priority: job.priority,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        crashes: job.crashes,
        waited: micros(job.waited),
        delayed: micros(job.delayed),
        traceparent: job.carried.traceparent.as_deref().map(Cow::Borrowed),
        tracestate: job.carried.tracestate.as_deref().map(Cow::Borrowed),
        baggage: job.carried.baggage.as_deref().map(Cow::Borrowed),
    };
    // Numbers and texts always can be written.
    serde_json::to_vec(&wire).unwrap_or_default()
}

impl Entry {
    pub(in crate::jobs::run) fn read((id, fields): (EntryId, Fields)) -> Self {
        let field = fields.into_iter().flatten().find(|(name, _)| name == "job");
        let job = field.and_then(|(_, text)| decode(&id, &text));
        Self { id, job }
    }

    /// The lease of its job.
    pub(super) fn held(&self) -> Option<Held> {
        self.job.as_ref().map(|(_, job)| job.held())
    }
}

fn decode(id: &str, text: &[u8]) -> Option<(i64, Leased)> {
    let wire: Wire<'_> = serde_json::from_slice(text).ok()?;
    let job = Leased {
        id: wire.id,
        token: wire.token,
        queue: wire.queue.into_owned(),
        kind: wire.kind.into_owned(),
        payload: wire.payload.into_owned(),
        priority: wire.priority,
        attempt: wire.attempt,
        max_attempts: wire.max_attempts,
        crashes: wire.crashes,
        waited: Duration::from_micros(wire.waited) + since(id),
        delayed: Duration::from_micros(wire.delayed),
        carried: Carried {
            traceparent: wire.traceparent.map(Cow::into_owned),
            tracestate: wire.tracestate.map(Cow::into_owned),
            baggage: wire.baggage.map(Cow::into_owned),
        },
    };
    Some((wire.epoch, job))
}

/// How long an entry has been in its stream, to be shown and for nothing else: the clocks are two machines'.
fn since(id: &str) -> Duration {
    let added = id.split('-').next().and_then(|milliseconds| milliseconds.parse().ok()).unwrap_or(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(added))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_and_what_is_no_job_is_told() {
        let job = Leased {
            id: 7,
            token: 3,
            queue: "mails".to_owned(),
            kind: "send".to_owned(),
            payload: r#"{"to":"a \"friend\""}"#.to_owned(),
            priority: 2,
            attempt: 4,
            max_attempts: 20,
            crashes: 0,
            waited: Duration::from_millis(12),
            delayed: Duration::ZERO,
            carried: Carried { traceparent: Some("00-1-2-01".to_owned()), ..Carried::default() },
        };
        let fields = |text: &[u8]| Some(vec![("job".to_owned(), text.to_owned())]);
        let entry = Entry::read(("1-0".to_owned(), fields(&encode(5, &job))));
        assert_eq!(entry.held(), Some(job.held()));
        let (epoch, read) = entry.job.unwrap();
        assert_eq!((epoch, read.payload, read.kind), (5, job.payload, job.kind));
        assert_eq!((read.attempt, read.carried), (4, job.carried));
        assert!(read.waited > job.waited);
        for bad in [None, fields(b"{}"), fields(b"\xff"), Some(Vec::new())] {
            assert!(Entry::read(("x".to_owned(), bad)).job.is_none());
        }
    }
}
