//! Requests to other services over HTTP, behind the feature `client`: traced, bounded, tried again only where that is
//! safe, and kept away from who is down and from where nobody should get.
//!
//! The extension [`HttpClient`] reads `[http_client]` and provides a [`Client`]. A service that is asked regularly is an
//! [`Upstream`] with settings of its own, `[http_client.upstreams.<name>]`:
//!
//! ```
//! use actix_web::web::Data;
//! use serde::Deserialize;
//! use spanbox::app::Service;
//! use spanbox::ext::client::{Client, HttpClient};
//! use spanbox::module::Module;
//! use spanbox::web::{Json, Problem};
//!
//! #[derive(Deserialize, serde::Serialize)]
//! struct Rate {
//!     euro: f64,
//! }
//!
//! async fn rate(client: Data<Client>) -> Result<Json<Rate>, Problem> {
//!     let rates = client.upstream("rates").map_err(Problem::internal)?;
//!     let answer = rates.get("/usd").template("/{currency}").send().await.map_err(Problem::internal)?;
//!     Ok(Json(answer.success().and_then(|answer| answer.json()).map_err(Problem::internal)?))
//! }
//!
//! let service = Service::new("shop", "1.0.0")
//!     .environment([("APP_HTTP_CLIENT__UPSTREAMS__RATES__BASE_URL", "https://rates.example")])
//!     .extension(HttpClient)
//!     .module(Module::new("rates").get("/rate", rate));
//! assert!(service.prepare().is_ok());
//! ```
//!
//! - **Recorded.** Each attempt is a CLIENT span `{METHOD} {url.template}` by the stable HTTP conventions, and measured by
//!   `http.client.request.duration` (to the end of the body) and `http.client.active_requests`. A query is recorded by its
//!   names alone. What waits before another attempt is a span `http.client.retry.wait`.
//! - **Told.** `traceparent`, and of the baggage what `telemetry.baggage.send` lists, go to upstreams and to the hosts of
//!   `http_client.propagate_to`, and to nobody else.
//! - **Bounded.** By time, connecting included, and by the size of the answer. An answer that is cut off is an error, not a
//!   short answer. Compression is not asked for, so that a few bytes can not become many.
//! - **Tried again.** What was not sent (no connection) always; 502, 503, 504, 429 with `Retry-After`, and a connection that
//!   broke only for methods that are idempotent, or with an idempotency key. Within the time of the request, after waits
//!   that grow and are left to chance, and paid from a budget.
//! - **Left alone.** After failures in a row the breaker of an upstream opens: requests to it fail at once, by
//!   [`ClientError::CircuitOpen`], until one finds out that it is back.
//! - **Refused.** Credentials in a URL, redirects, paths that lead out of an upstream's base; and for URLs of users
//!   ([`Client::untrusted`]) every address that is not public.
//!
//! No proxy of the environment is asked: it would look names up in our place.

mod address;
mod breaker;
mod budget;
mod call;
mod error;
mod handle;
mod request;
mod response;
mod retry;
mod settings;
mod signals;
mod target;
#[cfg(test)]
mod tests;
mod wire;

pub use breaker::BreakerState;
pub use error::ClientError;
pub use handle::{Client, Upstream};
pub use request::Request;
pub use response::Response;
pub use settings::{BreakerSettings, HttpClientSettings, RetrySettings, UpstreamSettings, check_base_url};

use super::Extension;
use crate::config::Loader;
use crate::module::{Boot, BoxError};

/// The extension that provides a [`Client`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpClient;

impl Extension for HttpClient {
    const NAME: &'static str = "http-client";
    type Installed = ();

    fn settings(loader: &mut Loader) {
        loader.section::<HttpClientSettings>();
    }

    async fn install(self, boot: Boot) -> Result<(), BoxError> {
        let settings = boot.settings::<HttpClientSettings>()?;
        boot.provide(Client::new(settings, boot.telemetry(), address::system())?);
        Ok(())
    }
}
