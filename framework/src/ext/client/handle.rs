use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::Method;
use parking_lot::Mutex;
use rustls::ClientConfig;
use url::Url;

use super::address::{Lookup, Public, PublicOnly};
use super::breaker::{Breaker, BreakerState};
use super::budget::Budget;
use super::call::Route;
use super::settings::{HttpClientSettings, UpstreamSettings, check_base};
use super::signals::Signals;
use super::{ClientError, Request, target, wire};
use crate::config::closest;
use crate::telemetry::Telemetry;

/// Sends requests to other services; cheap to clone. See the [module documentation](super).
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: HttpClientSettings,
    tls: ClientConfig,
    signals: Arc<Signals>,
    /// For URLs that the code knows.
    known: Arc<Route>,
    /// For those of users.
    untrusted: Arc<Route>,
    /// One for each name, so that all who ask an upstream share what is known of it.
    upstreams: Mutex<HashMap<(String, Url), Upstream>>,
}

/// One service that is asked: its address, its connections, its limits, its breaker; cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<UpstreamInner>,
}

struct UpstreamInner {
    name: String,
    base: Url,
    propagate: bool,
    route: Arc<Route>,
}

impl Client {
    pub(super) fn new(
        settings: HttpClientSettings,
        telemetry: &Telemetry,
        lookup: Lookup,
    ) -> Result<Self, ClientError> {
        let tls = wire::tls(settings.ca_certificate.as_deref())?;
        let signals = Arc::new(Signals::new(telemetry));
        let budget = Arc::new(Budget::new(settings.retry.budget, Instant::now()));
        let public = Arc::new(Public::new(&settings.untrusted_networks));
        let resolver = Arc::new(PublicOnly { public: Arc::clone(&public), lookup });
        let route = |public, resolver| {
            Ok::<_, ClientError>(Arc::new(Route {
                client: wire::client(&tls, settings.connect_timeout, resolver)?,
                signals: Arc::clone(&signals),
                timeout: settings.timeout,
                max_response_bytes: settings.max_response_bytes,
                retry: settings.retry.clone(),
                budget: Arc::clone(&budget),
                breaker: None,
                public,
            }))
        };
        let (known, untrusted) = (route(None, None)?, route(Some(public), Some(resolver))?);
        let inner = Inner { settings, tls, signals, known, untrusted, upstreams: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// `GET` of a URL that the code or the settings say.
    pub fn get(&self, url: &str) -> Request {
        self.request(Method::GET, url)
    }

    /// `POST` to such a URL.
    pub fn post(&self, url: &str) -> Request {
        self.request(Method::POST, url)
    }

    /// Any request to such a URL. Its host is told of the trace if `http_client.propagate_to` lists it.
    pub fn request(&self, method: Method, url: &str) -> Request {
        let url = target::parse(url);
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default();
        let propagate = target::is_listed(host, &self.inner.settings.propagate_to);
        Request::new(&self.inner.known, method, url).propagate(propagate)
    }

    /// A request to a URL that a user gave, such as a webhook's: it goes to public addresses alone (and to those of
    /// `http_client.untrusted_networks`), whatever its name is looked up to at whatever time, and is told of no trace. Its
    /// path is not recorded.
    pub fn untrusted(&self, method: Method, url: &str) -> Request {
        Request::new(&self.inner.untrusted, method, target::parse(url)).untrusted()
    }

    /// The upstream of this name in `[http_client.upstreams]`.
    ///
    /// # Errors
    ///
    /// [`ClientError::UnknownUpstream`] when the settings have none, or one without a `base_url`.
    pub fn upstream(&self, name: &str) -> Result<Upstream, ClientError> {
        let unknown = |hint: String| ClientError::UnknownUpstream { name: name.to_owned(), hint };
        let upstreams = &self.inner.settings.upstreams;
        let Some(settings) = upstreams.get(name) else {
            return Err(unknown(match closest(name, upstreams.keys().map(String::as_str)) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("set http_client.upstreams.{name}.base_url"),
            }));
        };
        match &settings.base_url {
            Some(url) => self.upstream_at(name, url),
            None => Err(unknown(format!("set http_client.upstreams.{name}.base_url"))),
        }
    }

    /// The upstream of this name at an address that is said elsewhere than in its settings. All else is as in
    /// `[http_client.upstreams.<name>]`, or as by default if there is no such table.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] when the address is of no use.
    pub fn upstream_at(&self, name: &str, base_url: &str) -> Result<Upstream, ClientError> {
        let base = check_base(base_url).map_err(|reason| ClientError::Url { reason })?;
        let mut known = self.inner.upstreams.lock();
        if let Some(upstream) = known.get(&(name.to_owned(), base.clone())) {
            return Ok(upstream.clone());
        }
        let upstream = self.inner.make(name, base.clone())?;
        known.insert((name.to_owned(), base), upstream.clone());
        Ok(upstream)
    }
}

impl Inner {
    fn make(&self, name: &str, base: Url) -> Result<Upstream, ClientError> {
        let shared = &self.settings;
        let own = shared.upstreams.get(name).cloned().unwrap_or_default();
        let UpstreamSettings {
            connect_timeout, timeout, max_response_bytes, propagate, retry, breaker, ..
        } = own;
        let retry = retry.unwrap_or_else(|| shared.retry.clone());
        let breaker = Arc::new(Breaker::new(breaker));
        self.signals.observe(name, Arc::downgrade(&breaker));
        let route = Route {
            client: wire::client(&self.tls, connect_timeout.unwrap_or(shared.connect_timeout), None)?,
            signals: Arc::clone(&self.signals),
            timeout: timeout.unwrap_or(shared.timeout),
            max_response_bytes: max_response_bytes.unwrap_or(shared.max_response_bytes),
            budget: Arc::new(Budget::new(retry.budget, Instant::now())),
            retry,
            breaker: Some(breaker),
            public: None,
        };
        let inner = UpstreamInner { name: name.to_owned(), base, propagate, route: Arc::new(route) };
        Ok(Upstream { inner: Arc::new(inner) })
    }
}

impl Upstream {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where it is.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.inner.base.as_str()
    }

    /// How its circuit breaker is.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        let breaker = self.inner.route.breaker.as_ref();
        breaker.map_or(BreakerState::Closed, |breaker| breaker.state(Instant::now()))
    }

    /// `GET` of a path below its base.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// `POST` to a path below its base.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// Any request to a path, with a query maybe, below its base; one that leads out of it (`/../`) is refused.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let UpstreamInner { name, base, propagate, route } = &*self.inner;
        Request::new(route, method, target::join(base, path)).for_upstream(name).propagate(*propagate)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let upstreams: Vec<_> = self.inner.settings.upstreams.keys().collect();
        f.debug_struct("Client").field("upstreams", &upstreams).finish_non_exhaustive()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.inner.name)
            .field("base_url", &self.inner.base.as_str())
            .field("breaker", &self.breaker())
            .finish_non_exhaustive()
    }
}
