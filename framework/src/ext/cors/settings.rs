use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::Section;

/// `[cors]`: the origins whose pages may read answers.
///
/// ```toml
/// [cors]
/// origins = ["https://shop.example"]
/// credentials = true
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsSettings {
    /// The origins, each as `https://host` or `https://host:port`; `"*"` alone is any of them, and then without
    /// credentials. Default none.
    pub origins: Vec<String>,
    /// The methods that they may use. Default `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`.
    pub methods: Vec<String>,
    /// The headers that they may send. Default those that this framework reads.
    pub headers: Vec<String>,
    /// The headers of answers that their scripts may read. Default those that this framework writes.
    pub expose_headers: Vec<String>,
    /// Whether their requests may bring the visitor's cookies. Default false.
    pub credentials: bool,
    /// For how long browsers need not ask again. Default 10 minutes.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
}

impl CorsSettings {
    pub(super) fn any_origin(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}

impl Default for CorsSettings {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            origins: Vec::new(),
            methods: owned(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            headers: owned(&[
                "accept",
                "authorization",
                "content-type",
                "idempotency-key",
                "if-match",
                "if-none-match",
                "last-event-id",
                "traceparent",
                "tracestate",
                "x-csrf-token",
                "x-request-id",
            ]),
            expose_headers: owned(&[
                "etag",
                "location",
                "ratelimit",
                "ratelimit-policy",
                "retry-after",
                "x-request-id",
            ]),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

impl Section for CorsSettings {
    const NAME: &'static str = "cors";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for origin in self.origins.iter().filter(|origin| *origin != "*") {
            if !is_origin(origin) {
                wrong.push((
                    "origins",
                    format!("`{origin}` is no origin: use e.g. https://shop.example, without a path"),
                ));
            }
        }
        if self.any_origin() && self.origins.len() > 1 {
            wrong.push(("origins", "names any origin (`*`) and others: use one or the other".to_owned()));
        }
        if self.any_origin() && self.credentials {
            wrong.push((
                "credentials",
                "can not be true for any origin (`*`): every page could act as its visitor; list the origins"
                    .to_owned(),
            ));
        }
        for method in &self.methods {
            if !matches!(method.parse::<Method>(), Ok(method) if method.as_str().bytes().all(|b| b.is_ascii_uppercase()))
            {
                wrong.push(("methods", format!("`{method}` is no method: use e.g. GET")));
            }
        }
        let headers = self.headers.iter().map(|name| ("headers", name));
        for (key, name) in headers.chain(self.expose_headers.iter().map(|name| ("expose_headers", name))) {
            if name.parse::<HeaderName>().is_err() {
                wrong.push((key, format!("`{name}` is no name of a header: use e.g. content-type")));
            }
        }
        wrong
    }
}

/// Whether it is what a browser sends as `Origin`.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.has_host() && url.origin().ascii_serialization() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_browser_sends_or_nobody_should_allow_is_refused() {
        let wrong = |origins: &[&str], credentials| {
            let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
            CorsSettings { origins, credentials, ..CorsSettings::default() }.check(true)
        };
        for fine in [&[][..], &["https://shop.example"], &["http://localhost:3000", "https://a.example"]] {
            assert_eq!(wrong(fine, true), [], "{fine:?}");
        }
        assert_eq!(wrong(&["*"], false), []);
        for bad in
            ["shop.example", "https://shop.example/", "https://Shop.example", "null", "https://a.example/x"]
        {
            let wrong = wrong(&[bad], false);
            assert!(wrong.len() == 1 && wrong[0].1.contains("no origin"), "{bad}: {wrong:?}");
        }
        assert!(wrong(&["*"], true)[0].1.contains("act as its visitor"));
        assert!(wrong(&["*", "https://a.example"], false)[0].1.contains("one or the other"));
        let odd = CorsSettings {
            methods: vec!["get".to_owned()],
            headers: vec!["a b".to_owned()],
            ..CorsSettings::default()
        };
        assert_eq!(odd.check(true).len(), 2);
    }
}
