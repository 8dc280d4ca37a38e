use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use tracing::level_filters::LevelFilter;

use super::TelemetryError;
use super::environment::{Environment, Notices};
use super::levels::{Directives, LogLevels};
use super::resource::{ServiceInfo, resource};
use super::sampler::Head;
use super::scrub::Limits;
use super::target::{Signal, Target, resolve};
use crate::config::{LogSettings, RedactSettings, TelemetrySettings};
use crate::context::Propagators;
use crate::redact::{PatternError, Redactor};

/// All that the settings and the variables say, before anything is made of it.
pub(super) struct Plan {
    pub(super) levels: LogLevels,
    pub(super) propagators: Propagators,
    pub(super) redactor: Redactor,
    pub(super) limits: Limits,
    /// `None` when telemetry is switched off.
    pub(super) recording: Option<Recording>,
}

/// What is recorded and where it goes.
pub(super) struct Recording {
    pub(super) resource: Resource,
    pub(super) head: Head,
    pub(super) traces: Option<(Target, Batching)>,
    pub(super) metrics: Option<(Target, Reading)>,
    pub(super) logs: Option<(Target, Batching)>,
}

/// How a batch processor works.
#[derive(Clone, Copy)]
pub(super) struct Batching {
    pub(super) queue: usize,
    pub(super) batch: usize,
    pub(super) delay: Duration,
}

/// How metrics are read.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) interval: Duration,
    pub(super) temporality: Temporality,
}

impl Plan {
    pub(super) fn read(
        info: &ServiceInfo,
        settings: &TelemetrySettings,
        log: &LogSettings,
        environment: &Environment,
        notices: &mut Notices,
    ) -> Result<Self, Vec<TelemetryError>> {
        let mut wrong = Vec::new();
        let own_level = own_level(environment, notices);
        let directives = Directives::parse(&log.level).unwrap_or_else(|_| {
            wrong.push(TelemetryError::LogLevel { value: log.level.clone() });
            Directives::default()
        });
        let levels = LogLevels::new(directives, own_level);
        let redactor = redactor(&settings.redact).unwrap_or_else(|error| {
            wrong.push(error.into());
            Redactor::off()
        });
        let limits = Limits::new(&settings.limits, environment, notices);
        let propagators = propagators(environment, notices);
        let off = !settings.enabled || environment.is_true(&["OTEL_SDK_DISABLED"], notices);
        let recording = (!off).then(|| Recording::read(info, settings, environment, notices, &mut wrong));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self { levels, propagators, redactor, limits, recording })
    }
}

impl Recording {
    fn read(
        info: &ServiceInfo,
        settings: &TelemetrySettings,
        environment: &Environment,
        notices: &mut Notices,
        wrong: &mut Vec<TelemetryError>,
    ) -> Self {
        let mut target = |signal, notices: &mut Notices| {
            resolve(signal, settings, environment, notices).unwrap_or_else(|error| {
                // One bad variable for all signals is one error.
                if wrong.iter().all(|other| other.to_string() != error.to_string()) {
                    wrong.push(error);
                }
                None
            })
        };
        let traces = target(Signal::Traces, notices);
        let metrics = target(Signal::Metrics, notices);
        let logs = target(Signal::Logs, notices);
        Self {
            resource: resource(info, environment, notices),
            head: Head::new(settings, environment, notices),
            traces: traces.map(|target| (target, Batching::read("BSP", 8_192, 5_000, environment, notices))),
            metrics: metrics.map(|target| (target, Reading::read(environment, notices))),
            logs: logs.map(|target| (target, Batching::read("BLRP", 2_048, 1_000, environment, notices))),
        }
    }
}

impl Batching {
    /// Of the batch processor of this name, with the specification's defaults, but for the queue of spans: it holds four times
    /// as many, since jobs that do nothing end 2,048 in 7 ms, and what waits are a few hundred bytes each.
    fn read(
        processor: &str,
        queue: usize,
        delay_ms: u64,
        environment: &Environment,
        notices: &mut Notices,
    ) -> Self {
        let queue = environment.positive(&format!("OTEL_{processor}_MAX_QUEUE_SIZE"), queue, notices);
        let name = format!("OTEL_{processor}_MAX_EXPORT_BATCH_SIZE");
        let batch = environment.positive(&name, 512_usize, notices);
        if batch > queue && environment.get(&name).is_some() {
            notices.note(format!("{name} is `{batch}`, which is more than the queue holds: {queue} is used"));
        }
        let delay = environment.millis(&[&format!("OTEL_{processor}_SCHEDULE_DELAY")], delay_ms, notices);
        Self { queue, batch: batch.min(queue), delay }
    }
}

impl Reading {
    fn read(environment: &Environment, notices: &mut Notices) -> Self {
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        let default = (Temporality::Cumulative, "cumulative");
        let flaw = "none of `cumulative`, `delta` and `lowmemory`";
        Self {
            interval: environment.millis(&["OTEL_METRIC_EXPORT_INTERVAL"], 60_000, notices),
            temporality: environment.read(&[name], default, flaw, notices, |text| {
                Some(match text.to_ascii_lowercase().as_str() {
                    "cumulative" => Temporality::Cumulative,
                    "delta" => Temporality::Delta,
                    "lowmemory" => Temporality::LowMemory,
                    _ => return None,
                })
            }),
        }
    }
}

fn redactor(settings: &RedactSettings) -> Result<Redactor, PatternError> {
    if settings.enabled { Redactor::new(&settings.names, &settings.patterns) } else { Ok(Redactor::off()) }
}

/// The level of what is logged about the telemetry itself.
fn own_level(environment: &Environment, notices: &mut Notices) -> Option<LevelFilter> {
    environment.read(&["OTEL_LOG_LEVEL"], (None, "log.level"), "no level", notices, |text| {
        match text.to_ascii_lowercase().as_str() {
            "none" => Some(Some(LevelFilter::OFF)),
            level => level.parse().ok().map(Some),
        }
    })
}

fn propagators(environment: &Environment, notices: &mut Notices) -> Propagators {
    let name = "OTEL_PROPAGATORS";
    let Some(list) = environment.get(name) else { return Propagators::default() };
    let mut propagators = Propagators::NONE;
    let mut known = false;
    for propagator in list.split(',').map(str::trim).filter(|propagator| !propagator.is_empty()) {
        match propagator.to_ascii_lowercase().as_str() {
            "tracecontext" => propagators.trace_context = true,
            "baggage" => propagators.baggage = true,
            "none" => {}
            _ => {
                notices.note(format!(
                    "{name} has `{propagator}`, which is not built in: only `tracecontext`, `baggage` and `none` are"
                ));
                continue;
            }
        }
        known = true;
    }
    // A list of nothing that is known is no wish for nothing.
    if known { propagators } else { Propagators::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn the_propagators_are_those_of_the_list() {
        let (all, none) = (Propagators::default(), Propagators::NONE);
        for (list, expected, noted) in [
            ("", all, false),
            ("tracecontext,baggage", all, false),
            ("TraceContext", Propagators { baggage: false, ..all }, false),
            ("baggage", Propagators { trace_context: false, ..all }, false),
            ("none", none, false),
            ("tracecontext,b3", Propagators { baggage: false, ..all }, true),
            ("b3multi,jaeger", all, true),
        ] {
            let mut notices = Notices::default();
            let found = propagators(&environment(&[("OTEL_PROPAGATORS", list)]), &mut notices);
            assert_eq!((found, notices.about("OTEL_PROPAGATORS").is_some()), (expected, noted), "{list}");
        }
    }

    #[test]
    fn a_batch_is_no_larger_than_its_queue() {
        let (queue, batch) = ("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
        let mut notices = Notices::default();
        let read = |variables: &[(&str, &str)], notices: &mut Notices| {
            Batching::read("BSP", 8_192, 5_000, &environment(variables), notices).batch
        };
        assert_eq!(read(&[(queue, "100")], &mut notices), 100);
        assert_eq!(notices.about(batch), None, "the default gives way without a word");
        assert_eq!(read(&[(queue, "100"), (batch, "200")], &mut notices), 100);
        let expected = "is `200`, which is more than the queue holds: 100 is used";
        assert_eq!(notices.about(batch), Some(expected));
    }

    #[test]
    fn what_is_switched_off_reads_no_endpoint() {
        let off = environment(&[("OTEL_SDK_DISABLED", "true"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")]);
        let plan = Plan::read(
            &ServiceInfo::new("orders", "1.0.0"),
            &TelemetrySettings::default(),
            &LogSettings::default(),
            &off,
            &mut Notices::default(),
        );
        assert!(plan.unwrap_or_else(|wrong| panic!("{wrong:?}")).recording.is_none());
    }
}
