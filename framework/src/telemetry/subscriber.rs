use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{FilterFn, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::console::Console;
use super::handle::Providers;

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The service's `tracing` subscriber: lines to the console, spans to OpenTelemetry, records to OpenTelemetry when
/// logs are exported.
pub(super) fn subscriber(console: Console, levels: &Targets, providers: &Providers) -> Dispatch {
    let mut layers: Vec<BoxedLayer> = Vec::new();
    // First, so that the other layers' records are written inside the span.
    if let Some(traces) = &providers.traces {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer("tracing"))
            .with_context_activation(true)
            .with_location(false)
            .with_threads(false);
        layers.push(Box::new(layer.with_filter(spans(levels.clone()))));
    }
    layers.push(Box::new(console.with_filter(records(levels.clone(), |_| true))));
    if let Some(logs) = &providers.logs {
        let bridge = OpenTelemetryTracingBridge::new(logs);
        layers.push(Box::new(bridge.with_filter(records(levels.clone(), |target| !about_exporting(target)))));
    }
    Dispatch::new(tracing_subscriber::registry().with(layers))
}

/// Which `tracing` spans become OpenTelemetry's: those of level info and above, and lower ones that `log.level`
/// lets through; none of the libraries', whose spans say what the framework's own say already.
///
/// Of the records only errors: they mark the span as failed. All others are logs, and are not sent twice.
fn spans(levels: Targets) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let most = most_verbose(&levels).max(LevelFilter::INFO);
    filter_fn(move |metadata| {
        let level = *metadata.level();
        if metadata.is_event() {
            return level == Level::ERROR;
        }
        (level <= Level::INFO || levels.would_enable(metadata.target(), &level))
            && !of_library(metadata.target())
    })
    .with_max_level_hint(most)
}

fn records(levels: Targets, wanted: fn(&str) -> bool) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let most = most_verbose(&levels);
    filter_fn(move |metadata| {
        metadata.is_event()
            && wanted(metadata.target())
            && levels.would_enable(metadata.target(), metadata.level())
    })
    .with_max_level_hint(most)
}

/// `info`, or `info,orders=debug`; `None` when it is neither.
///
/// Stricter than `Targets`' own parser, which takes a misspelt level for a target and then logs nothing else.
///
/// `own` is the level of what is logged about the telemetry itself, unless the text names its target.
pub(super) fn levels(text: &str, own: Option<LevelFilter>) -> Option<Targets> {
    if text.trim().is_empty() {
        return None;
    }
    // Named targets win over these. actix logs each malformed request as an error, which any stranger can send, and
    // each worker's start and stop.
    let mut quiet = Targets::new()
        .with_target("actix_http", LevelFilter::OFF)
        .with_target("actix_server", LevelFilter::WARN);
    if let Some(level) = own {
        quiet = quiet.with_target(super::TARGET, level).with_target("opentelemetry", level);
    }
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).try_fold(quiet, |levels, part| {
        Some(match part.split_once('=') {
            Some((target, level)) => {
                levels.with_target(target.trim(), level.trim().parse::<LevelFilter>().ok()?)
            }
            None => levels.with_default(part.parse::<LevelFilter>().ok()?),
        })
    })
}

fn most_verbose(levels: &Targets) -> LevelFilter {
    let each = levels.iter().map(|(_, level)| level);
    each.chain(levels.default_level()).max().unwrap_or(LevelFilter::OFF)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_no_target_either() {
        for text in ["inof", "", "info,orders", "orders=loud", "info,=x"] {
            assert!(levels(text, None).is_none(), "{text}");
        }
    }

    #[test]
    fn levels_are_read_by_target() {
        let levels = levels("warn, orders=debug", None).unwrap();
        assert!(levels.would_enable("orders::api", &Level::DEBUG));
        assert!(levels.would_enable("other", &Level::WARN));
        assert!(!levels.would_enable("other", &Level::INFO));
    }

    #[test]
    fn the_telemetrys_own_level_holds_for_what_it_logs_of_itself() {
        let own = Some(LevelFilter::ERROR);
        let quiet = levels("info", own).unwrap();
        assert!(!quiet.would_enable("spanbox::telemetry", &Level::WARN));
        assert!(!quiet.would_enable("opentelemetry_sdk", &Level::WARN));
        assert!(quiet.would_enable("orders", &Level::INFO));
        let named = levels("info,spanbox::telemetry=debug", own).unwrap();
        assert!(named.would_enable("spanbox::telemetry", &Level::DEBUG));
    }
}
