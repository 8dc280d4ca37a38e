use std::any::{Any, TypeId, type_name};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse, Transform};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;

use super::RouteInfo;
use crate::actor::Actors;
use crate::config::{Config, ConfigError, RedisSettings, Section};
use crate::data::{Db, Redis};
use crate::telemetry::Telemetry;
use crate::web::{Around, Hooks, Inner, Problem, around};

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
    routes: Arc<[RouteInfo]>,
    redis: Arc<OnceLock<Redis>>,
    provided: Arc<Mutex<ProvidedValues>>,
}

#[derive(Default)]
struct ProvidedValues {
    values: Vec<Provided>,
    /// The same, for whoever starts after the one that provided it.
    shared: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
    twice: Vec<&'static str>,
    hooks: Hooks,
    around: Vec<Around>,
}

/// What extensions and modules gave to all requests of their service.
pub(crate) struct Given {
    pub(crate) values: Vec<Provided>,
    pub(crate) hooks: Hooks,
    pub(crate) around: Arc<[Around]>,
}

impl Boot {
    pub(crate) fn new(
        config: Config,
        telemetry: Telemetry,
        db: Option<Db>,
        actors: Actors,
        routes: Arc<[RouteInfo]>,
    ) -> Self {
        Self { config, telemetry, db, actors, routes, redis: Arc::default(), provided: Arc::default() }
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

    /// The Redis of `redis.url`, one handle for all that need it. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// When the settings name none, or none that could be one.
    pub fn redis(&self) -> Result<Redis, BoxError> {
        if let Some(redis) = self.redis.get() {
            return Ok(redis.clone());
        }
        let url = self.settings::<RedisSettings>()?.url;
        let url = url.ok_or("this service has no Redis: set redis.url (REDIS_URL)")?;
        let redis = Redis::new(&url, &self.telemetry)?;
        Ok(self.redis.get_or_init(|| redis).clone())
    }

    /// Every route that will be served.
    #[must_use]
    pub fn routes(&self) -> &[RouteInfo] {
        &self.routes
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
        if provided.shared.iter().any(|(known, _)| *known == TypeId::of::<T>()) {
            provided.twice.push(type_name::<T>());
            return;
        }
        let value = Arc::new(value);
        provided.shared.push((TypeId::of::<T>(), value.clone()));
        let data = web::Data::from(value);
        provided.values.push(Arc::new(move |config| {
            config.app_data(data.clone());
        }));
    }

    /// What an extension, or a module that started before, has [provided](Self::provide).
    ///
    /// # Errors
    ///
    /// When nobody has, by the name of the type.
    pub fn provided<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, BoxError> {
        let provided = self.provided.lock();
        let found = provided.shared.iter().find(|(known, _)| *known == TypeId::of::<T>());
        found.and_then(|(_, value)| Arc::clone(value).downcast().ok()).ok_or_else(|| {
            let name = type_name::<T>();
            format!("nothing has provided a `{name}`: add the extension that does with Service::extension")
                .into()
        })
    }

    /// Runs before each handler of the service, ahead of the service's own hooks and of the modules'; an error is the
    /// answer in its place.
    pub fn before<F, Fut>(&self, hook: F)
    where
        F: Fn(HttpRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Problem>> + 'static,
    {
        let hook = Arc::new(move |request| hook(request).boxed_local() as _);
        self.provided.lock().hooks.before.push(hook);
    }

    /// Like [`before`](Self::before), and after all of these, the modules' included: when it is known who a request is
    /// from.
    pub fn admit<F, Fut>(&self, hook: F)
    where
        F: Fn(HttpRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Problem>> + 'static,
    {
        let hook = Arc::new(move |request| hook(request).boxed_local() as _);
        self.provided.lock().hooks.admit.push(hook);
    }

    /// Runs on each answer of the service, errors too, after all other hooks.
    pub fn after<F>(&self, hook: F)
    where
        F: Fn(&HttpRequest, &mut HttpResponse) + Send + Sync + 'static,
    {
        self.provided.lock().hooks.after.push(Arc::new(hook));
    }

    /// Puts a middleware of actix around all hooks and handlers of the service, inside the request's span. The first
    /// is the outermost. `middleware` is called once for each resource of each worker.
    pub fn wrap<T, B>(&self, middleware: impl Fn() -> T + Send + Sync + 'static)
    where
        T: Transform<Inner, ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>
            + 'static,
        B: MessageBody + 'static,
    {
        self.provided.lock().around.push(around(middleware));
    }

    /// What was given, or the types of which there were two.
    pub(crate) fn take_given(&self) -> Result<Given, Vec<&'static str>> {
        let mut provided = self.provided.lock();
        // What is shared stays: jobs are made ready after this, and ask for it.
        let shared = provided.shared.clone();
        let provided =
            std::mem::replace(&mut *provided, ProvidedValues { shared, ..ProvidedValues::default() });
        if !provided.twice.is_empty() {
            return Err(provided.twice);
        }
        Ok(Given { values: provided.values, hooks: provided.hooks, around: provided.around.into() })
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boot").finish_non_exhaustive()
    }
}
