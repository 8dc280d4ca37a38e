use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder as LogBatchConfig, BatchLogProcessor, LoggerProviderBuilder, SdkLoggerProvider,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder as SpanBatchConfig, BatchSpanProcessor, Sampler, SdkTracerProvider,
    SimpleSpanProcessor, SpanExporter, SpanProcessor,
};
use parking_lot::Mutex;
use tracing_subscriber::filter::Targets;

use super::console::{Console, Output};
use super::environment::{Environment, Notices};
use super::handle::{Providers, Telemetry};
use super::outage::LateDispatch;
use super::pipeline::Pipeline;
use super::relay::{Counted, Line, Relay, Tally};
use super::resource::{ServiceInfo, resource};
use super::sampler::sampler;
use super::scrub::{Limits, ScrubbedLogs, ScrubbedSpans, Scrubber};
use super::target::{Signal, Target, resolve};
use super::worker::Worker;
use super::{TelemetryError, client, subscriber};
use crate::config::{LogSettings, RedactSettings, TelemetrySettings};
use crate::redact::{PatternError, Redactor};

/// Puts a service's [`Telemetry`] together: what it says of itself, where it goes, what is sampled, and the logs.
pub struct Setup {
    info: ServiceInfo,
    settings: TelemetrySettings,
    log: LogSettings,
    environment: Option<Environment>,
    output: Output,
    receivers: Vec<Box<dyn SpanProcessor>>,
    metrics: Vec<Customise<MeterProviderBuilder>>,
}

type Customise<B> = Box<dyn FnOnce(B) -> B + Send>;

/// Where each signal goes.
struct Plan {
    traces: Option<Target>,
    metrics: Option<Target>,
    logs: Option<Target>,
    levels: Targets,
    redactor: Redactor,
}

impl Setup {
    /// The telemetry of this service, by the default settings.
    #[must_use]
    pub fn new(info: ServiceInfo) -> Self {
        Self {
            info,
            settings: TelemetrySettings::default(),
            log: LogSettings::default(),
            environment: None,
            output: Output::Stderr,
            receivers: Vec::new(),
            metrics: Vec::new(),
        }
    }

    /// The section `[telemetry]`. Default: its defaults.
    #[must_use]
    pub fn settings(mut self, settings: TelemetrySettings) -> Self {
        self.settings = settings;
        self
    }

    /// The section `[log]`. Default: its defaults.
    #[must_use]
    pub fn log(mut self, settings: LogSettings) -> Self {
        self.log = settings;
        self
    }

    /// Where the log's lines go. Default stderr, coloured on a terminal.
    #[must_use]
    pub fn log_writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.output = Output::Writer(Mutex::new(Box::new(writer)));
        self
    }

    /// The variables to read. Default: those of the process.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = Some(variables.into_iter().collect());
        self
    }

    /// One more receiver of spans, each at once when it ends. Default none.
    ///
    /// Spans are recorded for it also when nothing is exported.
    #[must_use]
    pub fn span_exporter(self, exporter: impl SpanExporter + 'static) -> Self {
        self.span_processor(SimpleSpanProcessor::new(exporter))
    }

    /// One more span processor; it runs before the export. Default none.
    #[must_use]
    pub fn span_processor(mut self, processor: impl SpanProcessor + 'static) -> Self {
        self.receivers.push(Box::new(processor));
        self
    }

    /// One more receiver of metrics, at [`Telemetry::flush`] and once a minute. Default none.
    #[must_use]
    pub fn metric_exporter(mut self, exporter: impl PushMetricExporter) -> Self {
        self.metrics.push(Box::new(|builder| builder.with_reader(PeriodicReader::builder(exporter).build())));
        self
    }

    /// Everything that is wrong with the settings and variables, without setting anything up.
    #[must_use]
    pub fn check(&self) -> Vec<TelemetryError> {
        let process;
        let environment = match &self.environment {
            Some(environment) => environment,
            None => {
                process = Environment::of_process();
                &process
            }
        };
        self.plan(environment, &mut Notices::default()).err().unwrap_or_default()
    }

    /// Sets everything up. Nothing global is touched: see [`Telemetry::install_globally`].
    ///
    /// # Errors
    ///
    /// The first of what [`check`](Setup::check) finds, or that an exporter or its thread cannot be made.
    pub fn build(self) -> Result<Telemetry, TelemetryError> {
        let mut notices = Notices::default();
        let environment = self.environment.clone().unwrap_or_else(Environment::of_process);
        let plan = self.plan(&environment, &mut notices).map_err(first)?;
        let no_colour = environment.get("NO_COLOR").is_some();
        let redactor = plan.redactor;
        let format = self.log.format;
        let console = Console::new(self.info.name.clone(), format, no_colour, self.output, redactor.clone());
        let limits = Limits::new(&self.settings.limits, &environment, &mut notices);
        let scrubber = Scrubber::new(redactor.clone(), limits.span_length);

        if !self.settings.enabled || environment.is_true("OTEL_SDK_DISABLED") {
            let providers = Providers::default();
            let dispatch = subscriber::subscriber(console, &plan.levels, &providers);
            return Ok(Telemetry::assembled(providers, Some(dispatch), None, scrubber));
        }
        let sampler = sampler(self.settings.sample_ratio, &environment, &mut notices);
        let pipeline = Pipeline::default();
        let warnings = Arc::new(LateDispatch::new());
        let exports = plan.traces.is_some() || plan.metrics.is_some() || plan.logs.is_some();
        let worker = if exports { Some(Worker::start()?) } else { None };
        let mut assembly = Assembly {
            resource: resource(&self.info, &environment),
            environment: &environment,
            notices: &mut notices,
            pipeline: &pipeline,
            warnings: &warnings,
            limits,
            scrubber: &scrubber,
        };
        let with_worker = |target: Option<Target>| target.zip(worker.clone());
        let providers = Providers {
            traces: Some(assembly.traces(with_worker(plan.traces), sampler, self.receivers)?),
            metrics: assembly.metrics(with_worker(plan.metrics), self.metrics)?,
            logs: assembly.logs(with_worker(plan.logs))?,
        };
        let dispatch = subscriber::subscriber(console, &plan.levels, &providers);
        // It is filled here and nowhere else.
        let _ = warnings.set(dispatch.downgrade());
        tracing::dispatcher::with_default(&dispatch, || notices.log());
        Ok(Telemetry::assembled(providers, Some(dispatch), Some(pipeline), scrubber))
    }

    fn plan(&self, environment: &Environment, notices: &mut Notices) -> Result<Plan, Vec<TelemetryError>> {
        let mut wrong = Vec::new();
        let mut target = |signal| {
            resolve(signal, &self.settings, environment, notices).unwrap_or_else(|error| {
                // One bad variable for all signals is one error.
                if wrong.iter().all(|other: &TelemetryError| other.to_string() != error.to_string()) {
                    wrong.push(error);
                }
                None
            })
        };
        let (traces, metrics, logs) = (target(Signal::Traces), target(Signal::Metrics), target(Signal::Logs));
        let levels = subscriber::levels(&self.log.level).unwrap_or_else(|| {
            wrong.push(TelemetryError::LogLevel { value: self.log.level.clone() });
            Targets::new()
        });
        let redactor = redactor(&self.settings.redact).unwrap_or_else(|error| {
            wrong.push(error.into());
            Redactor::off()
        });
        if wrong.is_empty() { Ok(Plan { traces, metrics, logs, levels, redactor }) } else { Err(wrong) }
    }
}

fn redactor(settings: &RedactSettings) -> Result<Redactor, PatternError> {
    if settings.enabled { Redactor::new(&settings.names, &settings.patterns) } else { Ok(Redactor::off()) }
}

/// `plan` fails with at least one error.
fn first(mut errors: Vec<TelemetryError>) -> TelemetryError {
    errors.swap_remove(0)
}

/// What the three providers are made with.
struct Assembly<'a> {
    resource: Resource,
    environment: &'a Environment,
    notices: &'a mut Notices,
    pipeline: &'a Pipeline,
    warnings: &'a Arc<LateDispatch>,
    limits: Limits,
    scrubber: &'a Scrubber,
}

type Export = Option<(Target, Arc<Worker>)>;

impl Assembly<'_> {
    fn traces(
        &mut self,
        export: Export,
        sampler: Sampler,
        mut receivers: Vec<Box<dyn SpanProcessor>>,
    ) -> Result<SdkTracerProvider, TelemetryError> {
        let recorded = export.is_some() || !receivers.is_empty();
        // Without a receiver spans still have ids, for the logs and for problem documents, at the price of the ids;
        // a caller's decision is passed on to whoever comes next.
        let sampler = if recorded { sampler } else { Sampler::ParentBased(Box::new(Sampler::AlwaysOff)) };
        if let Some((target, worker)) = export {
            let exporter = client::spans(&target, &worker)?;
            let tally = self.pipeline.spans.clone();
            let (queue, batch, delay) = self.batching("BSP", 5_000);
            let config = SpanBatchConfig::default()
                .with_max_queue_size(queue)
                .with_max_export_batch_size(batch)
                .with_scheduled_delay(delay)
                .build();
            let relay = Relay::new(exporter, self.line(&target, worker, &tally));
            let processor = BatchSpanProcessor::builder(relay).with_batch_config(config).build();
            receivers.push(Box::new(Counted::new(processor, tally)));
        }
        Ok(SdkTracerProvider::builder()
            .with_resource(self.resource.clone())
            .with_sampler(sampler)
            .with_span_limits(self.limits.span)
            .with_span_processor(ScrubbedSpans::new(self.scrubber.clone(), receivers))
            .build())
    }

    fn metrics(
        &mut self,
        export: Export,
        extra: Vec<Customise<MeterProviderBuilder>>,
    ) -> Result<Option<SdkMeterProvider>, TelemetryError> {
        if export.is_none() && extra.is_empty() {
            return Ok(None);
        }
        let mut builder =
            SdkMeterProvider::builder().with_resource(self.resource.clone()).with_view(self.limits.series());
        builder = extra.into_iter().fold(builder, |builder, customise| customise(builder));
        if let Some((target, worker)) = export {
            let exporter = client::metrics(&target, self.temporality(), &worker)?;
            let tally = self.pipeline.metrics.clone();
            let interval = self.environment.millis(&["OTEL_METRIC_EXPORT_INTERVAL"], 60_000, self.notices);
            let relay = Relay::new(exporter, self.line(&target, worker, &tally));
            builder = builder.with_reader(PeriodicReader::builder(relay).with_interval(interval).build());
        }
        Ok(Some(builder.build()))
    }

    fn logs(&mut self, export: Export) -> Result<Option<SdkLoggerProvider>, TelemetryError> {
        let Some((target, worker)) = export else { return Ok(None) };
        let exporter = client::logs(&target, &worker)?;
        let tally = self.pipeline.logs.clone();
        let (queue, batch, delay) = self.batching("BLRP", 1_000);
        let config = LogBatchConfig::default()
            .with_max_queue_size(queue)
            .with_max_export_batch_size(batch)
            .with_scheduled_delay(delay)
            .build();
        let relay = Relay::new(exporter, self.line(&target, worker, &tally));
        let processor = BatchLogProcessor::builder(relay).with_batch_config(config).build();
        let builder: LoggerProviderBuilder =
            SdkLoggerProvider::builder().with_resource(self.resource.clone());
        let Limits { log_length, log_attributes, .. } = self.limits;
        let scrubber = Scrubber::new(self.scrubber.redactor().clone(), log_length);
        let processor = ScrubbedLogs::new(scrubber, log_attributes, Counted::new(processor, tally));
        Ok(Some(builder.with_log_processor(processor).build()))
    }

    fn line(&self, target: &Target, worker: Arc<Worker>, tally: &Arc<Tally>) -> Line {
        Line::new(target, worker, self.pipeline.cutoff.subscribe(), tally.clone(), self.warnings.clone())
    }

    /// Queue size, batch size and delay of a batch processor, with the specification's defaults.
    fn batching(&mut self, processor: &str, delay_ms: u64) -> (usize, usize, Duration) {
        let Self { environment, notices, .. } = self;
        let queue = environment.positive(&format!("OTEL_{processor}_MAX_QUEUE_SIZE"), 2_048_usize, notices);
        let batch =
            environment.positive(&format!("OTEL_{processor}_MAX_EXPORT_BATCH_SIZE"), 512_usize, notices);
        let delay = environment.millis(&[&format!("OTEL_{processor}_SCHEDULE_DELAY")], delay_ms, notices);
        (queue, batch.min(queue), delay)
    }

    fn temporality(&mut self) -> Temporality {
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        match self.environment.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("cumulative") => Temporality::Cumulative,
            Some("delta") => Temporality::Delta,
            Some("lowmemory") => Temporality::LowMemory,
            Some(other) => {
                self.notices.note(format!("{name} is `{other}`, which is not known: cumulative is used"));
                Temporality::Cumulative
            }
        }
    }
}
