use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::delivery::{Delivery, EntryId};
use crate::jobs::carried::Carried;
use crate::jobs::store::{Held, Leased};

/// The only field of an entry.
pub(super) const FIELD: &str = "jobs";
/// How many bytes the payloads of jobs that share an entry have together, at most.
const LONGEST: usize = 64 << 10;

/// Entries as Redis sends them: their ids and their fields; none for what was deleted while it was pending.
pub(super) type Replies = Vec<(EntryId, Fields)>;

pub(in crate::jobs::run) type Fields = Option<Vec<(String, Vec<u8>)>>;

/// An entry of a stream: some jobs, which are delivered together.
pub(in crate::jobs::run) struct Entry {
    pub(super) id: EntryId,
    /// In which it was published.
    pub(in crate::jobs::run) epoch: i64,
    /// None when it is of another program or format.
    pub(in crate::jobs::run) jobs: Vec<Leased>,
}

/// What stands in an entry. A field that is added later needs `#[serde(default)]`.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    epoch: i64,
    #[serde(borrow)]
    jobs: Vec<WireJob<'a>>,
}

#[derive(Serialize, Deserialize)]
struct WireJob<'a> {
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

/// How many of these jobs, and no more than `most`, one entry holds: at least one, however long its payload.
pub(super) fn fitting(jobs: &[Leased], most: usize) -> usize {
    let mut room = LONGEST;
    let fit = jobs.iter().take(most).take_while(|job| {
        let left = room.checked_sub(job.payload.len());
        room = left.unwrap_or(0);
        left.is_some()
    });
    fit.count().max(1)
}

pub(in crate::jobs::run) fn encode(epoch: i64, jobs: &[Leased]) -> Vec<u8> {
    // Numbers and texts always can be written.
    serde_json::to_vec(&Wire { epoch, jobs: jobs.iter().map(wire).collect() }).unwrap_or_default()
}

fn wire(job: &Leased) -> WireJob<'_> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    WireJob {
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
    }
}

impl Entry {
    pub(in crate::jobs::run) fn read((id, fields): (EntryId, Fields)) -> Self {
        let field = fields.into_iter().flatten().find(|(name, _)| name == FIELD);
        let wire: Option<Wire<'_>> = field.as_ref().and_then(|(_, text)| serde_json::from_slice(text).ok());
        let Some(Wire { epoch, jobs }) = wire else { return Self { id, epoch: 0, jobs: Vec::new() } };
        let since = since(&id);
        Self { id, epoch, jobs: jobs.into_iter().map(|wire| job(wire, since)).collect() }
    }

    /// As it was delivered to this process, with its jobs; without them where it counts no more.
    pub(in crate::jobs::run) fn taken(self, queue: &Arc<str>, counts: bool) -> (Arc<Delivery>, Vec<Leased>) {
        let jobs = if counts { self.jobs } else { Vec::new() };
        (Delivery::new(queue, self.id, jobs.len()), jobs)
    }

    /// The leases of its jobs.
    pub(super) fn held(&self) -> impl Iterator<Item = Held> + '_ {
        self.jobs.iter().map(Leased::held)
    }
}

fn job(wire: WireJob<'_>, since: Duration) -> Leased {
    Leased {
        id: wire.id,
        token: wire.token,
        queue: wire.queue.into_owned(),
        kind: wire.kind.into_owned(),
        payload: wire.payload.into_owned(),
        priority: wire.priority,
        attempt: wire.attempt,
        max_attempts: wire.max_attempts,
        crashes: wire.crashes,
        waited: Duration::from_micros(wire.waited).saturating_add(since),
        delayed: Duration::from_micros(wire.delayed),
        carried: Carried {
            traceparent: wire.traceparent.map(Cow::into_owned),
            tracestate: wire.tracestate.map(Cow::into_owned),
            baggage: wire.baggage.map(Cow::into_owned),
        },
    }
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

    fn leased() -> Leased {
        Leased {
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
        }
    }

    #[test]
    fn what_is_published_is_read_and_what_is_no_job_is_told() {
        let job = leased();
        let other = Leased { id: 8, ..job.clone() };
        let fields = |text: &[u8]| Some(vec![(FIELD.to_owned(), text.to_owned())]);
        let entry = Entry::read(("1-0".to_owned(), fields(&encode(5, &[job.clone(), other.clone()]))));
        assert_eq!(entry.held().collect::<Vec<_>>(), [job.held(), other.held()]);
        assert_eq!(entry.epoch, 5);
        let read = &entry.jobs[0];
        assert_eq!((&read.payload, &read.kind), (&job.payload, &job.kind));
        assert_eq!((read.attempt, &read.carried), (4, &job.carried));
        assert!(read.waited > job.waited);
        for bad in [None, fields(b"{}"), fields(b"\xff"), Some(Vec::new())] {
            assert!(Entry::read(("x".to_owned(), bad)).jobs.is_empty());
        }
    }

    #[test]
    fn long_payloads_do_not_share_an_entry() {
        let job = |length| Leased { payload: "x".repeat(length), ..leased() };
        let jobs = [job(10), job(LONGEST - 10), job(1), job(LONGEST + 1), job(1)];
        assert_eq!(fitting(&jobs, 16), 2);
        assert_eq!(fitting(&jobs, 1), 1);
        assert_eq!(fitting(&jobs[2..], 16), 1);
        assert_eq!(fitting(&jobs[3..], 16), 1);
        assert_eq!(fitting(&jobs[4..], 16), 1);
    }
}
