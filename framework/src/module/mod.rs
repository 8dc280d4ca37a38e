//! Modules: named, prefixed, scoped pieces of a service, as Flask's blueprints are.
//!
//! A module holds what belongs together: routes under one prefix, the modules inside it, hooks and error handlers
//! that see only its own requests, its section of the settings, what it starts (actors, state) and its health
//! checks. Two modules of one name, or two routes of one method and pattern, are refused before the service starts.
//!
//! ```
//! use spanbox::module::Module;
//! use spanbox::web::{Json, Problem};
//!
//! async fn list() -> Result<Json<Vec<String>>, Problem> {
//!     Ok(Json(vec!["widget".to_owned()]))
//! }
//!
//! async fn show(id: actix_web::web::Path<u64>) -> Result<Json<u64>, Problem> {
//!     Ok(Json(*id))
//! }
//!
//! let products = Module::new("products")
//!     .prefix("/api/products")
//!     .get("/", list)
//!     .get("/{id}", show)
//!     .after(|_request, response| {
//!         response.headers_mut().insert(
//!             actix_web::http::header::CACHE_CONTROL,
//!             actix_web::http::header::HeaderValue::from_static("no-store"),
//!         );
//!     });
//! assert_eq!(products.name(), "products");
//! ```

mod asked;
mod boot;
mod collect;
mod health;
mod jobs;
mod paths;
mod pattern;
mod route;
mod router;
mod table;

use std::future::Future;
use std::sync::Arc;

use actix_web::guard::GuardContext;
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, web};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

pub use boot::{Boot, BoxError};
pub use route::RouteInfo;

pub(crate) use boot::{Given, OnStop, StartAndStop};
pub(crate) use collect::is_name;
pub(crate) use health::health_module;
pub(crate) use jobs::check_jobs;
pub(crate) use table::{RouteTable, configure};

use crate::config::{Loader, Section};
use crate::jobs::{Job, Schedule};
use crate::web::{Check, Hooks, Problem};
use route::{Guard, Mount, Route, hook as hook_name};

/// The setters that name a method.
macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $method:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name<F, Args>(self, path: &str, handler: F) -> Self
        where
            F: Handler<Args> + Send + Sync,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            self.route(Method::$method, path, handler)
        }
    )*};
}

/// Makes a health check once there is something to check.
type MakeCheck = Box<dyn FnOnce(&Boot) -> Check + Send>;

/// Ends what a module began.
type Stop = Box<dyn FnOnce(Boot) -> LocalBoxFuture<'static, ()> + Send>;

/// A job that a module has, with how its state is made once there is a service.
struct JobEntry {
    kind: &'static str,
    queue: &'static str,
    add: jobs::Add,
}

/// A named, prefixed, scoped piece of a service. See the [module documentation](self).
#[must_use]
pub struct Module {
    name: &'static str,
    prefix: String,
    routes: Vec<Route>,
    mounts: Vec<Mount>,
    modules: Vec<Module>,
    hooks: Hooks,
    guards: Vec<Guard>,
    /// Its hooks and guards by name, for people.
    middleware: Vec<String>,
    settings: Vec<fn(&mut Loader)>,
    on_start: Vec<boot::OnStart>,
    on_stop: Vec<Stop>,
    checks: Vec<MakeCheck>,
    jobs: Vec<JobEntry>,
    schedules: Vec<Schedule>,
    critical: bool,
}

impl Module {
    /// A module without anything in it. The name is unique in a service: lower-case letters, digits and `-`.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            prefix: String::new(),
            routes: Vec::new(),
            mounts: Vec::new(),
            modules: Vec::new(),
            hooks: Hooks::default(),
            guards: Vec::new(),
            middleware: Vec::new(),
            settings: Vec::new(),
            on_start: Vec::new(),
            on_stop: Vec::new(),
            checks: Vec::new(),
            jobs: Vec::new(),
            schedules: Vec::new(),
            critical: false,
        }
    }

    /// The name it was given.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What stands before the path of each of its routes and modules, e.g. `/api/orders`. Default: nothing.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    methods! {
        /// Answers `GET` (and `HEAD`) on a path below the prefix. A slash at its end is optional to clients.
        get => GET;
        /// Answers `POST`.
        post => POST;
        /// Answers `PUT`.
        put => PUT;
        /// Answers `PATCH`.
        patch => PATCH;
        /// Answers `DELETE`.
        delete => DELETE;
    }

    /// Answers any other method.
    pub fn route<F, Args>(mut self, method: Method, path: &str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routes.push(Route::new(method, path, handler));
        self
    }

    /// Mounts services of actix itself below a path, in a scope of their own: for `wrap` with a middleware of
    /// another crate, or for a crate that brings a `ServiceConfig` function. Their requests have this module's span
    /// and hooks; everything below the path is theirs, also what they do not answer. The hooks that look at answers
    /// do not see one that stands in for a panic or a timeout of such a service, and a hook that looks before must
    /// not keep the request.
    pub fn configure<F>(mut self, path: &str, configure: F) -> Self
    where
        F: Fn(&mut web::ServiceConfig) + Send + Sync + 'static,
    {
        self.mounts.push(Mount { path: path.to_owned(), configure: Arc::new(configure) });
        self
    }

    /// Puts a module inside this one: its prefix follows this one's, and this one's hooks surround its own.
    pub fn module(mut self, module: Module) -> Self {
        self.modules.push(module);
        self
    }

    /// Runs before each handler of this module and of those inside it; an error is the answer in its place.
    pub fn before<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(HttpRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Problem>> + 'static,
    {
        self.middleware.push(hook_name::<F>("before"));
        self.hooks.before.push(Arc::new(move |request| hook(request).boxed_local()));
        self
    }

    /// Runs on each answer of this module and of those inside it, errors too, before it is sent.
    pub fn after<F>(mut self, hook: F) -> Self
    where
        F: Fn(&HttpRequest, &mut HttpResponse) + Send + Sync + 'static,
    {
        self.middleware.push(hook_name::<F>("after"));
        self.hooks.after.push(Arc::new(hook));
        self
    }

    /// Answers errors of this module and of those inside it in a way of its own; `None` leaves it to the module
    /// outside, and in the end to the problem document.
    pub fn on_error<F>(mut self, handler: F) -> Self
    where
        F: Fn(&HttpRequest, &Problem) -> Option<HttpResponse> + Send + Sync + 'static,
    {
        self.middleware.push(hook_name::<F>("on_error"));
        self.hooks.on_error.push(Arc::new(handler));
        self
    }

    /// Says that the requests of this module and of those inside it are answered also while the service refuses others
    /// because it can not keep up, see [`SheddingSettings`](crate::config::SheddingSettings). Default: they are not.
    pub fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    /// Only requests that the guard lets through see the routes of this module and of those inside it; to others
    /// they do not exist.
    pub fn guard<F>(mut self, guard: F) -> Self
    where
        F: Fn(&GuardContext<'_>) -> bool + Send + Sync + 'static,
    {
        self.middleware.push(hook_name::<F>("guard"));
        self.guards.push(Arc::new(guard));
        self
    }

    /// Adds a section to the settings: `[name]` in the files, `APP_NAME__KEY` in the environment, and
    /// [`Settings<T>`](crate::web::Settings) in a handler.
    pub fn settings<T: Section>(mut self) -> Self {
        self.settings.push(|loader| {
            loader.section::<T>();
        });
        self
    }

    /// Runs when the service starts, after the database is there and before the first request: starts the module's
    /// actors and provides what its handlers need. An error stops the start.
    pub fn on_start<F, Fut>(mut self, start: F) -> Self
    where
        F: FnOnce(Boot) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + 'static,
    {
        self.on_start.push(Box::new(move |boot| start(boot).boxed_local()));
        self
    }

    /// Runs when the service stops, after the last request, job and message and before the database closes: what the
    /// module began and nobody else ends. It has what is left of `server.shutdown_grace`, and a second at least. Of
    /// several, and of several modules, what was started last is ended first.
    pub fn on_stop<F, Fut>(mut self, stop: F) -> Self
    where
        F: FnOnce(Boot) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.on_stop.push(Box::new(move |boot| stop(boot).boxed_local()));
        self
    }

    /// Adds a health check; `/health/ready` answers 503 while it fails.
    pub fn check<F>(mut self, check: F) -> Self
    where
        F: FnOnce(&Boot) -> Check + Send + 'static,
    {
        self.checks.push(Box::new(check));
        self
    }

    /// Adds a kind of jobs that this service can run. `state` makes what its runs get, after the start hooks of all
    /// modules; an error stops the start. The service needs a database with
    /// [`jobs::MIGRATIONS`](crate::jobs::MIGRATIONS).
    pub fn job<J, F>(mut self, state: F) -> Self
    where
        J: Job,
        F: FnOnce(&Boot) -> Result<J::State, BoxError> + Send + 'static,
    {
        self.jobs.push(JobEntry::new::<J, F>(state));
        self
    }

    /// Adds a schedule: a job for each of its ticks, enqueued once by whichever processes of this service run jobs. Some
    /// module of the service has the kind, added with [`job`](Self::job).
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// Registers the settings of this module and of those inside it.
    pub(crate) fn register_settings(&self, loader: &mut Loader) {
        for register in &self.settings {
            register(loader);
        }
        for module in &self.modules {
            module.register_settings(loader);
        }
    }

    /// Takes out what runs at the start and at the stop, outer modules first.
    pub(crate) fn take_hooks(&mut self, boot: &Boot, all: &mut Vec<StartAndStop>) {
        let stop = self.on_stop.drain(..).map(|stop| {
            let boot = boot.clone();
            let stop: OnStop = Box::new(move || stop(boot));
            stop
        });
        all.push(StartAndStop {
            module: self.name,
            start: self.on_start.drain(..).collect(),
            stop: stop.collect(),
        });
        for module in &mut self.modules {
            module.take_hooks(boot, all);
        }
    }

    /// Makes the health checks of this module and of those inside it.
    pub(crate) fn take_checks(&mut self, boot: &Boot, checks: &mut Vec<Check>) {
        checks.extend(self.checks.drain(..).map(|make| make(boot)));
        for module in &mut self.modules {
            module.take_checks(boot, checks);
        }
    }
}
