use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Section;

/// `[session]`: the cookie of those who sign in on a page.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// The cookie's name; with `secure` it is `__Host-` and this, which browsers take from this very host over TLS
    /// alone. Default `session`.
    pub cookie: String,
    /// Whether browsers send it over TLS alone. Default true; the `development` profile's is false.
    pub secure: bool,
    /// Whether it comes along when a link on another site leads here (`lax`), or not even then (`strict`). Default
    /// `lax`. Forms of other sites are refused in either case.
    pub same_site: CookieSameSite,
    /// After so long without a request one has to sign in again. Default 2 h.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// After so long one has to sign in again in any case. Default 12 h.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
}

/// `SameSite` of a cookie.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum CookieSameSite {
    /// Links from elsewhere bring it along.
    #[default]
    Lax,
    /// Nothing from elsewhere does.
    Strict,
}

impl SessionSettings {
    /// The name as browsers see it.
    pub(super) fn name(&self) -> String {
        if self.secure { format!("__Host-{}", self.cookie) } else { self.cookie.clone() }
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            cookie: "session".to_owned(),
            secure: true,
            same_site: CookieSameSite::Lax,
            idle_timeout: Duration::from_secs(2 * 3600),
            max_age: Duration::from_secs(12 * 3600),
        }
    }
}

impl Section for SessionSettings {
    const NAME: &'static str = "session";

    fn check(&self, production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.cookie.is_empty() || !self.cookie.chars().all(is_name) {
            wrong.push(("cookie", "must be letters, digits, `-` and `_`".to_owned()));
        }
        if production && !self.secure {
            let message = "must be true in production: without TLS anybody on the way could take the cookie";
            wrong.push(("secure", message.to_owned()));
        }
        for (key, span) in [("idle_timeout", self.idle_timeout), ("max_age", self.max_age)] {
            if span < Duration::from_secs(60) {
                wrong.push((key, format!("must be at least 1m, got {span:?}")));
            }
        }
        wrong
    }
}
