use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;

use super::reason::{Reason, promote};
use super::size;
use crate::config::KeepSettings;
use crate::telemetry::Telemetry;

/// Each span that begins or ends takes the lock of its trace's shard for the time of one look-up.
const SHARDS: usize = 16;

/// What has ended of the traces that are undecided.
pub(in crate::telemetry) struct Held {
    settings: KeepSettings,
    shards: [Mutex<HashMap<TraceId, Trace>>; SHARDS],
    bytes: AtomicUsize,
    /// When those that have waited too long are next looked for, in seconds since 1970.
    next_look: AtomicU64,
    /// Only one makes room at a time.
    making_room: Mutex<()>,
    over_budget: AtomicU64,
    waited_too_long: AtomicU64,
    kept: [AtomicU64; Reason::ALL.len()],
}

#[derive(Default)]
struct Trace {
    /// What may still add to it: spans that have not ended, messages that were not handled.
    open: usize,
    spans: Vec<SpanData>,
    bytes: usize,
    /// When the first of the spans ended.
    since: Option<SystemTime>,
    kept: Option<Reason>,
}

impl Held {
    pub(in crate::telemetry) fn new(settings: KeepSettings) -> Self {
        Self {
            settings,
            shards: Default::default(),
            bytes: AtomicUsize::new(0),
            next_look: AtomicU64::new(0),
            making_room: Mutex::new(()),
            over_budget: AtomicU64::new(0),
            waited_too_long: AtomicU64::new(0),
            kept: Default::default(),
        }
    }

    fn shard(&self, trace: TraceId) -> &Mutex<HashMap<TraceId, Trace>> {
        &self.shards[usize::from(trace.to_bytes()[15]) % SHARDS]
    }

    /// Whether anything may still add to the trace.
    pub(in crate::telemetry) fn has(&self, trace: TraceId) -> bool {
        self.shard(trace).lock().contains_key(&trace)
    }

    pub(super) fn begin(&self, trace: TraceId) {
        self.shard(trace).lock().entry(trace).or_default().open += 1;
    }

    /// A span has ended. Answers what is to be exported now.
    pub(super) fn end(&self, mut span: SpanData) -> Vec<SpanData> {
        let reason = Reason::of(&span, self.settings.slower_than);
        let bytes = size::of(&span);
        let now = span.end_time;
        let trace = span.span_context.trace_id();
        let mut shard = self.shard(trace).lock();
        let Entry::Occupied(mut entry) = shard.entry(trace) else { return Vec::new() };
        let of = entry.get_mut();
        of.open -= 1;
        let newly = of.kept.is_none() && reason.is_some();
        of.kept = of.kept.max(reason);
        let (kept, over) = (of.kept, of.open == 0);
        if kept.is_none() && !over {
            of.spans.push(span);
            of.bytes += bytes;
            of.since.get_or_insert(now);
            self.bytes.fetch_add(bytes, Relaxed);
            drop(shard);
            self.bound(now);
            return Vec::new();
        }
        let mut waiting = self.take(of);
        if over {
            entry.remove();
        }
        // What is thrown away is freed without the lock.
        drop(shard);
        let Some(reason) = kept else { return Vec::new() };
        if newly {
            self.kept[reason as usize].fetch_add(1, Relaxed);
        }
        waiting.iter_mut().for_each(|span| promote(span, reason));
        promote(&mut span, reason);
        waiting.push(span);
        waiting
    }

    /// Something that could have added to the trace has not.
    fn release(&self, trace: TraceId) {
        let mut shard = self.shard(trace).lock();
        if let Entry::Occupied(mut entry) = shard.entry(trace) {
            entry.get_mut().open -= 1;
            if entry.get().open == 0 {
                let mut of = entry.remove();
                let _freed_without_the_lock = self.take(&mut of);
                drop(shard);
            }
        }
    }

    fn take(&self, of: &mut Trace) -> Vec<SpanData> {
        self.bytes.fetch_sub(std::mem::take(&mut of.bytes), Relaxed);
        of.since = None;
        std::mem::take(&mut of.spans)
    }

    /// Keeps to the budget and to the time.
    fn bound(&self, now: SystemTime) {
        if self.bytes.load(Relaxed) > self.settings.max_bytes {
            self.make_room();
        }
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let due = self.next_look.load(Relaxed);
        let interval = (self.settings.max_wait.as_secs() / 8).max(1);
        if seconds >= due
            && self.next_look.compare_exchange(due, seconds + interval, Relaxed, Relaxed).is_ok()
        {
            self.give_up(now);
        }
    }

    /// Throws away what has waited too long.
    fn give_up(&self, now: SystemTime) {
        let Some(limit) = now.checked_sub(self.settings.max_wait) else { return };
        for shard in &self.shards {
            let mut dropped = Vec::new();
            for of in shard.lock().values_mut().filter(|of| of.since.is_some_and(|since| since < limit)) {
                dropped.append(&mut self.take(of));
            }
            self.waited_too_long.fetch_add(dropped.len() as u64, Relaxed);
        }
    }

    /// Throws away the oldest traces, and an eighth of the budget more, so that not every span has to look for them.
    fn make_room(&self) {
        let Some(_alone) = self.making_room.try_lock() else { return };
        let mut all: Vec<(SystemTime, TraceId)> = Vec::new();
        for shard in &self.shards {
            all.extend(shard.lock().iter().filter_map(|(trace, of)| Some((of.since?, *trace))));
        }
        all.sort_unstable_by_key(|(since, _)| *since);
        let enough = self.settings.max_bytes / 8 * 7;
        for (_, trace) in all {
            if self.bytes.load(Relaxed) <= enough {
                break;
            }
            let dropped = self.shard(trace).lock().get_mut(&trace).map(|of| self.take(of));
            self.over_budget.fetch_add(dropped.map_or(0, |spans| spans.len() as u64), Relaxed);
        }
    }

    #[cfg(test)]
    pub(super) fn dropped(&self) -> (u64, u64) {
        (self.over_budget.load(Relaxed), self.waited_too_long.load(Relaxed))
    }

    #[cfg(test)]
    pub(super) fn traces(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// What it says of itself.
    pub(in crate::telemetry) fn observe(self: &Arc<Self>, meter: &Meter) {
        let held = Arc::clone(self);
        meter
            .i64_observable_up_down_counter("spanbox.keep.held")
            .with_unit("By")
            .with_description("About how much the spans take whose traces are undecided.")
            .with_callback(move |observer| {
                // Also where no span ends that would look for them.
                held.give_up(SystemTime::now());
                observer.observe(i64::try_from(held.bytes.load(Relaxed)).unwrap_or(i64::MAX), &[]);
            })
            .build();
        let held = Arc::clone(self);
        meter
            .u64_observable_counter("spanbox.keep.traces")
            .with_unit("{trace}")
            .with_description("Traces that were not sampled and are exported all the same.")
            .with_callback(move |observer| {
                for reason in Reason::ALL {
                    observer.observe(held.kept[reason as usize].load(Relaxed), &[reason.attribute()]);
                }
            })
            .build();
        let held = Arc::clone(self);
        meter
            .u64_observable_counter("spanbox.keep.dropped")
            .with_unit("{span}")
            .with_description("Spans that were thrown away before it was known whether their traces matter.")
            .with_callback(move |observer| {
                let by = |limit: &'static str| [KeyValue::new("spanbox.keep.limit", limit)];
                observer.observe(held.over_budget.load(Relaxed), &by("max_bytes"));
                observer.observe(held.waited_too_long.load(Relaxed), &by("max_wait"));
            })
            .build();
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// While it lives, its trace is not decided: something is under way that may add to it.
pub(crate) struct Hold {
    held: Arc<Held>,
    trace: TraceId,
}

impl Telemetry {
    /// Has a trace that is recorded and not sampled wait for what it sends off.
    pub(crate) fn hold(&self, trace: TraceId) -> Option<Box<Hold>> {
        let held = Arc::clone(self.pipeline()?.held.as_ref()?);
        held.begin(trace);
        Some(Box::new(Hold { held, trace }))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.release(self.trace);
    }
}
