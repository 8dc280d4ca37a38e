use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::BootError;
use super::error::holder;
use super::holders;
use super::listener::Listener;
use super::reload::Reload;
use super::running::Running;
use super::stops::Stops;
use crate::actor::Actors;
use crate::config::{
    Config, DatabaseSettings, EdgeSettings, Loader, ManagementSettings, RedisSettings, Section,
    ServerSettings, SheddingSettings, TelemetrySettings,
};
use crate::data::{Db, Migrations, Redis};
use crate::ext::Entry;
use crate::jobs::{JobsError, JobsSettings, Kinds, Runner, Transport};
use crate::management::Management;
use crate::module::{Boot, Module, RouteTable, StartAndStop};
use crate::telemetry::Telemetry;
use crate::web::{Check, Edge, Health, Limits, Pressure, Proxies, Shedder, WebSignals};

/// How long what was started may take to stop again when the start fails.
const UNDO: Duration = Duration::from_secs(5);

/// For how long the oldest job has been due, once there is somebody who knows.
type Lateness = OnceLock<Box<dyn Fn() -> Option<Duration> + Send + Sync>>;

/// What a process is started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To serve requests, and to run jobs unless the settings say otherwise.
    Serve,
    /// To run the jobs of these queues, or of all if there are none.
    Work(Vec<String>),
}

/// What is started once there is telemetry to record it: the management listener, the database, the migrations, the
/// extensions, the modules, the public listener.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) loader: Loader,
    pub(super) config: Config,
    pub(super) table: RouteTable,
    pub(super) extensions: Vec<Entry>,
    pub(super) root: Module,
    pub(super) migrations: Option<&'static Migrations>,
    /// While it is started and not yet the running service's.
    pub(super) management: Option<Management>,
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
        telemetry.observe_process();
        self.management = self.start_management(telemetry)?;
        let db = self.open_database(telemetry).await?;
        let actors = Actors::new(telemetry.clone());
        if let Some(management) = &self.management {
            management.set_actors(actors.clone());
        }
        let routes = self.table.infos().into();
        let boot = Boot::new(self.config.clone(), telemetry.clone(), db.clone(), actors.clone(), routes);
        let mut stops = Stops::default();
        let started = self.start_modules(purpose, server, certificate, &boot, &mut stops).await;
        match started {
            Ok(mut running) => {
                running.stops = stops;
                running.management = self.management.take();
                tracing::info!(
                    service = self.name,
                    version = self.version,
                    profile = self.config.profile().name(),
                    url = running.urls(),
                    management = running.management_url(),
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
                stops.run(deadline).await;
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
        boot: &Boot,
        stops: &mut Stops,
    ) -> Result<Running, BootError> {
        let (telemetry, actors, db) = (boot.telemetry(), boot.actors(), boot.db().ok());
        let mut checks = database_check(db.as_ref());
        for extension in self.extensions.drain(..) {
            let name = extension.name;
            let live = extension.install(boot.clone()).await;
            let live = live.map_err(|source| BootError::Extension { extension: name, source })?;
            checks.extend(live.check);
            stops.push(name, live.stop);
        }
        let mut modules = Vec::new();
        self.root.take_hooks(boot, &mut modules);
        for StartAndStop { module, start, stop } in modules {
            for start in start {
                start(boot.clone()).await.map_err(|source| BootError::Module { module, source })?;
            }
            stop.into_iter().for_each(|stop| stops.push(module, stop));
        }
        self.root.take_checks(boot, &mut checks);
        let serves = matches!(purpose, Purpose::Serve);
        let lateness = Arc::default();
        let shedder = self.shedder(boot, &lateness);
        if serves {
            shedder.watch(telemetry);
            checks.push(shedder.check());
        }
        let health = Health::new(checks);
        boot.provide(health.clone());
        if let Some(management) = &self.management {
            management.set_health(health.clone());
        }
        let settings = self.section::<TelemetrySettings>();
        let signals = Arc::new(WebSignals::new(telemetry.clone(), &settings));
        let listener = Listener {
            table: std::mem::take(&mut self.table),
            signals: Arc::clone(&signals),
            limits: Arc::new(Limits::new(server)),
            edge: Arc::new(Edge::new(&self.section::<EdgeSettings>(), server, shedder)),
            proxies: Proxies::new(server),
            telemetry: telemetry.clone(),
            config: self.config.clone(),
            db: db.clone(),
            actors: actors.clone(),
            given: boot.take_given().map_err(|types| BootError::ProvidedTwice { types })?,
        };
        let jobs = self.start_jobs(purpose, boot).await?;
        if let Some(jobs) = &jobs {
            let _is_unset = lateness.set(Box::new(jobs.oldest_due()));
        }
        Ok(Running {
            name: self.name,
            grace: server.shutdown_grace,
            flush_timeout: settings.flush_timeout,
            listening: if serves { Some(listener.listen(server, certificate)?) } else { None },
            health,
            signals,
            jobs,
            actors: actors.clone(),
            db,
            telemetry: telemetry.clone(),
            stops: Stops::default(),
            management: None,
            reload: Reload::new(std::mem::take(&mut self.loader), self.config.clone()),
            thread: None,
        })
    }

    /// What turns requests away while the service can not keep up.
    fn shedder(&self, boot: &Boot, lateness: &Arc<Lateness>) -> Arc<Shedder> {
        let settings = self.section::<SheddingSettings>();
        let (actors, ignored) = (boot.actors().clone(), settings.ignore_actors.clone());
        let mut pressures = vec![Pressure {
            name: "mailbox_age",
            limit: settings.mailbox_age,
            read: Box::new(move || {
                // A job is a message as well, and may take its time.
                let wanted = |name: &str| !name.starts_with("jobs.") && !ignored.iter().any(|it| it == name);
                actors.oldest_message(wanted).map(|(actor, age)| (age, Some(actor)))
            }),
        }];
        if let Ok(db) = boot.db() {
            pressures.push(Pressure {
                name: "pool_wait",
                limit: settings.pool_wait,
                read: Box::new(move || Some((db.longest_wait(), None))),
            });
        }
        let lateness = Arc::clone(lateness);
        pressures.push(Pressure {
            name: "job_lag",
            limit: settings.job_lag,
            read: Box::new(move || Some((lateness.get()?()?, None))),
        });
        Shedder::new(settings, boot.telemetry(), pressures)
    }

    /// Runs the jobs of the modules, if this process is for that.
    async fn start_jobs(&mut self, purpose: Purpose, boot: &Boot) -> Result<Option<Runner>, BootError> {
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
        let (actors, telemetry) = (boot.actors(), boot.telemetry());
        let runner = match (settings.transport, self.section::<RedisSettings>().url) {
            (Transport::Redis, Some(url)) => {
                let redis = match boot.redis() {
                    Ok(redis) => redis,
                    Err(_) => Redis::new(&url, telemetry).map_err(JobsError::from)?,
                };
                Runner::start_on(redis, db, actors, telemetry, settings, kinds, queues).await?
            }
            _ => Runner::start(db, actors, telemetry, settings, kinds, queues)?,
        };
        Ok(Some(runner))
    }

    fn start_management(&self, telemetry: &Telemetry) -> Result<Option<Management>, BootError> {
        let settings = self.section::<ManagementSettings>();
        if !settings.enabled {
            return Ok(None);
        }
        match Management::start(&settings, self.name, telemetry) {
            Ok(management) => Ok(Some(management)),
            Err((address, source)) => {
                let holder = holder(&source, &address);
                let error = BootError::Management { address, source, holder };
                if !settings.optional {
                    return Err(error);
                }
                tracing::warn!(%error, "this process has no management listener");
                Ok(None)
            }
        }
    }

    async fn open_database(&self, telemetry: &Telemetry) -> Result<Option<Db>, BootError> {
        let Some(migrations) = self.migrations else { return Ok(None) };
        let settings = self.section::<DatabaseSettings>();
        let db = Db::connect(&settings, telemetry).await?;
        if let Some(file) = settings.sqlite_file() {
            tell_of_others(file);
        }
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
}

/// Says who else works on an SQLite file. That is allowed: writes take turns, and a job is run once, whoever leases it. What
/// a process keeps in its memory it keeps to itself.
fn tell_of_others(file: &Path) {
    for other in holders::of_file(file) {
        let (pid, program) = (other.pid, &other.program);
        if other.is_alike() {
            tracing::info!(
                pid,
                program,
                "another process of this service works on the same database file: they write in turn and share the jobs; \
                 live events and caches in memory know what their own process did"
            );
        } else {
            tracing::warn!(
                pid,
                program,
                file = %file.display(),
                "another program has the database file open: if it is another service, give each a file of its own with \
                 DATABASE_URL"
            );
        }
    }
}

fn database_check(db: Option<&Db>) -> Vec<Check> {
    let check = db.cloned().map(|db| {
        Check::new("database", move || {
            let db = db.clone();
            async move { db.ping().await.map_err(|error| error.summary().to_owned()) }.boxed_local()
        })
    });
    check.into_iter().collect()
}
