//! What is recorded of connections, and of waiting for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::metrics::{AsyncInstrument, Counter, Meter};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use opentelemetry_semantic_conventions::{attribute, metric};
use parking_lot::Mutex;

use super::recorder::{is_recording, seconds};
use crate::telemetry::{Bound, Telemetry};

/// A wait shorter than this makes no span: it explains nothing, and a span costs more than it.
const VISIBLE_WAIT: Duration = Duration::from_millis(1);

/// The signals of one pool of connections, by the semantic conventions.
pub(super) struct PoolSignals {
    tracer: Option<SdkTracer>,
    instruments: Option<Instruments>,
    attributes: Vec<KeyValue>,
    waits: Waits,
}

/// How long connections are waited for, looked at again and again by one who wants to know it.
#[derive(Default)]
struct Waits {
    ended: AtomicU64,
    /// The longest of those that have ended since the last look, in nanoseconds.
    longest: AtomicU64,
    /// How many had ended at the last look, and since when none has although somebody waits.
    stalled: Mutex<(u64, Option<Instant>)>,
}

struct Instruments {
    create: Bound,
    wait: Bound,
    used: Bound,
    timeouts: Counter<u64>,
}

/// How a pool is at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PoolState {
    /// Connections at most. As many may be idle: none is closed for being so.
    pub(super) limit: usize,
    /// Connections that are there.
    pub(super) open: usize,
    /// Those of them that nobody uses.
    pub(super) idle: usize,
    /// Who waits for one.
    pub(super) pending: usize,
}

#[cfg(any(feature = "cache", feature = "postgres", feature = "redis"))]
impl From<deadpool::Status> for PoolState {
    fn from(status: deadpool::Status) -> Self {
        let deadpool::Status { max_size, size, available, waiting } = status;
        Self { limit: max_size, open: size, idle: available, pending: waiting }
    }
}

impl PoolSignals {
    /// `base` are the attributes of the database; `name` is unique among the pools of a service.
    pub(super) fn new(telemetry: &Telemetry, base: &[KeyValue], name: String) -> Self {
        let mut attributes = base.to_vec();
        attributes.push(KeyValue::new(attribute::DB_CLIENT_CONNECTION_POOL_NAME, name));
        let series = |meter: &Meter, name: &'static str, description: &'static str| {
            Bound::new(seconds(meter, name, description), attributes.clone())
        };
        let instruments = telemetry.meter().map(|meter| Instruments {
            create: series(
                meter,
                metric::DB_CLIENT_CONNECTION_CREATE_TIME,
                "The time it took to create a new connection.",
            ),
            wait: series(
                meter,
                metric::DB_CLIENT_CONNECTION_WAIT_TIME,
                "The time it took to obtain an open connection from the pool.",
            ),
            used: series(
                meter,
                metric::DB_CLIENT_CONNECTION_USE_TIME,
                "The time between borrowing a connection and returning it to the pool.",
            ),
            timeouts: meter
                .u64_counter(metric::DB_CLIENT_CONNECTION_TIMEOUTS)
                .with_unit("{timeout}")
                .with_description("Waits for a connection that took too long.")
                .build(),
        });
        Self { tracer: telemetry.tracer().cloned(), instruments, attributes, waits: Waits::default() }
    }

    /// Shows how the pool is whenever metrics are collected, for as long as it is there.
    pub(super) fn observe(
        &self,
        telemetry: &Telemetry,
        state: impl Fn() -> Option<PoolState> + Send + Sync + 'static,
    ) {
        let Some(meter) = telemetry.meter() else { return };
        let state = Arc::new(state);
        type Show = fn(PoolState, &[KeyValue], &dyn AsyncInstrument<i64>);
        let show = |name: &'static str, unit: &'static str, description: &'static str, show: Show| {
            let (state, attributes) = (state.clone(), self.attributes.clone());
            meter
                .i64_observable_up_down_counter(name)
                .with_unit(unit)
                .with_description(description)
                .with_callback(move |observer| {
                    if let Some(state) = state() {
                        show(state, &attributes, observer);
                    }
                })
                .build();
        };
        let connections = "{connection}";
        show(
            metric::DB_CLIENT_CONNECTION_COUNT,
            connections,
            "Connections that are there, by their state.",
            |state, attributes, observer| {
                let used = state.open.saturating_sub(state.idle);
                for (name, count) in [("idle", state.idle), ("used", used)] {
                    let mut attributes = attributes.to_vec();
                    attributes.push(KeyValue::new(attribute::DB_CLIENT_CONNECTION_STATE, name));
                    observer.observe(whole(count), &attributes);
                }
            },
        );
        show(
            metric::DB_CLIENT_CONNECTION_MAX,
            connections,
            "Connections that there may be.",
            |state, attributes, observer| observer.observe(whole(state.limit), attributes),
        );
        show(
            metric::DB_CLIENT_CONNECTION_IDLE_MAX,
            connections,
            "Idle connections that there may be.",
            |state, attributes, observer| observer.observe(whole(state.limit), attributes),
        );
        show(
            metric::DB_CLIENT_CONNECTION_IDLE_MIN,
            connections,
            "Idle connections that are kept ready.",
            |_, attributes, observer| observer.observe(0, attributes),
        );
        show(
            metric::DB_CLIENT_CONNECTION_PENDING_REQUESTS,
            "{request}",
            "Who waits for a connection.",
            |state, attributes, observer| observer.observe(whole(state.pending), attributes),
        );
    }

    /// A connection was waited for, and is there.
    pub(super) fn waited(&self, cx: &Context, waited: Duration) {
        self.waits.ended.fetch_add(1, Relaxed);
        self.waits.longest.fetch_max(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        if let Some(instruments) = &self.instruments {
            instruments.wait.record(waited.as_secs_f64());
        }
        if waited < VISIBLE_WAIT || !is_recording(cx) {
            return;
        }
        if let Some(tracer) = &self.tracer {
            let now = SystemTime::now();
            let builder = SpanBuilder::from_name("db.pool.wait")
                .with_kind(SpanKind::Internal)
                .with_start_time(now.checked_sub(waited).unwrap_or(now))
                .with_attributes(self.attributes.clone());
            tracer.build_with_context(builder, cx).end_with_timestamp(now);
        }
    }

    /// The longest wait since the last call, or for how long nobody has got a connection of those that wait.
    pub(super) fn longest_wait(&self, pending: usize, now: Instant) -> Duration {
        let ended = self.waits.ended.load(Relaxed);
        let longest = Duration::from_nanos(self.waits.longest.swap(0, Relaxed));
        let mut stalled = self.waits.stalled.lock();
        let since = if pending > 0 && stalled.0 == ended { stalled.1.or(Some(now)) } else { None };
        *stalled = (ended, since.or((pending > 0).then_some(now)));
        longest.max(since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)))
    }

    /// A connection was waited for in vain.
    pub(super) fn timed_out(&self) {
        if let Some(instruments) = &self.instruments {
            instruments.timeouts.add(1, &self.attributes);
        }
    }

    /// The time, if somebody wants to know how long a connection is made or used.
    pub(super) fn clock(&self) -> Option<Instant> {
        self.instruments.as_ref().map(|_| Instant::now())
    }

    /// A connection is made.
    pub(super) fn created(&self, since: Option<Instant>) {
        if let (Some(instruments), Some(since)) = (&self.instruments, since) {
            instruments.create.record(since.elapsed().as_secs_f64());
        }
    }

    /// A connection is given back.
    pub(super) fn used(&self, since: Option<Instant>) {
        if let (Some(instruments), Some(since)) = (&self.instruments, since) {
            instruments.used.record(since.elapsed().as_secs_f64());
        }
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
