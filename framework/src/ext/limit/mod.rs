//! Rate limits: how many requests are taken from one address and from one principal.
//!
//! A request over a limit is answered with a 429 problem and `Retry-After`; every answer that was counted says what is
//! left (`RateLimit`, `RateLimit-Policy`). Requests are counted by the generic cell rate algorithm: there is no window
//! at whose end everybody comes back at once.
//!
//! Limits per address are outside of everything else, sign-in included; where a request comes from is told by
//! [`ClientAddress`](crate::web::ClientAddress), so that no header of a client's own changes it. Limits per principal
//! come right before the handler. With `store = "redis"` (feature `redis`) all processes count together, by one script in Redis; while
//! Redis does not answer, each counts for itself, which is said once in the log. Neither addresses nor ids are stored
//! there, but what only who has `service.secret_key` could match with them.
//!
//! ```
//! use spanbox::app::Service;
//! use spanbox::ext::limit::Limit;
//!
//! let service = Service::new("shop", "1.0.0")
//!     .environment([("APP_LIMITS__RULES__EVERYBODY__REQUESTS", "100")])
//!     .extension(Limit);
//! assert!(service.prepare().is_ok());
//! ```

mod client;
mod gate;
mod local;
#[cfg(feature = "redis")]
mod names;
mod rule;
mod settings;
#[cfg(feature = "redis")]
mod shared;
#[cfg(not(feature = "redis"))]
#[path = "no_shared.rs"]
mod shared;
mod signals;

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};

use self::client::Numbers;
use self::gate::{Gate, by_address};
use self::rule::Rule;
use self::shared::Shared;
use self::signals::LimitSignals;
use super::Extension;
use crate::config::{Loader, ServiceSettings, closest};
use crate::module::{Boot, BoxError};

pub use settings::{LimitPer, LimitRule, LimitSettings, LimitStore};

/// The extension. See the [module documentation](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit;

/// A rule for a route that there is not.
#[derive(Debug, thiserror::Error)]
#[error("limits.rules.{rule}.routes: there is no route `{route}`{}", .close.as_ref().map(|close| format!("; did you mean `{close}`?")).unwrap_or_default())]
struct UnknownRoute {
    rule: String,
    route: String,
    close: Option<String>,
}

impl Extension for Limit {
    const NAME: &'static str = "limit";
    const SURROUNDS: &'static [&'static str] = &["rate limits"];
    type Installed = ();

    fn settings(loader: &mut Loader) {
        loader.section::<LimitSettings>();
    }

    async fn install(self, boot: Boot) -> Result<(), BoxError> {
        let settings = boot.settings::<LimitSettings>()?;
        check_routes(&boot, &settings)?;
        if !settings.enabled || settings.rules.is_empty() {
            return Ok(());
        }
        let secret = boot.settings::<ServiceSettings>()?.secret_key;
        let secret = secret.as_ref().map_or(&[][..], |secret| secret.expose().as_bytes());
        let shared = match settings.store {
            LimitStore::Memory => None,
            LimitStore::Redis => Some(Shared::new(boot.redis()?, secret, settings.prefix.clone())),
        };
        let most = settings.max_clients;
        let gate = Arc::new(Gate {
            rules: settings.rules.into_iter().map(|(name, rule)| Rule::new(name, rule, most)).collect(),
            numbers: Numbers::default(),
            shared,
            signals: LimitSignals::new(boot.telemetry()),
        });
        LimitSignals::observe(&gate, boot.telemetry());
        let of = Arc::clone(&gate);
        boot.wrap(move || {
            let gate = Arc::clone(&of);
            from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
                by_address(Arc::clone(&gate), request, next)
            })
        });
        let of = Arc::clone(&gate);
        boot.admit(move |request| {
            let gate = Arc::clone(&of);
            async move { gate.check(LimitPer::Principal, &request).await }
        });
        boot.after(move |request, response| gate.announce(request, response));
        Ok(())
    }
}

fn check_routes(boot: &Boot, settings: &LimitSettings) -> Result<(), UnknownRoute> {
    let known: Vec<String> =
        boot.routes().iter().map(|route| format!("{} {}", route.method, route.pattern)).collect();
    for (rule, of) in &settings.rules {
        if let Some(route) = of.routes.iter().find(|route| !known.contains(route)) {
            let close = closest(route, known.iter().map(String::as_str)).map(str::to_owned);
            return Err(UnknownRoute { rule: rule.clone(), route: route.clone(), close });
        }
    }
    Ok(())
}
