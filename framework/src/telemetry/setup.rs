use std::io::Write;
use std::sync::Arc;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder as LogBatchConfig, BatchLogProcessor, LoggerProviderBuilder, SdkLoggerProvider,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{SdkTracerProvider, SimpleSpanProcessor, SpanExporter, SpanProcessor};
use parking_lot::Mutex;

use super::client::Cause;
use super::console::{Console, Output};
use super::environment::{Environment, Notices};
use super::handle::{Providers, Rules, SCOPE, Telemetry};
use super::keep::{Held, Receivers};
use super::outage::LateDispatch;
use super::outbox::Outbox;
use super::pipeline::Pipeline;
use super::plan::{Batching, Plan, Reading, Recording};
use super::prometheus::Scrape;
use super::relay::{Counted, Line, Relay};
use super::repeats::Repeats;
use super::resource::ServiceInfo;
use super::sampler::Head;
use super::scrub::{Limits, ScrubbedLogs, Scrubber};
use super::tally::Tally;
use super::target::Target;
use super::unrecorded::Ids;
use super::variables::{self, Variable};
use super::worker::Worker;
use super::{TelemetryError, client, repeats, subscriber};
use crate::config::{LogSettings, RecordSettings, TelemetrySettings};
use crate::context::Border;

/// Puts a service's [`Telemetry`] together: what it says of itself, where it goes, what is sampled, and the logs.
pub struct Setup {
    info: ServiceInfo,
    settings: TelemetrySettings,
    log: LogSettings,
    environment: Option<Environment>,
    output: Output,
    receivers: Vec<Box<dyn SpanProcessor>>,
    metrics: Vec<Customise<MeterProviderBuilder>>,
    scraped: bool,
}

type Customise<B> = Box<dyn FnOnce(B) -> B + Send>;

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
            scraped: false,
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
    ///
    /// It sees the end of the spans that are exported: sampled, or kept by `telemetry.keep`. The start of the others
    /// it sees too, while it is not known what becomes of them.
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

    /// Whether somebody scrapes the metrics, see [`Telemetry::exposition`]: then they are aggregated also when they are
    /// exported nowhere. Default false.
    #[must_use]
    pub fn scraped(mut self, scraped: bool) -> Self {
        self.scraped = scraped;
        self
    }

    /// Everything that is wrong with the settings and variables, without setting anything up.
    #[must_use]
    pub fn check(&self) -> Vec<TelemetryError> {
        self.plan(&self.variables_read(), &mut Notices::default()).err().unwrap_or_default()
    }

    /// Each `OTEL_*` variable that is set, and what becomes of it, by name. Empty ones are not set.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        let environment = self.variables_read().watched();
        let mut notices = Notices::default();
        // What is refused is `check`'s to tell.
        let _ = self.plan(&environment, &mut notices);
        variables::audit(&environment, &notices)
    }

    /// Sets everything up. Nothing global is touched: see [`Telemetry::install_globally`].
    ///
    /// # Errors
    ///
    /// The first of what [`check`](Setup::check) finds, or that an exporter or its thread cannot be made.
    pub fn build(self) -> Result<Telemetry, TelemetryError> {
        let mut notices = Notices::default();
        let environment = self.variables_read();
        let plan = self.plan(&environment, &mut notices).map_err(first)?;
        let no_colour = environment.get("NO_COLOR").is_some();
        let Plan { levels, propagators, redactor, limits, recording } = plan;
        let format = self.log.format;
        let console = Console::new(self.info.name.clone(), format, no_colour, self.output, redactor.clone());
        let scrubber = Arc::new(Scrubber::new(redactor, limits.span_length));
        let TelemetrySettings { baggage, database, keep, logs: RecordSettings { repeats: most }, .. } =
            self.settings;
        let border = Border::new(&baggage.accept, &baggage.send);
        let warnings = Arc::new(LateDispatch::new());
        let repeats = (most > 0).then(|| Repeats::new(most, repeats::WINDOW, Arc::clone(&warnings)));
        let rules = Rules {
            scrubber: Arc::clone(&scrubber),
            propagators,
            border,
            database,
            levels: Some(levels.clone()),
            repeats: repeats.clone(),
        };

        let Some(recording) = recording else {
            let providers = Providers::default();
            let dispatch = subscriber::subscriber(console, &levels, repeats, &providers);
            // It is filled here or below.
            let _ = warnings.set(dispatch.downgrade());
            tracing::dispatcher::with_default(&dispatch, || notices.log());
            return Ok(Telemetry::assembled(providers, Some(dispatch), None, rules));
        };
        let Recording { resource, mut head, traces, metrics, logs } = recording;
        let mut pipeline = Pipeline::default();
        if traces.is_none() && self.receivers.is_empty() {
            // Without a receiver spans still have ids, for the logs and for problem documents, at the price of the
            // ids; a caller's decision is passed on to whoever comes next.
            head = Head::silent();
        } else if keep.enabled && !head.wants_none() {
            let held = Arc::new(Held::new(keep));
            head = head.holding(Arc::clone(&held));
            pipeline.held = Some(held);
        }
        pipeline.head = Some(head.clone());
        let exports = traces.is_some() || metrics.is_some() || logs.is_some();
        let worker = if exports { Some(Worker::start()?) } else { None };
        let assembly =
            Assembly { resource, pipeline: &pipeline, warnings: &warnings, limits, scrubber: &scrubber };
        let (metrics, scrape) = assembly.metrics(metrics.zip(worker.clone()), self.metrics, self.scraped)?;
        let providers = Providers {
            traces: Some(assembly.traces(traces.zip(worker.clone()), head, self.receivers)?),
            metrics,
            logs: assembly.logs(logs.zip(worker))?,
        };
        if let (Some(held), Some(metrics)) = (&pipeline.held, &providers.metrics) {
            held.observe(&metrics.meter(SCOPE));
        }
        pipeline.scrape = scrape;
        let dispatch = subscriber::subscriber(console, &levels, repeats, &providers);
        let _ = warnings.set(dispatch.downgrade());
        tracing::dispatcher::with_default(&dispatch, || notices.log());
        let tallies = [&pipeline.spans, &pipeline.metrics, &pipeline.logs].map(Arc::clone);
        let telemetry = Telemetry::assembled(providers, Some(dispatch), Some(pipeline), rules);
        if let Some(meter) = telemetry.meter() {
            tallies.iter().for_each(|tally| tally.observe(meter));
        }
        Ok(telemetry)
    }

    pub(super) const fn info(&self) -> &ServiceInfo {
        &self.info
    }

    pub(super) const fn settings_read(&self) -> &TelemetrySettings {
        &self.settings
    }

    pub(super) fn variables_read(&self) -> Environment {
        self.environment.clone().unwrap_or_else(Environment::of_process)
    }

    pub(super) fn plan(
        &self,
        environment: &Environment,
        notices: &mut Notices,
    ) -> Result<Plan, Vec<TelemetryError>> {
        Plan::read(&self.info, &self.settings, &self.log, environment, notices)
    }

    /// The names of the variables that it reads, set or not.
    #[cfg(test)]
    pub(super) fn asked(&self) -> std::collections::BTreeSet<String> {
        let environment = self.variables_read().watched();
        let _ = self.plan(&environment, &mut Notices::default());
        environment.asked()
    }
}

/// `plan` fails with at least one error.
pub(super) fn first(mut errors: Vec<TelemetryError>) -> TelemetryError {
    errors.swap_remove(0)
}

/// What the three providers are made with.
struct Assembly<'a> {
    resource: Resource,
    pipeline: &'a Pipeline,
    warnings: &'a Arc<LateDispatch>,
    limits: Limits,
    scrubber: &'a Scrubber,
}

/// Where a signal goes, how it is gathered, and who sends it.
type Export<G> = Option<((Target, G), Arc<Worker>)>;

impl Assembly<'_> {
    fn traces(
        &self,
        export: Export<Batching>,
        head: Head,
        mut receivers: Vec<Box<dyn SpanProcessor>>,
    ) -> Result<SdkTracerProvider, TelemetryError> {
        if let Some(((target, batching), worker)) = export {
            let cause = Cause::default();
            let client = client::spans(&target, &worker, &cause)?;
            let tally = self.pipeline.spans.clone();
            tally.describe(&target, Some(batching.queue));
            let line = self.line(&target, Arc::clone(&worker), &tally, cause);
            receivers.push(Box::new(Outbox::start(client, line, &worker, &self.resource, &batching, tally)));
        }
        // One processor, whatever is behind it: of several, the SDK gives each a copy of every span.
        let receivers = Receivers::new(self.pipeline.held.clone(), self.scrubber.clone(), receivers);
        Ok(SdkTracerProvider::builder()
            .with_resource(self.resource.clone())
            .with_sampler(head)
            .with_id_generator(Ids::default())
            .with_span_limits(self.limits.span)
            .with_span_processor(receivers)
            .build())
    }

    fn metrics(
        &self,
        export: Export<Reading>,
        extra: Vec<Customise<MeterProviderBuilder>>,
        scraped: bool,
    ) -> Result<(Option<SdkMeterProvider>, Option<Scrape>), TelemetryError> {
        if export.is_none() && extra.is_empty() && !scraped {
            return Ok((None, None));
        }
        let mut builder =
            SdkMeterProvider::builder().with_resource(self.resource.clone()).with_view(self.limits.series());
        builder = extra.into_iter().fold(builder, |builder, customise| customise(builder));
        let mut scrape = None;
        if let Some(((target, reading), worker)) = export {
            let cause = Cause::default();
            let exporter = client::metrics(&target, reading.temporality, &worker, &cause)?;
            let tally = self.pipeline.metrics.clone();
            tally.describe(&target, None);
            let relay = Relay::new(exporter, self.line(&target, worker, &tally, cause));
            let reader = PeriodicReader::builder(relay).with_interval(reading.interval).build();
            if scraped && reading.temporality == Temporality::Cumulative {
                scrape = Some(Scrape::sharing(reader.clone()));
            }
            builder = builder.with_reader(reader);
        }
        if scraped && scrape.is_none() {
            let alone = Scrape::alone();
            builder = builder.with_reader(alone.clone());
            scrape = Some(alone);
        }
        Ok((Some(builder.build()), scrape))
    }

    fn logs(&self, export: Export<Batching>) -> Result<Option<SdkLoggerProvider>, TelemetryError> {
        let Some(((target, batching), worker)) = export else { return Ok(None) };
        let cause = Cause::default();
        let exporter = client::logs(&target, &worker, &cause)?;
        let tally = self.pipeline.logs.clone();
        tally.describe(&target, Some(batching.queue));
        let config = LogBatchConfig::default()
            .with_max_queue_size(batching.queue)
            .with_max_export_batch_size(batching.batch)
            .with_scheduled_delay(batching.delay)
            .build();
        let relay = Relay::new(exporter, self.line(&target, worker, &tally, cause));
        let processor = BatchLogProcessor::builder(relay).with_batch_config(config).build();
        let builder: LoggerProviderBuilder =
            SdkLoggerProvider::builder().with_resource(self.resource.clone());
        let Limits { log_length, log_attributes, .. } = self.limits;
        let scrubber = Scrubber::new(self.scrubber.redactor().clone(), log_length);
        let processor = ScrubbedLogs::new(scrubber, log_attributes, Counted::new(processor, tally));
        Ok(Some(builder.with_log_processor(processor).build()))
    }

    fn line(&self, target: &Target, worker: Arc<Worker>, tally: &Arc<Tally>, cause: Cause) -> Line {
        let cutoff = self.pipeline.cutoff.subscribe();
        Line::new(target, worker, cutoff, tally.clone(), cause, self.warnings.clone())
    }
}
