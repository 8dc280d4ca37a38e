use std::future::Future;
use std::path::PathBuf;

use actix_web::{HttpRequest, HttpResponse};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanProcessor;

use super::ready::Ready;
use super::{BootErrors, Remains, TlsError, tls};
use crate::config::{
    Config, DatabaseSettings, EdgeSettings, Loader, LogSettings, ManagementSettings, RedisSettings,
    ServerSettings, ServiceSettings, SheddingSettings, TelemetrySettings,
};
use crate::data::Migrations;
#[cfg(feature = "openapi")]
use crate::ext::openapi::{self, Description, Document};
use crate::ext::{Entry, Extension, in_order};
use crate::jobs::{self, JobsSettings, Transport};
use crate::module::{Boot, BoxError, Module, RouteTable, check_jobs, health_module};
use crate::telemetry::{ServiceInfo, Setup};
use crate::web::Problem;

/// Changes how the telemetry is set up.
pub(super) type Instrument = Box<dyn FnOnce(Setup) -> Setup + Send>;

/// The description of a service. See the [module documentation](super).
#[must_use]
pub struct Service {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    profile: Option<String>,
    directory: Option<PathBuf>,
    no_files: bool,
    environment: Vec<(String, String)>,
    defaults: Vec<(&'static str, String)>,
    extensions: Vec<Entry>,
    pub(super) root: Module,
    pub(super) migrations: Option<&'static Migrations>,
    #[cfg(feature = "openapi")]
    pub(super) document: Option<Document>,
    pub(super) instrument: Vec<Instrument>,
}

impl Service {
    /// A service with nothing but its probes, `/health/` and `/health/ready`.
    ///
    /// The name and the version are `service.name` and `service.version` of its telemetry unless the environment
    /// says otherwise.
    pub fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            profile: None,
            directory: None,
            no_files: false,
            environment: std::env::vars_os()
                .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            defaults: Vec::new(),
            extensions: Vec::new(),
            root: Module::new("service"),
            migrations: None,
            #[cfg(feature = "openapi")]
            document: None,
            instrument: Vec::new(),
        }
    }

    /// The name it was given.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The version it was given.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        self.version
    }

    /// The profile. Default, also for `None`: that of `APP_PROFILE`, else `development`.
    pub fn profile(mut self, profile: Option<&str>) -> Self {
        self.profile = profile.map(str::to_owned).or(self.profile);
        self
    }

    /// The directory of the settings' files. Default: that of `APP_CONFIG_DIR`, else `config`, which may be absent.
    pub fn config_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Reads no files of settings, wherever the process is. Default: they are read.
    pub fn without_files(mut self) -> Self {
        self.no_files = true;
        self
    }

    /// The environment variables that the service sees. Default: the process's.
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = variables.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self
    }

    /// Sets variables on top of those that the service sees already.
    pub fn with_environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        for (key, value) in variables {
            let key = key.into();
            self.environment.retain(|(known, _)| *known != key);
            self.environment.push((key, value.into()));
        }
        self
    }

    /// A default of this service for one of the framework's settings, below every file: e.g.
    /// `("database.url", "sqlite://var/orders.db")`.
    pub fn default_setting(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.defaults.push((key, value.into()));
        self
    }

    /// Adds an extension, which is installed before the modules start and stopped after them.
    pub fn extension<E: Extension>(mut self, extension: E) -> Self {
        self.extensions.push(Entry::new(extension));
        self
    }

    /// Adds a module.
    pub fn module(mut self, module: Module) -> Self {
        self.root = self.root.module(module);
        self
    }

    /// Describes the service's interface: see [`ext::openapi`](crate::ext::openapi).
    #[cfg(feature = "openapi")]
    pub fn describe(mut self, description: Description) -> Self {
        let document = description.finish(self.name, self.version);
        self.document = Some(document.clone());
        self.module(openapi::module(document))
    }

    /// Gives the service a database, `[database]` in the settings, and its migrations.
    pub fn migrations(mut self, migrations: &'static Migrations) -> Self {
        self.migrations = Some(migrations);
        self
    }

    /// Runs before each handler of every module; an error is the answer in its place.
    pub fn before<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(HttpRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Problem>> + 'static,
    {
        self.root = self.root.before(hook);
        self
    }

    /// Runs on each answer of every module before it is sent.
    pub fn after<F>(mut self, hook: F) -> Self
    where
        F: Fn(&HttpRequest, &mut HttpResponse) + Send + Sync + 'static,
    {
        self.root = self.root.after(hook);
        self
    }

    /// Answers the errors that no module answered in a way of its own.
    pub fn on_error<F>(mut self, handler: F) -> Self
    where
        F: Fn(&HttpRequest, &Problem) -> Option<HttpResponse> + Send + Sync + 'static,
    {
        self.root = self.root.on_error(handler);
        self
    }

    /// Runs when the service starts, before the start hooks of its modules.
    pub fn on_start<F, Fut>(mut self, start: F) -> Self
    where
        F: FnOnce(Boot) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + 'static,
    {
        self.root = self.root.on_start(start);
        self
    }

    /// Runs when the service stops, after the stop hooks of its modules; see [`Module::on_stop`].
    pub fn on_stop<F, Fut>(mut self, stop: F) -> Self
    where
        F: FnOnce(Boot) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.root = self.root.on_stop(stop);
        self
    }

    /// Sends each span also to this processor, whatever the settings say of exporting.
    pub fn span_processor<P: SpanProcessor + 'static>(mut self, processor: P) -> Self {
        self.instrument.push(Box::new(move |setup| setup.span_processor(processor)));
        self
    }

    /// Sends the metrics also to this exporter, at a flush and once a minute, whatever the settings say of exporting.
    pub fn metric_exporter(mut self, exporter: impl PushMetricExporter) -> Self {
        self.instrument.push(Box::new(move |setup| setup.metric_exporter(exporter)));
        self
    }

    /// Checks everything that can be checked without starting anything.
    ///
    /// # Errors
    ///
    /// Everything that is wrong: each bad key of the settings with the file and line or the variable that set it,
    /// each missing secret, each clash of names and routes.
    pub fn prepare(self) -> Result<Ready, BootErrors> {
        self.prepare_or_remain().map_err(|refused| refused.0)
    }

    /// The same, and with what is wrong what can be looked at all the same.
    pub(crate) fn prepare_or_remain(mut self) -> Result<Ready, Box<(BootErrors, Remains)>> {
        let loader = self.loader();
        let config = loader.load();
        let extensions = in_order(std::mem::take(&mut self.extensions));
        // Outside of the service's hooks: who asks for the health brings no credentials.
        let table = RouteTable::collect([&self.root, &health_module()], &self.root);
        let mut modules = self.check_jobs(config.as_ref().ok());
        if let (Ok(config), Ok(table)) = (&config, &table) {
            let telemetry = config.get::<TelemetrySettings>().unwrap_or_default();
            modules.extend(table.check_sampling(&telemetry.sampling));
            let shedding = config.get::<SheddingSettings>().unwrap_or_default();
            modules
                .extend(table.check_routes("shedding.exclude", shedding.exclude.iter().map(String::as_str)));
        }
        let mut table = table.map_err(|wrong| modules.splice(0..0, wrong).for_each(drop)).ok();
        if let (Some(table), Ok(extensions)) = (&mut table, &extensions) {
            let around = extensions.iter().flat_map(|extension| extension.surrounds);
            let around: Vec<String> = around.map(|what| (*what).to_owned()).collect();
            table.annotate(&around, |method, pattern| self.described_auth(method, pattern));
        }
        let telemetry = config.as_ref().map(|config| self.setup(config).check()).unwrap_or_default();
        let certificate = config.as_ref().map_or(Ok(None), certificate);
        match (config, certificate, extensions, table) {
            (Ok(config), Ok(certificate), Ok(extensions), Some(table))
                if telemetry.is_empty() && modules.is_empty() =>
            {
                Ok(Ready::new(self, extensions, (loader, config), certificate, table))
            }
            (config, certificate, extensions, _) => {
                let (config, wrong) = match config {
                    Ok(config) => (config, None),
                    Err(wrong) => (loader.sound(), Some(wrong)),
                };
                let errors = BootErrors {
                    config: wrong,
                    telemetry,
                    tls: certificate.err().map(Box::new),
                    extensions: extensions.err().unwrap_or_default(),
                    modules,
                };
                Err(Box::new((errors, Remains::new(&self, config))))
            }
        }
    }

    /// Who may ask for a route, as far as the service's description says.
    #[cfg(feature = "openapi")]
    fn described_auth(&self, method: &str, pattern: &str) -> Option<String> {
        self.document.as_ref()?.auth(method, pattern)
    }

    /// The same without descriptions.
    #[cfg(not(feature = "openapi"))]
    fn described_auth(&self, _method: &str, _pattern: &str) -> Option<String> {
        None
    }

    /// What is wrong with the jobs of the modules.
    fn check_jobs(&self, config: Option<&Config>) -> Vec<String> {
        let (mut wrong, kinds) = check_jobs(&self.root);
        if let Some(Ok(jobs)) = config.map(Config::get::<JobsSettings>)
            && jobs.transport == Transport::Redis
            && config
                .and_then(|config| config.get::<RedisSettings>().ok())
                .is_none_or(|redis| redis.url.is_none())
        {
            wrong.push(
                "jobs.transport is \"redis\" and there is none: set redis.url (REDIS_URL), or the transport to \
                 \"database\""
                    .to_owned(),
            );
        }
        if let Some((job, module)) = kinds.first_key_value()
            && !self.migrations.is_some_and(|migrations| migrations.include(&jobs::MIGRATIONS))
        {
            wrong.push(format!(
                "module `{module}`: the job `{job}` has no table: give the service migrations that end in \
                 `.with(&spanbox::jobs::MIGRATIONS)`"
            ));
        }
        wrong
    }

    /// The telemetry as the settings and the environment want it.
    pub(super) fn setup(&self, config: &Config) -> Setup {
        // `loader` registers each of them.
        let service = config.get::<ServiceSettings>().unwrap_or_default();
        let version = service.version.unwrap_or_else(|| self.version.to_owned());
        let environment = service.environment.unwrap_or_else(|| config.profile().name().to_owned());
        Setup::new(ServiceInfo::new(self.name, version).environment(environment))
            .settings(config.get::<TelemetrySettings>().unwrap_or_default())
            .log(config.get::<LogSettings>().unwrap_or_default())
            .environment(self.environment.clone())
            .scraped(config.get::<ManagementSettings>().unwrap_or_default().enabled)
    }

    fn loader(&self) -> Loader {
        let mut loader = Loader::from_environment(self.profile.as_deref(), self.environment.iter().cloned());
        if let Some(directory) = &self.directory {
            loader = loader.directory(directory);
        }
        if self.no_files {
            loader = loader.without_files();
        }
        for (key, value) in &self.defaults {
            loader = loader.default_value(key, value);
        }
        loader.section::<ServiceSettings>();
        loader.section::<ServerSettings>();
        loader.section::<EdgeSettings>();
        loader.section::<SheddingSettings>();
        if self.migrations.is_some() {
            loader = loader.own_in_production("database.url");
            loader.section::<DatabaseSettings>();
            loader.section::<JobsSettings>();
        }
        loader.section::<RedisSettings>();
        loader.section::<TelemetrySettings>();
        loader.section::<LogSettings>();
        loader.section::<ManagementSettings>();
        for extension in &self.extensions {
            extension.register_settings(&mut loader);
        }
        self.root.register_settings(&mut loader);
        loader
    }
}

fn certificate(config: &Config) -> Result<Option<rustls::ServerConfig>, TlsError> {
    let server = config.get::<ServerSettings>().unwrap_or_default();
    server.tls.as_ref().map(tls::server_config).transpose()
}
