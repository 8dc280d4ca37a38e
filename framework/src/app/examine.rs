//! What can be found out of a service without starting it, for the command `doctor`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::stops::Stops;
use super::{BootError, Ready, Service};
use crate::actor::Actors;
use crate::config::{Config, TelemetrySettings};
use crate::data::{Db, Migrations};
use crate::module::Boot;
use crate::telemetry::{Probe, Setup, Telemetry, TelemetryError, Variable};
use crate::web::{Check, Health, Readiness};

/// How long what was installed may take to end again.
const UNDO: Duration = Duration::from_secs(5);

impl Ready {
    /// Sends one span to the collector, as the service would, and tells what became of it. It blocks.
    pub(crate) fn probe_collector(&self) -> Result<Probe, TelemetryError> {
        self.setup().probe()
    }

    /// Installs the extensions, asks their health checks and those of the modules, and ends the extensions again. No module
    /// starts, no job runs and nothing listens. `db` is not closed.
    ///
    /// A module's check that can not be made before its module has started is left out.
    pub(crate) async fn examine(mut self, db: Option<Db>) -> Result<Readiness, BootError> {
        let telemetry = Telemetry::disabled();
        let plan = self.plan_mut();
        let actors = Actors::new(telemetry.clone());
        let routes = plan.table.infos().into();
        let boot = Boot::new(plan.config.clone(), telemetry, db, actors.clone(), routes);
        let (mut checks, mut stops) = (Vec::new(), Stops::default());
        let mut installed = Ok(());
        for extension in plan.extensions.drain(..) {
            let name = extension.name;
            match extension.install(boot.clone()).await {
                Ok(live) => {
                    checks.extend(live.check);
                    stops.push(name, live.stop);
                }
                Err(source) => {
                    installed = Err(BootError::Extension { extension: name, source });
                    break;
                }
            }
        }
        let mut of_modules: Vec<Check> = Vec::new();
        let made = catch_unwind(AssertUnwindSafe(|| plan.root.take_checks(&boot, &mut of_modules)));
        if made.is_err() {
            tracing::debug!("a module's check needs the module to have started: it is left out");
        }
        checks.append(&mut of_modules);
        let readiness = Health::new(checks).readiness().await;
        let deadline = Instant::now() + UNDO;
        actors.drain(deadline).await;
        stops.run(deadline).await;
        installed.map(|()| readiness)
    }
}

/// What can be looked at of a service that can not be made ready.
pub(crate) struct Remains {
    pub(crate) name: &'static str,
    /// The sections of which nothing is wrong.
    pub(crate) config: Config,
    pub(crate) migrations: Option<&'static Migrations>,
    /// Its telemetry, where nothing is wrong with that.
    setup: Option<Setup>,
}

impl Remains {
    pub(super) fn new(service: &Service, config: Config) -> Self {
        let setup = config.get::<TelemetrySettings>().ok().map(|_| service.setup(&config));
        Self {
            name: service.name,
            migrations: service.migrations,
            setup: setup.filter(|setup| setup.check().is_empty()),
            config,
        }
    }

    /// As [`Ready::probe_collector`], where that can be.
    pub(crate) fn probe_collector(&self) -> Option<Result<Probe, TelemetryError>> {
        self.setup.as_ref().map(Setup::probe)
    }

    /// As [`Ready::variables`], where that can be.
    pub(crate) fn variables(&self) -> Option<Vec<Variable>> {
        self.setup.as_ref().map(Setup::variables)
    }
}
