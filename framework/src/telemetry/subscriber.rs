use std::sync::Arc;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};

use super::console::Console;
use super::handle::Providers;
use super::levels::LogLevels;
use super::repeats::Repeats;

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The service's `tracing` subscriber: lines to the console, spans to OpenTelemetry, records to OpenTelemetry when
/// logs are exported.
pub(super) fn subscriber(
    console: Console,
    levels: &LogLevels,
    repeats: Option<Arc<Repeats>>,
    providers: &Providers,
) -> Dispatch {
    let gate = |lets, least, repeats| Gate { levels: levels.clone(), lets, least, repeats };
    let mut layers: Vec<BoxedLayer> = Vec::new();
    // First, so that the other layers' records are written inside the span.
    if let Some(traces) = &providers.traces {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("tracing"))
            .with_context_activation(true)
            .with_location(false)
            .with_threads(false);
        layers.push(Box::new(layer.with_filter(gate(spans, LevelFilter::INFO, None))));
    }
    let mut lines: Vec<BoxedLayer> = vec![Box::new(console)];
    if let Some(logs) = &providers.logs {
        let bridge = OpenTelemetryTracingBridge::new(logs);
        lines.push(Box::new(bridge.with_filter(filter_fn(|metadata| !about_exporting(metadata.target())))));
    }
    // One gate for both, so that a line is counted once.
    layers.push(Box::new(lines.with_filter(gate(records, LevelFilter::OFF, repeats))));
    Dispatch::new(tracing_subscriber::registry().with(layers))
}

/// Lets through what the levels as they are now let through.
struct Gate {
    levels: LogLevels,
    lets: fn(&LogLevels, &Metadata<'_>) -> bool,
    /// As verbose as this it is with any levels.
    least: LevelFilter,
    repeats: Option<Arc<Repeats>>,
}

impl<S> Filter<S> for Gate {
    fn enabled(&self, metadata: &Metadata<'_>, _cx: &Context<'_, S>) -> bool {
        (self.lets)(&self.levels, metadata)
    }

    /// Remembered where the record is written, until the levels change.
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match (self.lets)(&self.levels, metadata) {
            false => Interest::never(),
            // What may be held back must be asked for each time: `event_enabled` alone is not enough to the registry.
            true if self.repeats.is_some() => Interest::sometimes(),
            true => Interest::always(),
        }
    }

    /// Asked for what the levels let through.
    fn event_enabled(&self, event: &Event<'_>, _cx: &Context<'_, S>) -> bool {
        self.repeats.as_ref().is_none_or(|repeats| repeats.let_through(event.metadata()))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.levels.most().max(self.least))
    }
}

/// Which `tracing` spans become OpenTelemetry's: those of level info and above, and lower ones that `log.level`
/// lets through; none of the libraries', whose spans say what the framework's own say already.
///
/// Of the records only errors: they mark the span as failed. All others are logs, and are not sent twice.
fn spans(levels: &LogLevels, metadata: &Metadata<'_>) -> bool {
    let level = *metadata.level();
    if metadata.is_event() {
        return level == Level::ERROR;
    }
    (level <= Level::INFO || levels.enable(metadata)) && !of_library(metadata.target())
}

fn records(levels: &LogLevels, metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && levels.enable(metadata)
}

fn crate_of(target: &str) -> &str {
    target.split("::").next().unwrap_or(target)
}

/// What exporters log while they export. Sent along, it would make more to export.
fn about_exporting(target: &str) -> bool {
    let name = crate_of(target);
    name.starts_with("opentelemetry")
        || name.starts_with("hyper")
        || matches!(name, "h2" | "tonic" | "tower")
        || target == super::TARGET
}

fn of_library(target: &str) -> bool {
    let name = crate_of(target);
    about_exporting(target)
        || name.starts_with("actix")
        || matches!(name, "rustls" | "tokio" | "mio" | "reqwest" | "want" | "tokio_postgres")
}
