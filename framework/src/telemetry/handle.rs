use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::HeaderMap;
use opentelemetry::Context;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState, TracerProvider as _};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Dispatch;
use tracing::dispatcher::DefaultGuard;

use super::build;
use super::levels::LogLevels;
use super::panic;
use super::pipeline::Pipeline;
use super::process;
use super::repeats::Repeats;
use super::runtimes::{self, Runtimes};
use super::scrub::{ScrubbedMeters, Scrubber};
use crate::config::{BaggageSettings, DatabaseTelemetrySettings, LimitSettings};
use crate::context::{Border, Propagators, TraceContext};
use crate::redact::Redactor;

/// The instrumentation scope of every span and metric that the framework itself records.
pub(super) const SCOPE: &str = "spanbox";

/// The parent of what is nobody's trace: it is not sampled, and so neither is anything below it.
///
/// It is not remote: what a caller does not sample is followed, for it may have to be kept.
pub(crate) fn nobody() -> SpanContext {
    let (trace, span) = (TraceId::from(1), SpanId::from(1));
    SpanContext::new(trace, span, TraceFlags::default(), false, TraceState::NONE)
}

/// The telemetry of one service: cheap to clone, and carried by every context that belongs to the service.
///
/// There is no global one. The parts of a service (its web server, actors, database) each hold a clone; code far
/// from them finds it in the context with [`Telemetry::current`]. A signal that is switched off is `None`, and
/// whoever asks then builds nothing.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    providers: Providers,
    tracer: Option<SdkTracer>,
    meter: Option<Meter>,
    meters: Option<ScrubbedMeters>,
    dispatch: Option<Dispatch>,
    /// Whether the dispatch is that of the whole process.
    installed: AtomicBool,
    pipeline: Option<Pipeline>,
    rules: Rules,
    runtimes: Runtimes,
    /// Whether a database has been opened.
    statements: AtomicBool,
}

/// What holds for all that a service records and passes on.
pub(super) struct Rules {
    pub(super) scrubber: Arc<Scrubber>,
    pub(super) propagators: Propagators,
    pub(super) border: Border,
    pub(super) database: DatabaseTelemetrySettings,
    /// None when the subscriber is somebody else's.
    pub(super) levels: Option<LogLevels>,
    /// None when nothing is held back.
    pub(super) repeats: Option<Arc<Repeats>>,
}

/// The OpenTelemetry providers behind a [`Telemetry`]. `None` switches a signal off.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    /// Spans.
    pub traces: Option<SdkTracerProvider>,
    /// Measurements.
    pub metrics: Option<SdkMeterProvider>,
    /// Log records that are exported; what goes to stderr does not pass here.
    pub logs: Option<SdkLoggerProvider>,
}

impl Telemetry {
    /// Nothing is recorded, and nothing is built to be thrown away.
    #[must_use]
    pub fn disabled() -> Self {
        Self::from_providers(Providers::default())
    }

    /// Telemetry on top of providers that are already configured.
    #[must_use]
    pub fn from_providers(providers: Providers) -> Self {
        Self::with_dispatch(providers, None)
    }

    /// The same with the `tracing` subscriber that this service's threads use, see [`Telemetry::enter_thread`].
    ///
    /// What these providers export is theirs to redact.
    #[must_use]
    pub fn with_dispatch(providers: Providers, dispatch: Option<Dispatch>) -> Self {
        let length = LimitSettings::default().attribute_value_length;
        let baggage = BaggageSettings::default();
        let rules = Rules {
            scrubber: Arc::new(Scrubber::new(Redactor::default(), length)),
            propagators: Propagators::default(),
            border: Border::new(&baggage.accept, &baggage.send),
            database: DatabaseTelemetrySettings::default(),
            levels: None,
            repeats: None,
        };
        Self::assembled(providers, dispatch, None, rules)
    }

    pub(super) fn assembled(
        providers: Providers,
        dispatch: Option<Dispatch>,
        pipeline: Option<Pipeline>,
        rules: Rules,
    ) -> Self {
        let tracer = providers.traces.as_ref().map(|traces| traces.tracer(SCOPE));
        let meter = providers.metrics.as_ref().map(|metrics| metrics.meter(SCOPE));
        let meters = providers
            .metrics
            .clone()
            .map(|metrics| ScrubbedMeters::new(metrics, Arc::clone(&rules.scrubber)));
        Self {
            inner: Arc::new(Inner {
                providers,
                tracer,
                meter,
                meters,
                dispatch,
                installed: AtomicBool::new(false),
                pipeline,
                rules,
                runtimes: Runtimes::default(),
                statements: AtomicBool::new(false),
            }),
        }
    }

    /// The tracer of the framework's own spans; `None` when traces are off.
    #[must_use]
    pub fn tracer(&self) -> Option<&SdkTracer> {
        self.inner.tracer.as_ref()
    }

    /// The meter of the framework's own instruments, whose attributes are names that are fixed in code: they are
    /// exported as they are. `None` when metrics are off.
    #[must_use]
    pub fn meter(&self) -> Option<&Meter> {
        self.inner.meter.as_ref()
    }

    /// A meter for instruments of a service's own, by the name of what records with it. The attributes are redacted and
    /// cut as those of spans are, before they are aggregated. `None` when metrics are off.
    ///
    /// Instruments are made once, where the service starts, and kept.
    #[must_use]
    pub fn meter_of(&self, name: &'static str) -> Option<Meter> {
        self.inner.meters.as_ref().map(|meters| meters.meter(name))
    }

    /// What hides in this service's texts what must not be shown.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        self.inner.rules.scrubber.redactor()
    }

    /// The levels of the service's log, which may be changed while it runs; `None` when its subscriber is somebody else's.
    #[must_use]
    pub fn log_levels(&self) -> Option<&LogLevels> {
        self.inner.rules.levels.as_ref()
    }

    /// The providers, to flush them or to make tracers of one's own. For meters, see [`Telemetry::meter_of`]: those of
    /// the provider itself redact nothing.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.inner.providers
    }

    /// What is looked for in statements. The defaults, unless [`Setup`](super::Setup) was given others.
    #[must_use]
    pub fn database(&self) -> &DatabaseTelemetrySettings {
        &self.inner.rules.database
    }

    /// A database is open whose statements are recorded with this.
    pub(crate) fn expect_statements(&self) {
        self.inner.statements.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_statements(&self) -> bool {
        self.inner.statements.load(Ordering::Relaxed)
    }

    /// Measures the process, and the runtimes of the threads that belong to the service.
    pub(crate) fn observe_process(&self) {
        if let Some(meter) = self.meter() {
            process::observe(meter);
            build::observe(meter);
            self.inner.runtimes.observe(meter);
        }
    }

    /// Says what was held back of the log and not said yet.
    pub(super) fn tell_repeats(&self) {
        if let Some(repeats) = &self.inner.rules.repeats {
            repeats.tell();
        }
    }

    pub(super) fn pipeline(&self) -> Option<&Pipeline> {
        self.inner.pipeline.as_ref()
    }

    /// The context with nothing in it but this telemetry: what a new root starts from.
    ///
    /// It costs an allocation; who needs it often keeps it.
    #[must_use]
    pub fn root(&self) -> Context {
        Context::new().with_value(self.clone())
    }

    /// Reads the trace and the baggage of a caller who is trusted into a context on top of `base`: what `OTEL_PROPAGATORS`
    /// lists of the two, and of the baggage what `telemetry.baggage.accept` lists.
    pub(crate) fn extract<'a>(&self, base: &'a Context, headers: &HeaderMap) -> Cow<'a, Context> {
        let Rules { propagators, border, .. } = &self.inner.rules;
        propagators.extract(base, headers, |cx| border.accept(cx))
    }

    /// Writes the current span of `cx` into the headers of a request to another service, as `traceparent` and `tracestate`
    /// (W3C); and of its baggage, what `telemetry.baggage.send` lists, which is nothing unless it is set. Of the two, those
    /// that `OTEL_PROPAGATORS` lists, which are both unless it is set.
    pub fn inject(&self, cx: &Context, headers: &mut HeaderMap) {
        self.inner.rules.propagators.inject(&self.inner.rules.border.send(cx), headers);
    }

    /// The telemetry of the service whose context is current, if any.
    #[must_use]
    pub fn current() -> Option<Self> {
        Context::map_current(|cx| cx.get::<Self>().cloned())
    }

    /// Makes this service's `tracing` subscriber the default of the calling thread until the guard is dropped.
    ///
    /// Every thread that belongs to a service (a web worker, an arbiter, a database thread) calls this once, so
    /// that several services in one process keep their logs and spans apart.
    #[must_use = "the subscriber is the default only until the guard is dropped"]
    pub fn enter_thread(&self) -> ThreadGuard {
        // What every thread has already costs each record more when a thread has it once again.
        let own = self.inner.dispatch.as_ref().filter(|_| !self.inner.installed.load(Ordering::Relaxed));
        ThreadGuard {
            _default: own.map(tracing::dispatcher::set_default),
            _runtime: self.inner.runtimes.enter(),
        }
    }
}

impl Telemetry {
    /// Makes this the process's telemetry for code that knows nothing of services: OpenTelemetry's global
    /// providers and propagator (W3C trace context, and the baggage that `telemetry.baggage` lists; of the two, those
    /// that `OTEL_PROPAGATORS` lists), and `tracing`'s global default.
    ///
    /// For the outermost `run` of a process only. A global default of `tracing` that is already there stays; where it is
    /// ours, panics are told by it and not by the standard library.
    pub fn install_globally(&self) {
        if let Some(traces) = &self.inner.providers.traces {
            opentelemetry::global::set_tracer_provider(traces.clone());
        }
        if let Some(meters) = &self.inner.meters {
            opentelemetry::global::set_meter_provider(meters.clone());
        }
        let Rules { propagators: Propagators { trace_context, baggage }, border, .. } = &self.inner.rules;
        let mut propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>> = Vec::new();
        if *trace_context {
            propagators.push(Box::new(TraceContext::new()));
        }
        if *baggage {
            propagators.push(Box::new(border.clone()));
        }
        opentelemetry::global::set_text_map_propagator(TextMapCompositePropagator::new(propagators));
        if let Some(dispatch) = &self.inner.dispatch {
            let installed = tracing::dispatcher::set_global_default(dispatch.clone()).is_ok();
            self.inner.installed.store(installed, Ordering::Relaxed);
            if installed {
                panic::log_panics();
            }
        }
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry")
            .field("traces", &self.inner.tracer.is_some())
            .field("metrics", &self.inner.meter.is_some())
            .field("logs", &self.inner.providers.logs.is_some())
            .finish()
    }
}

/// Keeps a service's `tracing` subscriber the default of one thread, see [`Telemetry::enter_thread`].
#[must_use]
pub struct ThreadGuard {
    _default: Option<DefaultGuard>,
    _runtime: Option<runtimes::Entered>,
}
