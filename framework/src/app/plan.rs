use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::BootError;
use super::listener::Listener;
use super::running::Running;
use crate::actor::Actors;
use crate::config::{Config, DatabaseSettings, Section, ServerSettings, TelemetrySettings};
use crate::data::{Db, Migrations};
use crate::jobs::{JobsSettings, Kinds, Runner};
use crate::module::{Boot, Module, RouteTable};
use crate::telemetry::Telemetry;
use crate::web::{Check, Health, Limits, WebSignals};

/// How long what was started may take to stop again when the start fails.
const UNDO: Duration = Duration::from_secs(5);

/// What a process is started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To serve requests, and to run jobs unless the settings say otherwise.
    Serve,
    /// To run the jobs of these queues, or of all if there are none.
    Work(Vec<String>),
}

/// What is started once there is telemetry to record it: the database, the migrations, the modules, the listener.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) config: Config,
    pub(super) table: RouteTable,
    pub(super) root: Module,
    pub(super) migrations: Option<&'static Migrations>,
}

impl Plan {
    /// A section of the framework's own, each of which is registered.
    pub(super) fn section<T: Section>(&self) -> T {
        self.config.get::<T>().unwrap_or_default()
    }

    pub(super) async fn start(
        &mut self,
        purpose: Purpose,
        server: &ServerSettings,
        certificate: Option<rustls::ServerConfig>,
        telemetry: &Telemetry,
        began: Instant,
    ) -> Result<Running, BootError> {
        let db = self.open_database(telemetry).await?;
        let actors = Actors::new(telemetry.clone());
        let started =
            self.start_modules(purpose, server, certificate, telemetry, db.clone(), actors.clone()).await;
        match started {
            Ok(running) => {
                tracing::info!(
                    service = self.name,
                    version = self.version,
                    profile = self.config.profile().name(),
                    url = running.urls(),
                    database = running.database(),
                    jobs = running.queues(),
                    took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "ready"
                );
                Ok(running)
            }
            Err(error) => {
                let deadline = Instant::now() + UNDO;
                actors.drain(deadline).await;
                if let Some(db) = db {
                    let _what_was_left = db.close(deadline.saturating_duration_since(Instant::now())).await;
                }
                Err(error)
            }
        }
    }

    async fn start_modules(
        &mut self,
        purpose: Purpose,
        server: &ServerSettings,
        certificate: Option<rustls::ServerConfig>,
        telemetry: &Telemetry,
        db: Option<Db>,
        actors: Actors,
    ) -> Result<Running, BootError> {
        let boot = Boot::new(self.config.clone(), telemetry.clone(), db.clone(), actors.clone());
        let mut on_start = Vec::new();
        self.root.take_start(&mut on_start);
        for (module, start) in on_start {
            start(boot.clone()).await.map_err(|source| BootError::Module { module, source })?;
        }
        let health = self.health(&boot, db.as_ref());
        boot.provide(health.clone());
        let settings = self.section::<TelemetrySettings>();
        let signals = Arc::new(WebSignals::new(telemetry.clone(), &settings.excluded_paths));
        let listener = Listener {
            table: std::mem::take(&mut self.table),
            signals: Arc::clone(&signals),
            limits: Arc::new(Limits::new(server)),
            telemetry: telemetry.clone(),
            config: self.config.clone(),
            db: db.clone(),
            actors: actors.clone(),
            provided: boot.take_provided().map_err(|types| BootError::ProvidedTwice { types })?,
        };
        let serves = matches!(purpose, Purpose::Serve);
        let jobs = self.start_jobs(purpose, &boot)?;
        Ok(Running {
            name: self.name,
            grace: server.shutdown_grace,
            flush_timeout: settings.flush_timeout,
            listening: if serves { Some(listener.listen(server, certificate)?) } else { None },
            health,
            signals,
            jobs,
            actors,
            db,
            telemetry: telemetry.clone(),
            thread: None,
        })
    }

    /// Runs the jobs of the modules, if this process is for that.
    fn start_jobs(&mut self, purpose: Purpose, boot: &Boot) -> Result<Option<Runner>, BootError> {
        let settings = self.section::<JobsSettings>();
        let mut kinds = Kinds::default();
        self.root
            .take_jobs(boot, &mut kinds)
            .map_err(|(module, source)| BootError::Module { module, source })?;
        let known: BTreeSet<String> =
            kinds.queues().map(str::to_owned).chain(settings.queues.keys().cloned()).collect();
        let queues = match purpose {
            Purpose::Serve if kinds.is_empty() => return Ok(None),
            Purpose::Serve if !settings.in_serve => {
                tracing::info!("this process runs no jobs (jobs.in_serve = false): start `worker` for them");
                return Ok(None);
            }
            Purpose::Work(_) if kinds.is_empty() => return Err(BootError::NoJobs { service: self.name }),
            Purpose::Serve => known,
            Purpose::Work(queues) if queues.is_empty() => known,
            Purpose::Work(queues) => {
                if let Some(queue) = queues.iter().find(|queue| !known.contains(*queue)) {
                    let known = known.into_iter().collect();
                    return Err(BootError::UnknownQueue { queue: queue.clone(), known });
                }
                queues.into_iter().collect()
            }
        };
        let Some(db) = boot.db().ok() else { return Ok(None) };
        let queues = Some(queues.into_iter().collect());
        let runner = Runner::start(db, boot.actors(), boot.telemetry(), settings, kinds, queues)?;
        Ok(Some(runner))
    }

    async fn open_database(&self, telemetry: &Telemetry) -> Result<Option<Db>, BootError> {
        let Some(migrations) = self.migrations else { return Ok(None) };
        let settings = self.section::<DatabaseSettings>();
        let db = Db::connect(&settings, telemetry).await?;
        if settings.migrate_on_start {
            db.migrate(migrations).await?;
            return Ok(Some(db));
        }
        let states = db.migration_status(migrations).await?;
        let missing: Vec<String> = states
            .into_iter()
            .filter(|migration| !migration.applied)
            .map(|migration| migration.name)
            .collect();
        if missing.is_empty() {
            Ok(Some(db))
        } else {
            Err(BootError::Migrations { service: self.name, missing })
        }
    }

    fn health(&mut self, boot: &Boot, db: Option<&Db>) -> Health {
        let mut checks = Vec::new();
        if let Some(db) = db.cloned() {
            checks.push(Check::new("database", move || {
                let db = db.clone();
                async move { db.ping().await.map_err(|error| error.summary().to_owned()) }.boxed_local()
            }));
        }
        self.root.take_checks(boot, &mut checks);
        Health::new(checks)
    }
}
