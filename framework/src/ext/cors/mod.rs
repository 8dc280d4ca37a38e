//! Cross-origin requests: which other origins' pages may read this service's answers.
//!
//! None may until `[cors]` lists it. The answers to a listed origin say so, those with an error too, and preflight
//! requests are answered before any hook and handler. Requests of other origins are answered as if nobody asked: their
//! browser keeps the answer from the page. What is allowed for whom is a matter of credentials, not of this. WebSockets,
//! which browsers let every page open, are refused to pages of other origins; those that are listed may open them.
//!
//! Give it to the service before other extensions that surround requests, such as
//! [`Limit`](crate::ext::limit::Limit): then these see no preflight requests, and pages can read what they answer.
//!
//! ```
//! use spanbox::app::Service;
//! use spanbox::ext::cors::Cors;
//!
//! let service = Service::new("shop", "1.0.0")
//!     .environment([("APP_CORS__ORIGINS", "https://shop.example")])
//!     .extension(Cors);
//! assert!(service.prepare().is_ok());
//!
//! let service = Service::new("shop", "1.0.0")
//!     .environment([("APP_CORS__ORIGINS", "*"), ("APP_CORS__CREDENTIALS", "true")])
//!     .extension(Cors);
//! assert!(service.prepare().is_err(), "anybody's page would act as its visitor");
//! ```

mod settings;

use super::Extension;
use crate::config::Loader;
use crate::module::{Boot, BoxError};
use crate::web::stream::AllowedOrigins;

pub use settings::CorsSettings;

/// The extension. See the [module documentation](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Cors;

impl Extension for Cors {
    const NAME: &'static str = "cors";
    const SURROUNDS: &'static [&'static str] = &["cross-origin"];
    type Installed = ();

    fn settings(loader: &mut Loader) {
        loader.section::<CorsSettings>();
    }

    async fn install(self, boot: Boot) -> Result<(), BoxError> {
        let settings = boot.settings::<CorsSettings>()?;
        if !settings.origins.is_empty() {
            boot.provide(AllowedOrigins::new(settings.origins.clone()).cookies(settings.credentials));
            boot.wrap(move || middleware(&settings));
        }
        Ok(())
    }
}

fn middleware(settings: &CorsSettings) -> actix_cors::Cors {
    let mut cors = actix_cors::Cors::default()
        .allowed_methods(settings.methods.iter().map(String::as_str))
        .expose_headers(settings.expose_headers.iter().map(String::as_str));
    if !settings.headers.is_empty() {
        cors = cors.allowed_headers(settings.headers.iter().map(String::as_str));
    }
    if settings.any_origin() {
        cors = cors.allow_any_origin().send_wildcard();
    } else {
        for origin in &settings.origins {
            cors = cors.allowed_origin(origin);
        }
    }
    if settings.credentials {
        cors = cors.supports_credentials();
    }
    cors.max_age(usize::try_from(settings.max_age.as_secs()).ok())
}
