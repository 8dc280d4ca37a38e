use std::time::Instant;

use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, Status, TraceContextExt as _, Tracer as _};

use super::BootError;
use super::plan::{Plan, Purpose};
use super::running::Running;
use super::service::Service;
use crate::config::{Config, DatabaseSettings, Loader, ServerSettings, TelemetrySettings};
use crate::data::{Db, Migrations};
use crate::ext::Entry;
#[cfg(feature = "openapi")]
use crate::ext::openapi::Document;
use crate::module::{RouteInfo, RouteTable};
use crate::telemetry::{Setup, Telemetry, Variable};

/// A service whose description holds: nothing of it runs yet.
#[must_use]
pub struct Ready {
    setup: Setup,
    certificate: Option<rustls::ServerConfig>,
    #[cfg(feature = "openapi")]
    document: Option<Document>,
    plan: Plan,
}

impl Ready {
    pub(super) fn new(
        service: Service,
        extensions: Vec<Entry>,
        (loader, config): (Loader, Config),
        certificate: Option<rustls::ServerConfig>,
        table: RouteTable,
    ) -> Self {
        let setup = service.setup(&config);
        Self {
            setup: service.instrument.into_iter().fold(setup, |setup, add| add(setup)),
            certificate,
            #[cfg(feature = "openapi")]
            document: service.document,
            plan: Plan {
                name: service.name,
                version: service.version,
                loader,
                config,
                table,
                extensions,
                root: service.root,
                migrations: service.migrations,
                management: None,
            },
        }
    }

    /// The name of the service.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.plan.name
    }

    /// The settings as they are, each with where it came from.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.plan.config
    }

    /// The variables of its telemetry that are set, and what becomes of each.
    #[must_use]
    pub fn variables(&self) -> Vec<Variable> {
        self.setup.variables()
    }

    /// Every route that will be served.
    #[must_use]
    pub fn routes(&self) -> &[RouteInfo] {
        self.plan.table.infos()
    }

    /// Where modules have mounted services of actix, whose routes nobody knows: each as a route of the method `*`.
    #[must_use]
    pub fn mounts(&self) -> Vec<RouteInfo> {
        self.plan.table.mounted()
    }

    pub(super) const fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(super) const fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// The description of its interface, if it has one.
    #[cfg(feature = "openapi")]
    #[must_use]
    pub const fn document(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// The migrations of the service's database, if it has one.
    #[must_use]
    pub const fn migrations(&self) -> Option<&'static Migrations> {
        self.plan.migrations
    }

    /// Opens the service's database and nothing else, for commands that work on it.
    ///
    /// # Errors
    ///
    /// Those of [`Db::connect`].
    pub async fn database(&self) -> Result<Db, BootError> {
        Ok(Db::connect(&self.plan.section::<DatabaseSettings>(), &Telemetry::disabled()).await?)
    }

    /// Starts the service and listens. Its telemetry stays its own.
    ///
    /// # Errors
    ///
    /// The first thing that fails; what had been started is stopped again.
    ///
    /// # Panics
    ///
    /// When called outside an actix `System`.
    pub async fn start(self) -> Result<Running, BootError> {
        self.launch(Purpose::Serve, false).await
    }

    /// Starts the service as the one that the process is for: its telemetry becomes that of the whole process, for
    /// the sake of libraries that know only the global one.
    ///
    /// # Errors
    ///
    /// Those of [`Ready::start`].
    ///
    /// # Panics
    ///
    /// Those of [`Ready::start`].
    pub async fn start_outermost(self) -> Result<Running, BootError> {
        self.launch(Purpose::Serve, true).await
    }

    /// Starts the service to run the jobs of these queues, or of all of them, and does not listen.
    ///
    /// # Errors
    ///
    /// Those of [`Ready::start`]; [`BootError::NoJobs`] and [`BootError::UnknownQueue`].
    ///
    /// # Panics
    ///
    /// Those of [`Ready::start`].
    pub async fn start_worker(self, queues: Vec<String>) -> Result<Running, BootError> {
        self.launch(Purpose::Work(queues), false).await
    }

    /// The same as what the process is for, see [`Ready::start_outermost`].
    ///
    /// # Errors
    ///
    /// Those of [`Ready::start_worker`].
    ///
    /// # Panics
    ///
    /// Those of [`Ready::start`].
    pub async fn start_worker_outermost(self, queues: Vec<String>) -> Result<Running, BootError> {
        self.launch(Purpose::Work(queues), true).await
    }

    async fn launch(self, purpose: Purpose, outermost: bool) -> Result<Running, BootError> {
        let began = Instant::now();
        let Self { setup, certificate, mut plan, .. } = self;
        let server = plan.section::<ServerSettings>();
        let telemetry = setup.build()?;
        if outermost {
            telemetry.install_globally();
        }
        let thread = telemetry.enter_thread();
        let cx = start_span(&telemetry);
        let started =
            plan.start(purpose, &server, certificate, &telemetry, began).with_context(cx.clone()).await;
        if let Err(error) = &started {
            cx.span().set_status(Status::error(error.to_string()));
        }
        cx.span().end();
        match started {
            Ok(mut running) => {
                running.keep(thread);
                Ok(running)
            }
            Err(error) => {
                // The exporters' own thread sends what is left; nothing is being served that could wait for it.
                telemetry.shutdown(plan.section::<TelemetrySettings>().flush_timeout);
                if let Some(management) = plan.management {
                    management.stop().await;
                }
                Err(error)
            }
        }
    }
}

/// The root of everything that happens while the service starts.
fn start_span(telemetry: &Telemetry) -> Context {
    let root = telemetry.root();
    match telemetry.tracer() {
        Some(tracer) => {
            let span = tracer.build_with_context(tracer.span_builder("service.start"), &root);
            root.with_span(span)
        }
        None => root,
    }
}
