//! What every answer has, whoever wrote its handler.

use std::time::Duration;

use actix_web::http::header::HeaderValue;
use serde::{Deserialize, Serialize};

use super::Section;

/// The policy of pages that say nothing of their own: what they load comes from here, and nobody frames them.
const PAGES: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// `[edge]`: what is added to every answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeSettings {
    /// Whether answers get the headers that keep browsers from harm. A handler's own value of one of them stays.
    /// Default true.
    pub security_headers: bool,
    /// The `Content-Security-Policy` of HTML. Default: everything from the same origin, framed by nobody. What is not
    /// HTML loads nothing at all.
    pub content_security_policy: String,
    /// For how long a browser that came by HTTPS comes by nothing else (`Strict-Transport-Security`). Default 365 days;
    /// `0s` leaves it out.
    #[serde(with = "humantime_serde")]
    pub hsts: Duration,
    /// Whether each request has an id, `X-Request-Id`: the client's if it is one, else a new one. Default true.
    pub request_id: bool,
    /// Whether answers are compressed for clients that ask for it. Default true.
    pub compression: bool,
    /// The smallest body that is compressed, in bytes. Default 1024.
    pub compress_from: u64,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            security_headers: true,
            content_security_policy: PAGES.to_owned(),
            hsts: Duration::from_secs(365 * 24 * 3600),
            request_id: true,
            compression: true,
            compress_from: 1024,
        }
    }
}

impl Section for EdgeSettings {
    const NAME: &'static str = "edge";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        if HeaderValue::from_str(&self.content_security_policy).is_ok() {
            return Vec::new();
        }
        vec![("content_security_policy", "must be one line of printable ASCII".to_owned())]
    }
}
