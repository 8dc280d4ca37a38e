//! Other services' URLs: checked at boot, so that a slip is not a connection error an hour later.

use std::collections::BTreeMap;

use actix_web::http::header::{HeaderName, HeaderValue};
use serde::Serializer;
use url::Url;

use crate::redact::{MASK, Secret};

/// Never shows the URL, which may hold a password.
pub(super) fn check_redis(raw: &str) -> Result<(), String> {
    match Url::parse(raw) {
        Ok(url) if !matches!(url.scheme(), "redis" | "rediss") => {
            Err(format!("has the scheme `{}`: only redis:// and rediss:// are known", url.scheme()))
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => {
            Err("names no host: use e.g. redis://localhost:6379".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("is no URL ({error}): use redis://user:password@host:6379/0")),
    }
}

/// An exporter takes an endpoint that does not parse as the default one, and says nothing.
pub(super) fn check_otlp(raw: &str) -> Result<(), String> {
    match Url::parse(raw) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err(format!("has the scheme `{}`: use e.g. http://localhost:4317", url.scheme()))
        }
        // It is shown in listings and logs as it is.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("must not hold credentials: use OTEL_EXPORTER_OTLP_HEADERS".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("is no URL ({error}): use e.g. http://localhost:4317")),
    }
}

/// Never shows the value.
pub(super) fn check_header((name, value): (&String, &Secret<String>)) -> Result<(), String> {
    if HeaderName::try_from(name.as_str()).is_err() {
        return Err(format!("has `{name}`, which is no name of a header"));
    }
    HeaderValue::try_from(value.expose().as_str())
        .map_err(|_| format!("has a value of `{name}` that no header may hold"))
        .map(drop)
}

/// The names, each with the mask.
pub(super) fn masked_headers<S: Serializer>(
    headers: &BTreeMap<String, Secret<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| (name, MASK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_http_can_send_passes_as_a_header() {
        let check = |name: &str, value: &str| check_header((&name.to_owned(), &value.to_owned().into()));
        assert_eq!(check("X-Tenant", "a b"), Ok(()));
        for (name, value) in [("x tenant", "hunter2"), ("", "hunter2"), ("x-tenant", "hunter2\r\nx: y")] {
            let message = check(name, value).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn only_redis_urls_with_a_host_pass() {
        assert_eq!(check_redis("redis://localhost:6379/0"), Ok(()));
        assert_eq!(check_redis("rediss://user:pw@cache.example"), Ok(()));
        for wrong in ["http://localhost", "redis://", "localhost:6379", "redis://user:hunter2@host:port"] {
            let message = check_redis(wrong).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn only_http_endpoints_without_credentials_pass() {
        assert_eq!(check_otlp("http://localhost:4317"), Ok(()));
        assert_eq!(check_otlp("https://collector.example/v1"), Ok(()));
        for wrong in ["localhost:4317", "grpc://collector:4317", "http://me:hunter2@collector", "collector"] {
            let message = check_otlp(wrong).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
