//! Requests are refused while what they need can not keep up, so that it can.
//!
//! A few pressures (the age of messages, waits for the database, late jobs) are looked at now and then; one over its
//! limit turns requests away with 503 until all of them have been below half of their limits for a while. A request
//! costs one atomic load.

mod signals;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use futures_util::FutureExt as _;
use opentelemetry::trace::FutureExt as _;
use parking_lot::Mutex;

use self::signals::ShedSignals;
use super::{Check, Problem};
use crate::config::SheddingSettings;
use crate::context;
use crate::telemetry::Telemetry;

/// The slug of the problem, see [`Problem::kind`].
pub(super) const OVERLOADED: &str = "overloaded";

/// Reads how high a pressure is, and what has it; `None` where that is not known.
type Read = Box<dyn Fn() -> Option<(Duration, Option<String>)> + Send + Sync>;

/// Something that can not keep up at times.
pub(crate) struct Pressure {
    /// Its name, that of its setting.
    pub(crate) name: &'static str,
    /// From when on it is too high.
    pub(crate) limit: Duration,
    pub(crate) read: Read,
}

/// Decides whether requests are taken. One a service.
pub(crate) struct Shedder {
    /// The only thing that a request looks at.
    refuses: AtomicBool,
    pressures: Vec<Pressure>,
    settings: SheddingSettings,
    state: Mutex<State>,
    signals: ShedSignals,
}

/// The requests of a route that are taken all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spared {
    /// The module is critical.
    All,
    /// The settings name them.
    Methods(Vec<Method>),
}

impl Default for Spared {
    fn default() -> Self {
        Self::Methods(Vec::new())
    }
}

impl Spared {
    fn includes(&self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Methods(methods) => methods.contains(method),
        }
    }
}

#[derive(Default)]
struct State {
    /// What was too high last, as it was then.
    over: Option<Over>,
    /// Since when everything is well below its limit.
    calm: Option<Instant>,
}

#[derive(Clone)]
struct Over {
    name: &'static str,
    limit: Duration,
    value: Duration,
    of: Option<String>,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit, value, of } = self;
        write!(f, "{name} is {:.1} s", value.as_secs_f64())?;
        if let Some(of) = of {
            write!(f, " ({of})")?;
        }
        write!(f, ", its limit {:.1} s", limit.as_secs_f64())
    }
}

impl Shedder {
    pub(crate) fn new(
        settings: SheddingSettings,
        telemetry: &Telemetry,
        pressures: Vec<Pressure>,
    ) -> Arc<Self> {
        let wanted = |pressure: &Pressure| settings.enabled && !pressure.limit.is_zero();
        let pressures: Vec<_> = pressures.into_iter().filter(wanted).collect();
        let signals = ShedSignals::new(telemetry);
        let (refuses, state) = (AtomicBool::new(false), Mutex::default());
        let shedder = Arc::new(Self { refuses, pressures, settings, state, signals });
        ShedSignals::observe(&shedder, telemetry);
        shedder
    }

    /// Whether a request is taken.
    pub(super) fn admit(&self, method: &Method, spared: &Spared) -> Result<(), Problem> {
        // Nothing else is read because of it, so that any order will do.
        if !self.refuses.load(Ordering::Relaxed) || spared.includes(method) {
            return Ok(());
        }
        Err(self.refuse())
    }

    /// What the settings except of a route.
    pub(super) fn spared(&self, pattern: &str) -> Spared {
        let of_route = |route: &String| {
            let (method, of) = route.split_once(' ')?;
            if of == pattern { method.parse().ok() } else { None }
        };
        Spared::Methods(self.settings.exclude.iter().filter_map(of_route).collect())
    }

    #[cold]
    fn refuse(&self) -> Problem {
        let over = self.over();
        let reason = over.as_ref().map_or("recovering", |over| over.name);
        self.signals.refused(reason);
        let seconds = self.settings.retry_after.as_secs();
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, OVERLOADED)
            .detail(format!(
                "this service can not keep up at the moment ({reason}): try again in {seconds} s"
            ))
            .header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Looks at all pressures, again and again, for as long as the service is there.
    pub(crate) fn watch(self: &Arc<Self>, telemetry: &Telemetry) {
        if self.pressures.is_empty() {
            return;
        }
        let (shedder, every) = (Arc::downgrade(self), self.settings.interval);
        context::spawn(watch(shedder, every).with_context(telemetry.root()));
    }

    /// Whether requests are refused and why, for `/health/ready`.
    pub(crate) fn check(self: &Arc<Self>) -> Check {
        let shedder = Arc::clone(self);
        Check::new("load", move || {
            let over = shedder.over();
            async move { over.map_or(Ok(()), |over| Err(format!("requests are refused: {over}"))) }
                .boxed_local()
        })
    }

    fn over(&self) -> Option<Over> {
        self.state.lock().over.clone()
    }

    fn look(&self, now: Instant) {
        let read = self.pressures.iter().filter_map(|pressure| {
            let (value, of) = (pressure.read)()?;
            Some(Over { name: pressure.name, limit: pressure.limit, value, of })
        });
        // That which is the furthest over its limit.
        let share = |over: &Over| over.value.as_secs_f64() / over.limit.as_secs_f64();
        let highest = read.max_by(|a, b| share(a).total_cmp(&share(b)));
        let mut state = self.state.lock();
        match highest {
            Some(highest) if share(&highest) > 1.0 => {
                if state.over.is_none() {
                    tracing::warn!(reason = %highest, "requests are refused until this service has caught up");
                }
                *state = State { over: Some(highest), calm: None };
                self.refuses.store(true, Ordering::Relaxed);
            }
            _ if state.over.is_none() => {}
            // Not well enough: what was refused would bring it back at once.
            Some(highest) if share(&highest) > 0.5 => *state = State { over: Some(highest), calm: None },
            _ => {
                let since = *state.calm.get_or_insert(now);
                if now.saturating_duration_since(since) >= self.settings.calm {
                    *state = State::default();
                    self.refuses.store(false, Ordering::Relaxed);
                    tracing::info!("requests are taken again");
                }
            }
        }
    }
}

async fn watch(shedder: Weak<Shedder>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shedder) = shedder.upgrade() else { return };
        shedder.look(Instant::now());
    }
}
