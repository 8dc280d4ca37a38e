//! A cache: values that are costly to load, kept for a while in this process, in Redis or in Memcached.
//!
//! What a service keeps is divided into [`Namespace`]s of one type each. [`Namespace::get_or_load`] is the usual way in: it
//! loads what is not there once, however many ask, and keeps it. A cache that is slow or away only slows: after three
//! failures in a row it is left alone, everything is loaded, and it is asked every second whether it is back.
//!
//! **Out of date.** Who changes what is cached says so in the unit of work that does it
//! ([`Namespace::invalidate_after`]). From the COMMIT on this process reads none of what was kept before, and what a slow
//! loader read before the COMMIT is not kept, whichever process it is in: a loader leaves a lease under the key, keeps its
//! value only if the lease is still there, and an invalidation takes it away. Three windows stay open, and the time to
//! live bounds each: other processes read the old value until the backend has been told (usually within a millisecond
//! after the COMMIT; [`Cache::settled`] waits for it); a process that is killed between the two tells nobody; and while
//! one process can not reach the backend, those that can go on reading what is there. With `memory://` nobody is told in
//! other processes at all: there the time to live is all that there is, so keep it short, or ask [`Cache::is_shared`].
//!
//! Values are JSON behind a header, under `{service}:{namespace}.{version}.{format}:{key}`. What can not be read, because
//! an older version wrote it or because it is garbage, counts as not there.
//!
//! Commands to Redis and Memcached are CLIENT spans by the semantic conventions, without keys and values. Counted are
//! `spanbox.cache.lookups` by `spanbox.cache.outcome` (`hit`, `stale`, `miss`, `joined`, `bypassed`) and
//! `spanbox.cache.failures` by `error.type` (`unavailable`, `too_large`, `unreadable`).
//!
//! ```
//! use std::time::Duration;
//!
//! use actix_web::web::Data;
//! use spanbox::app::Service;
//! use spanbox::ext::cache::{Cache, CacheExtension};
//! use spanbox::module::Module;
//! use spanbox::web::{Json, Problem};
//!
//! async fn rate(cache: Data<Cache>) -> Result<Json<f64>, Problem> {
//!     let rates = cache.namespace::<f64>("rates", 1);
//!     let loaded = rates.get_or_load("EUR", Duration::from_secs(60), async || Ok::<_, Problem>(1.08));
//!     loaded.await.map(Json)
//! }
//!
//! let service = Service::new("exchange", "1.0.0")
//!     .environment([("CACHE_URL", "memory://")])
//!     .extension(CacheExtension::new("exchange"))
//!     .module(Module::new("rates").get("/rate", rate));
//! assert!(service.prepare().is_ok());
//! ```

mod backend;
mod breaker;
mod entry;
mod flight;
mod keeper;
mod memory;
mod namespace;
mod pending;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "no_redis.rs"]
mod redis;
mod settings;
mod signals;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use opentelemetry::trace::FutureExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub use namespace::Namespace;
pub use settings::CacheSettings;

use super::{Extension, Installed};
use crate::config::Loader;
use crate::context;
use crate::module::{Boot, BoxError};
use crate::telemetry::Telemetry;
use crate::web::Check;
use backend::{Backend, BackendError};
use breaker::Breaker;
use flight::Flights;
use pending::Pending;
use signals::Signals;

/// How many timeouts of the backend [`Cache::settled`] waits at most.
const SETTLE: u32 = 3;

/// The extension `cache`: provides a [`Cache`], as `[cache]` says.
#[derive(Debug)]
pub struct CacheExtension {
    service: &'static str,
}

/// The cache of a service; cheap to clone. Handlers ask for it as `Data<Cache>`.
#[derive(Clone)]
pub struct Cache {
    service: &'static str,
    /// None when the cache is off.
    inner: Option<Arc<Inner>>,
    keeper: Option<AbortHandle>,
}

struct Inner {
    backend: Backend,
    shown: String,
    timeout: Duration,
    max_value_bytes: usize,
    breaker: Breaker,
    pending: Pending,
    flights: Flights,
    signals: Signals,
}

impl CacheExtension {
    /// The cache of a service. Its name stands before every key, so that several may share a server.
    #[must_use]
    pub const fn new(service: &'static str) -> Self {
        Self { service }
    }
}

impl Extension for CacheExtension {
    const NAME: &'static str = "cache";
    type Installed = Cache;

    fn settings(loader: &mut Loader) {
        loader.section::<CacheSettings>();
    }

    async fn install(self, boot: Boot) -> Result<Cache, BoxError> {
        let cache = Cache::start(self.service, &boot.settings::<CacheSettings>()?, boot.telemetry())?;
        boot.provide(cache.clone());
        Ok(cache)
    }
}

impl Installed for Cache {
    /// The service does without a cache, so that it is ready when this fails: `degraded`.
    fn check(&self) -> Option<Check> {
        let inner = self.inner.clone()?;
        Some(Check::optional("cache", move || {
            let inner = Arc::clone(&inner);
            async move {
                if !inner.breaker.is_open() && inner.backend.ping().await.is_ok() {
                    return Ok(());
                }
                Err("it can not be reached: everything is loaded each time".to_owned())
            }
            .boxed_local()
        }))
    }

    async fn stop(self) {
        self.settled().await;
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
        let lost = self.inner.as_ref().map_or(0, |inner| inner.pending.some(usize::MAX).len());
        if lost > 0 {
            tracing::warn!(
                keys = lost,
                "the cache was not told of what is out of date: it is read until its time is over"
            );
        }
    }
}

impl Cache {
    fn start(
        service: &'static str,
        settings: &CacheSettings,
        telemetry: &Telemetry,
    ) -> Result<Self, BackendError> {
        let Some(url) = &settings.url else { return Ok(Self { service, inner: None, keeper: None }) };
        let backend = Backend::new(url, settings, telemetry)?;
        let inner = Arc::new(Inner {
            shown: backend.shown(),
            backend,
            timeout: settings.timeout,
            max_value_bytes: settings.max_value_bytes,
            breaker: Breaker::default(),
            pending: Pending::default(),
            flights: Flights::default(),
            signals: Signals::new(telemetry),
        });
        // What it does is caused by whoever says that something is out of date, and by nobody else.
        let keeper = context::spawn(keeper::keep(Arc::clone(&inner)).with_context(telemetry.root()));
        Ok(Self { service, inner: Some(inner), keeper: Some(keeper.abort_handle()) })
    }

    /// The values of one kind. `version` goes up when their type changes, so that what was kept before is not read.
    #[must_use]
    pub fn namespace<T: Serialize + DeserializeOwned>(
        &self,
        name: &'static str,
        version: u32,
    ) -> Namespace<T> {
        Namespace::new(self, name, version)
    }

    /// Whether values are kept anywhere.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Whether other processes see what is kept, and what is out of date: not so with `memory://`.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.backend.is_shared())
    }

    /// Waits until the backend knows of everything that is out of date by now, so that no process reads it any more; not
    /// for a backend that is away, and for three times `cache.timeout` at most.
    pub async fn settled(&self) {
        if let Some(inner) = &self.inner {
            inner.settled().await;
        }
    }
}

impl Inner {
    /// Whether the backend is not to be asked for a key.
    fn bypassed(&self, key: &str) -> bool {
        self.breaker.is_open() || self.pending.contains(key)
    }

    /// What the backend answered; `None` if it did not.
    fn heard<T>(&self, answer: Result<T, BackendError>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.breaker.succeeded();
                Some(answer)
            }
            Err(error) => {
                self.signals.failed("unavailable");
                if self.breaker.failed() {
                    tracing::warn!(
                        backend = self.shown,
                        %error,
                        "the cache does not answer: everything is loaded until it does"
                    );
                }
                None
            }
        }
    }

    fn invalidate(&self, key: String) {
        let forgotten = key.clone();
        if self.pending.add(key) {
            tracing::warn!(
                "more is out of date than is remembered while the cache is away: nothing is read of it until all that it \
                 has is over"
            );
        }
        self.flights.forget(&forgotten);
    }

    async fn settled(&self) {
        if !self.breaker.is_open() {
            tokio::select! {
                _ = timeout(self.timeout * SETTLE, self.pending.settle()) => {}
                () = self.breaker.opened() => {}
            }
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let backend = self.inner.as_ref().map_or("off", |inner| &inner.shown);
        f.debug_struct("Cache").field("backend", &backend).finish_non_exhaustive()
    }
}
