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

pub(crate) type OnStart = Box<dyn FnOnce(Boot) -> LocalBoxFuture<'static, Result<(), BoxError>> + Send>;

/// Puts one provided value on a worker's application.
pub(crate) type Provided = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// What a service has when its modules start: everything but its listener.
#[derive(Clone)]
pub struct Boot {
    config: Config,
    telemetry: Telemetry,
    db: Option<Db>,
    actors: Actors,
    provided: Arc<Mutex<Vec<Provided>>>,
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

    /// Hands a value to the handlers, which ask for it as `actix_web::web::Data<T>`.
    pub fn provide<T: Send + Sync + 'static>(&self, value: T) {
        let data = web::Data::new(value);
        self.provided.lock().push(Arc::new(move |config| {
            config.app_data(data.clone());
        }));
    }

    pub(crate) fn take_provided(&self) -> Vec<Provided> {
        std::mem::take(&mut self.provided.lock())
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boot").finish_non_exhaustive()
    }
}
