use std::any::{TypeId, type_name};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use actix_web::web;
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;

use crate::actor::Actors;
use crate::config::{Config, ConfigError, Section};
use crate::data::Db;
use crate::telemetry::Telemetry;

/// Any error of a start hook.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Ends what was started.
pub(crate) type OnStop = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>>;

pub(crate) type OnStart = Box<dyn FnOnce(Boot) -> LocalBoxFuture<'static, Result<(), BoxError>> + Send>;

/// What a module does at the start and at the stop.
pub(crate) struct StartAndStop {
    pub(crate) module: &'static str,
    pub(crate) start: Vec<OnStart>,
    pub(crate) stop: Vec<OnStop>,
}

/// Puts one provided value on a worker's application.
pub(crate) type Provided = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// What a service has when its modules start: everything but its listener.
#[derive(Clone)]
pub struct Boot {
    config: Config,
    telemetry: Telemetry,
    db: Option<Db>,
    actors: Actors,
    provided: Arc<Mutex<ProvidedValues>>,
}

#[derive(Default)]
struct ProvidedValues {
    values: Vec<Provided>,
    types: Vec<TypeId>,
    twice: Vec<&'static str>,
}

impl Boot {
    pub(crate) fn new(config: Config, telemetry: Telemetry, db: Option<Db>, actors: Actors) -> Self {
        Self { config, telemetry, db, actors, provided: Arc::default() }
    }

    /// All settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// One section of the settings.
    ///
    /// # Errors
    ///
    /// When no module of the service registered it.
    pub fn settings<T: Section>(&self) -> Result<T, ConfigError> {
        self.config.get::<T>()
    }

    /// The service's telemetry.
    #[must_use]
    pub const fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// The service's database.
    ///
    /// # Errors
    ///
    /// When the service has none.
    pub fn db(&self) -> Result<Db, BoxError> {
        self.db
            .clone()
            .ok_or_else(|| "this service has no database: give it one with Service::migrations".into())
    }

    /// Where the module's actors are started.
    #[must_use]
    pub const fn actors(&self) -> &Actors {
        &self.actors
    }

    /// Hands a value to the handlers of all modules, which ask for it as `actix_web::web::Data<T>`. There is one of
    /// each type: a second one stops the start. Give a value that others might provide too a type of its own.
    pub fn provide<T: Send + Sync + 'static>(&self, value: T) {
        let mut provided = self.provided.lock();
        if provided.types.contains(&TypeId::of::<T>()) {
            provided.twice.push(type_name::<T>());
            return;
        }
        provided.types.push(TypeId::of::<T>());
        let data = web::Data::new(value);
        provided.values.push(Arc::new(move |config| {
            config.app_data(data.clone());
        }));
    }

    /// What was provided, or the types of which there were two.
    pub(crate) fn take_provided(&self) -> Result<Vec<Provided>, Vec<&'static str>> {
        let provided = std::mem::take(&mut *self.provided.lock());
        if provided.twice.is_empty() { Ok(provided.values) } else { Err(provided.twice) }
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boot").finish_non_exhaustive()
    }
}
