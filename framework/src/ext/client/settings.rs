use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{Network, Section};

/// `[http_client]`: requests to other services.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpClientSettings {
    /// How long a connection may take to be made, TLS included. Default 2 s.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a request may take in all: connecting, every attempt, the waits between them, the body. Default 10 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The longest body of an answer that is read. Default 1 MiB.
    pub max_response_bytes: usize,
    /// The hosts that are told of the trace, and of the baggage that `telemetry.baggage.send` lists: `api.example.com`, or
    /// `*.example.com` for all below it. Upstreams have a switch of their own. Default none.
    pub propagate_to: Vec<String>,
    /// Root certificates (PEM) that are trusted besides the system's. Default none.
    pub ca_certificate: Option<PathBuf>,
    /// Networks that the URLs of users may lead to although they are not public, e.g. `["10.20.0.0/16"]`. Default none.
    pub untrusted_networks: Vec<String>,
    /// What is tried again.
    pub retry: RetrySettings,
    /// The services that are asked, by name.
    pub upstreams: BTreeMap<String, UpstreamSettings>,
}

/// `[http_client.upstreams.<name>]`: one service that is asked. What it does not say is as in `[http_client]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Where it is, e.g. `https://api.example.com/v1`. Default none: then the code has to say it.
    pub base_url: Option<String>,
    /// How long a connection may take to be made.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Option<Duration>,
    /// How long a request may take in all.
    #[serde(with = "humantime_serde")]
    pub timeout: Option<Duration>,
    /// The longest body of an answer that is read.
    pub max_response_bytes: Option<usize>,
    /// Whether it is told of the trace. Default true.
    pub propagate: bool,
    /// What is tried again.
    pub retry: Option<RetrySettings>,
    /// When it is left alone.
    pub breaker: BreakerSettings,
}

/// `[http_client.retry]`: what is tried again, and how often.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How often a request is sent at most. Default 3; 1 is never again.
    pub attempts: u32,
    /// The first wait is at most this long, each one after it at most twice the one before; chance decides how much of it
    /// is waited. Default 50 ms.
    #[serde(with = "humantime_serde")]
    pub backoff: Duration,
    /// No wait is longer. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub max_backoff: Duration,
    /// How many retries there may be for each request, over all requests together, besides one a second: so that retries
    /// do not bury who is down. Default 0.2.
    pub budget: f64,
}

/// `[http_client.upstreams.<name>.breaker]`: when an upstream is left alone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// After so many failures in a row it is. Default 5; 0 is never.
    pub failures: u32,
    /// For this long; then one request finds out whether it is back. Default 1 s.
    #[serde(with = "humantime_serde")]
    pub open_for: Duration,
}

impl Default for HttpClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            max_response_bytes: 1024 * 1024,
            propagate_to: Vec::new(),
            ca_certificate: None,
            untrusted_networks: Vec::new(),
            retry: RetrySettings::default(),
            upstreams: BTreeMap::new(),
        }
    }
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            base_url: None,
            connect_timeout: None,
            timeout: None,
            max_response_bytes: None,
            propagate: true,
            retry: None,
            breaker: BreakerSettings::default(),
        }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            budget: 0.2,
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(1) }
    }
}

impl Section for HttpClientSettings {
    const NAME: &'static str = "http_client";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        for (key, time) in [("connect_timeout", self.connect_timeout), ("timeout", self.timeout)] {
            wrong.extend(check_timeout(time).map(|message| (key, message)));
        }
        wrong.extend(check_size(self.max_response_bytes).map(|message| ("max_response_bytes", message)));
        wrong.extend(self.retry.check().map(|message| ("retry", message)));
        for host in &self.propagate_to {
            let name = host.strip_prefix("*.").unwrap_or(host);
            if name.is_empty() || name.contains(['*', '/', ':', '@']) {
                let message =
                    format!("has `{host}`, which is no host: use e.g. api.example.com or *.example.com");
                wrong.push(("propagate_to", message));
            }
        }
        for network in &self.untrusted_networks {
            wrong.extend(network.parse::<Network>().err().map(|message| ("untrusted_networks", message)));
        }
        for (name, upstream) in &self.upstreams {
            wrong.extend(upstream.check().map(|message| ("upstreams", format!("gives `{name}` {message}"))));
        }
        wrong
    }
}

impl UpstreamSettings {
    /// The first thing that is wrong, as it follows `gives it`.
    fn check(&self) -> Option<String> {
        let named = |key: &str, message: String| format!("a {key} that {message}");
        let base = self.base_url.as_deref().and_then(|url| check_base(url).err());
        base.map(|message| named("base_url", message))
            .or_else(|| Some(named("connect_timeout", check_timeout(self.connect_timeout?)?)))
            .or_else(|| Some(named("timeout", check_timeout(self.timeout?)?)))
            .or_else(|| Some(named("max_response_bytes", check_size(self.max_response_bytes?)?)))
            .or_else(|| Some(named("retry", self.retry.as_ref()?.check()?)))
            .or_else(|| {
                let open_for = self.breaker.open_for;
                (self.breaker.failures > 0)
                    .then(|| check_timeout(open_for))
                    .flatten()
                    .map(|message| named("breaker.open_for", message))
            })
    }
}

impl RetrySettings {
    fn check(&self) -> Option<String> {
        if !(1..=20).contains(&self.attempts) {
            Some(format!("has {} attempts: it must be 1 to 20", self.attempts))
        } else if self.max_backoff < self.backoff {
            Some("has a max_backoff below its backoff".to_owned())
        } else if !(0.0..=10.0).contains(&self.budget) {
            Some(format!("has a budget of {}: it must lie between 0 and 10 retries a request", self.budget))
        } else {
            None
        }
    }
}

fn check_timeout(time: Duration) -> Option<String> {
    (time.is_zero() || time > Duration::from_secs(3600)).then(|| "must be above 0 and at most 1h".to_owned())
}

fn check_size(bytes: usize) -> Option<String> {
    (bytes == 0).then(|| "must be at least 1".to_owned())
}

/// Checks the URL of an upstream that is set elsewhere, for [`Section::check`].
///
/// # Errors
///
/// What is wrong with it, as it follows the name of the setting. It never shows the URL, which may hold a password.
pub fn check_base_url(url: &str) -> Result<(), String> {
    check_base(url).map(drop)
}

pub(super) fn check_base(raw: &str) -> Result<Url, String> {
    let url = match Url::parse(raw) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            return Err(format!("has the scheme `{}`: use http:// or https://", url.scheme()));
        }
        Ok(url) => url,
        Err(error) => return Err(format!("is no URL ({error}): use e.g. https://api.example.com/v1")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials, which end up in logs: send them in a header".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment: give these with each request".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_http_url_is_a_base_and_a_password_is_not_shown() {
        assert!(check_base("https://api.example.com/v1").is_ok());
        for (wrong, part) in [
            ("ftp://h", "scheme"),
            ("payments:9000", "scheme"),
            ("https://", "no URL"),
            ("https://me:hunter2@h", "credentials"),
            ("https://h/?key=hunter2", "query"),
        ] {
            let message = check_base(wrong).unwrap_err();
            assert!(message.contains(part) && !message.contains("hunter2"), "{wrong}: {message}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_by_its_key() {
        let upstream = |change: fn(&mut UpstreamSettings)| {
            let mut upstream = UpstreamSettings::default();
            change(&mut upstream);
            upstream
        };
        let settings = HttpClientSettings {
            timeout: Duration::ZERO,
            max_response_bytes: 0,
            propagate_to: vec!["https://x".to_owned(), "*.example.com".to_owned()],
            untrusted_networks: vec!["10.1.2.3/8".to_owned()],
            retry: RetrySettings { attempts: 0, ..RetrySettings::default() },
            upstreams: BTreeMap::from([
                ("a".to_owned(), upstream(|it| it.base_url = Some("x".to_owned()))),
                ("b".to_owned(), upstream(|it| it.breaker.open_for = Duration::ZERO)),
                ("c".to_owned(), upstream(|it| it.timeout = Some(Duration::ZERO))),
            ]),
            ..HttpClientSettings::default()
        };
        let wrong = settings.check(false);
        let keys: Vec<_> = wrong.iter().map(|(key, _)| *key).collect();
        let all = ["timeout", "max_response_bytes", "retry", "propagate_to", "untrusted_networks"];
        assert_eq!(keys, [&all[..], &["upstreams"; 3]].concat(), "{wrong:?}");
        assert!(wrong[6].1.contains("`b` a breaker.open_for"), "{wrong:?}");
        assert!(HttpClientSettings::default().check(true).is_empty());
    }
}
