use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{Section, built_without};
use crate::redact::Secret;

/// `[cache]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Where values are kept (`CACHE_URL`): `memory://` for this process alone, `redis://` or `rediss://` (feature
    /// `redis`), `memcache://`. Shown masked. Not set: nowhere, and everything is loaded each time.
    #[serde(serialize_with = "Secret::masked")]
    pub url: Option<Secret<String>>,
    /// How long a server may take to be reached, and to answer. Default 100 ms, from 1 ms to 5 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// What `memory://` holds at most, in bytes of keys and values. Default 32 MiB, at least 64 KiB.
    pub max_memory_bytes: u64,
    /// A value larger than this is not kept. Default 256 KiB; Memcached itself takes no more than 1 MiB.
    pub max_value_bytes: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            url: None,
            timeout: Duration::from_millis(100),
            max_memory_bytes: 32 * 1024 * 1024,
            max_value_bytes: 256 * 1024,
        }
    }
}

impl Section for CacheSettings {
    const NAME: &'static str = "cache";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Some(Err(message)) =
            self.url.as_ref().map(|url| check_url(url.expose(), cfg!(feature = "redis")))
        {
            wrong.push(("url", message));
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(5)).contains(&self.timeout) {
            wrong.push(("timeout", "must be from 1ms to 5s: a request waits so long for a cache".to_owned()));
        }
        if self.max_memory_bytes < 64 * 1024 {
            wrong.push(("max_memory_bytes", "must be at least 65536".to_owned()));
        }
        if self.max_value_bytes == 0 {
            wrong.push(("max_value_bytes", "must be at least 1".to_owned()));
        }
        wrong
    }
}

/// Never shows the URL, which may hold a password.
fn check_url(raw: &str, has_redis: bool) -> Result<(), String> {
    const KNOWN: &str = "memory://, redis://host:6379/0, rediss://… and memcache://host:11211";
    let url = Url::parse(raw).map_err(|error| format!("is no URL ({error}): known are {KNOWN}"))?;
    let no_host = url.host_str().is_none_or(str::is_empty);
    match url.scheme() {
        "memory" => Ok(()),
        "redis" | "rediss" if no_host => Err("names no host: use e.g. redis://localhost:6379".to_owned()),
        "redis" | "rediss" if !has_redis => {
            let without = built_without("redis", "use memory:// or memcache://host:11211");
            Err(format!("is a Redis, and {without}"))
        }
        "redis" | "rediss" => Ok(()),
        "memcache" if no_host && url.path().len() < 2 => {
            Err("names no host and no socket: use e.g. memcache://localhost:11211".to_owned())
        }
        // The library opens IPv4 sockets only.
        "memcache" if url.host_str().is_some_and(|host| host.starts_with('[')) => {
            Err("is an IPv6 address, which Memcached is not reached by here: use a name or an IPv4 address"
                .to_owned())
        }
        "memcache" if !url.username().is_empty() || url.password().is_some() => {
            Err("must not hold credentials: Memcached is asked without, keep it on a network of its own"
                .to_owned())
        }
        "memcache" => Ok(()),
        scheme => Err(format!("has the scheme `{scheme}`: known are {KNOWN}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_the_three_backends_pass_and_none_is_shown() {
        for right in [
            "memory://",
            "redis://user:pw@localhost:6379/0",
            "rediss://cache.example",
            "memcache://localhost",
            "memcache:///run/memcached.sock",
        ] {
            assert_eq!(check_url(right, true), Ok(()), "{right}");
        }
        for wrong in [
            "localhost:6379",
            "http://localhost",
            "redis://",
            "memcache://",
            "memcache://[::1]:11211",
            "memcache://user:hunter2@localhost",
            "redis://user:hunter2@host:port",
        ] {
            let message = check_url(wrong, true).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn without_the_feature_a_redis_is_refused_with_what_to_do() {
        assert_eq!(check_url("memcache://localhost", false), Ok(()));
        let message = check_url("redis://user:hunter2@localhost", false).unwrap_err();
        assert!(message.contains("add \"redis\" to the features of spanbox"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn the_defaults_pass_and_every_bad_value_is_told() {
        assert_eq!(CacheSettings::default().check(true), []);
        let bad = CacheSettings {
            url: Some(Secret::new("x".to_owned())),
            timeout: Duration::ZERO,
            max_memory_bytes: 0,
            max_value_bytes: 0,
        };
        let keys: Vec<_> = bad.check(false).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["url", "timeout", "max_memory_bytes", "max_value_bytes"]);
    }
}
