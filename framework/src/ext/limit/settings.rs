use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::Method;
use serde::{Deserialize, Serialize};

use crate::config::{Section, built_without};

/// `[limits]`: how many requests are taken from whom.
///
/// ```toml
/// [limits]
/// store = "redis"
///
/// [limits.rules.everybody]
/// per = "address"
/// requests = 300
/// window = "1m"
///
/// [limits.rules.sign-in]
/// per = "address"
/// requests = 10
/// window = "1m"
/// routes = ["POST /api/auth/login"]
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Whether anything is limited. Default true.
    pub enabled: bool,
    /// Where requests are counted. Default `memory`: each process for itself. `redis` (feature `redis`): all processes
    /// together, in `redis.url`; while it does not answer, each for itself.
    pub store: LimitStore,
    /// What the keys in Redis begin with; services that share a Redis and a `service.secret_key` need one each. Default
    /// `spanbox:limit`.
    pub prefix: String,
    /// The most clients that a process counts by themselves, for each rule; while there are more, newcomers share what
    /// is left. Default 100,000, of about 100 bytes.
    pub max_clients: usize,
    /// The rules, by name: a request must be within all that are for it. Default none.
    pub rules: BTreeMap<String, LimitRule>,
}

/// Where requests are counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LimitStore {
    /// In each process.
    #[default]
    Memory,
    /// In Redis.
    Redis,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LimitPer {
    /// Those from one address, or one `/64` network of IPv6, which is what one customer has. They are counted before
    /// anything else is done for them.
    #[default]
    Address,
    /// Those of one [`Principal`](crate::web::Principal), from wherever; those of nobody by their address. They are
    /// counted right before the handler, when it is known who they are from.
    Principal,
}

/// One rule. Without `routes`, `modules` and `methods` it is for every request but those for the health of the service;
/// with some of them, for those that fit all.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitRule {
    /// Whose requests are counted together. Default `address`.
    pub per: LimitPer,
    /// How many requests are taken in each window. Default 300.
    pub requests: u32,
    /// The window. Default a minute.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// How many of them may come at once. Default all.
    pub burst: Option<u32>,
    /// The routes that it is for, as `POST /api/orders/`. Default all.
    pub routes: Vec<String>,
    /// The modules that it is for. Default all but `health`.
    pub modules: Vec<String>,
    /// The methods that it is for. Default all.
    pub methods: Vec<String>,
}

impl LimitRule {
    pub(super) fn burst(&self) -> NonZeroU32 {
        NonZeroU32::new(self.burst.unwrap_or(self.requests)).unwrap_or(NonZeroU32::MIN)
    }

    /// How long it takes until one more is taken.
    pub(super) fn interval(&self) -> Duration {
        self.window / self.requests.max(1)
    }

    fn wrong(&self) -> Option<String> {
        if self.requests == 0 {
            return Some("takes no requests at all: set `requests` to 1 or more".to_owned());
        }
        if self.burst == Some(0) {
            return Some("takes no requests at once: set `burst` to 1 or more".to_owned());
        }
        if self.interval() < Duration::from_micros(1) {
            return Some("takes more than a million requests per second, which is no limit".to_owned());
        }
        if self.window > Duration::from_secs(24 * 3600) {
            return Some("has a window of more than a day".to_owned());
        }
        let is_method = |method: &String| {
            method.parse::<Method>().is_ok() && method.bytes().all(|byte| byte.is_ascii_uppercase())
        };
        let method = self.methods.iter().find(|method| !is_method(method));
        method.map(|method| format!("names the method `{method}`, which is none: use e.g. POST"))
    }
}

impl Default for LimitRule {
    fn default() -> Self {
        Self {
            per: LimitPer::Address,
            requests: 300,
            window: Duration::from_secs(60),
            burst: None,
            routes: Vec::new(),
            modules: Vec::new(),
            methods: Vec::new(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            store: LimitStore::Memory,
            prefix: "spanbox:limit".to_owned(),
            max_clients: 100_000,
            rules: BTreeMap::new(),
        }
    }
}

impl Section for LimitSettings {
    const NAME: &'static str = "limits";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.store == LimitStore::Redis && !cfg!(feature = "redis") {
            let without = built_without("redis", "set it to \"memory\"");
            wrong.push(("store", format!("is \"redis\", and {without}")));
        }
        if self.max_clients == 0 {
            wrong.push(("max_clients", "must be at least 1".to_owned()));
        }
        for (name, rule) in &self.rules {
            let is_name =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_name) {
                wrong.push((
                    "rules",
                    format!("has `{name}`: names are lower-case letters, digits, `-` and `_`"),
                ));
            }
            wrong.extend(rule.wrong().map(|why| ("rules", format!("has `{name}`, which {why}"))));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_none_is_refused_by_name() {
        let rule = LimitRule::default;
        for (name, rule, part) in [
            ("a", LimitRule { requests: 0, ..rule() }, "no requests at all"),
            ("a", LimitRule { burst: Some(0), ..rule() }, "at once"),
            ("a", LimitRule { requests: 2_000_000_000, ..rule() }, "no limit"),
            ("a", LimitRule { window: Duration::from_secs(100_000), ..rule() }, "a day"),
            ("a", LimitRule { methods: vec!["post".to_owned()], ..rule() }, "use e.g. POST"),
            ("A b", rule(), "lower-case"),
        ] {
            let rules = BTreeMap::from([(name.to_owned(), rule)]);
            let wrong = LimitSettings { rules, ..LimitSettings::default() }.check(true);
            assert!(wrong.len() == 1 && wrong[0].1.contains(part), "{part}: {wrong:?}");
        }
    }
}
