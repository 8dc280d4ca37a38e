//! Which traces are exported.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[telemetry.sampling]`: the share of new traces by what they begin with. The most specific one wins: a route's, its
/// module's, that of the module around it, `telemetry.sample_ratio`.
///
/// They decide about the requests that begin a trace; one that a caller began is recorded if the caller says so.
///
/// ```toml
/// [telemetry.sampling]
/// modules = { orders = 0.5 }
/// routes = { "GET /api/orders/{id}" = 0.01 }
/// ```
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingSettings {
    /// 0.0 to 1.0, by the name of a module. Default none.
    pub modules: BTreeMap<String, f64>,
    /// 0.0 to 1.0, by method and pattern as in the name of the request's span. That of GET is also HEAD's.
    /// Default none.
    pub routes: BTreeMap<String, f64>,
}

impl SamplingSettings {
    /// Whether any module or route has a share of its own.
    pub(crate) fn has_shares(&self) -> bool {
        !(self.modules.is_empty() && self.routes.is_empty())
    }

    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let all = [("sampling.modules", &self.modules), ("sampling.routes", &self.routes)];
        let all = all.into_iter().flat_map(|(key, ratios)| ratios.iter().map(move |ratio| (key, ratio)));
        all.filter(|(_, (_, ratio))| !(0.0..=1.0).contains(*ratio))
            .map(|(key, (name, ratio))| {
                (key, format!("gives `{name}` a share that is not between 0.0 and 1.0: {ratio}"))
            })
            .collect()
    }
}

/// `[telemetry.keep]`: traces that are not sampled and turn out to matter are exported all the same.
///
/// A trace that is not sampled is recorded in memory until the last of its spans in this process has ended. With an
/// error, a panic or a slow beginning among them, all of them are exported, and the one that began them says why
/// (`spanbox.kept`); else they are thrown away. Other services are told that the trace is not sampled, and decide by
/// themselves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeepSettings {
    /// Whether any are kept. Default true. With false, a trace that is not sampled costs its ids and no more.
    pub enabled: bool,
    /// A trace whose first span in this process (a request, a job) takes longer is kept. Default 1 s; `0s` keeps none
    /// for being slow.
    #[serde(with = "humantime_serde")]
    pub slower_than: Duration,
    /// How many bytes of undecided spans are held; beyond that the oldest traces' are thrown away, and counted in
    /// `spanbox.keep.dropped`. Default 16 MiB.
    pub max_bytes: usize,
    /// How long a span waits for its trace to be decided before it is thrown away, and counted. Default 5 min.
    #[serde(with = "humantime_serde")]
    pub max_wait: Duration,
}

impl Default for KeepSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            slower_than: Duration::from_secs(1),
            max_bytes: 16 * 1024 * 1024,
            max_wait: Duration::from_secs(300),
        }
    }
}

impl KeepSettings {
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.max_bytes < 64 * 1024 {
            wrong.push((
                "keep.max_bytes",
                "must be at least 65536 (64 KiB); `enabled = false` keeps nothing".to_owned(),
            ));
        }
        if self.max_wait < Duration::from_secs(1) {
            wrong.push(("keep.max_wait", "must be at least 1s".to_owned()));
        }
        wrong
    }
}

/// `[telemetry.baggage]`: which baggage passes the borders of the service, by key; `"*"` is all of it. What is stored
/// with a job is the job's own policy.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BaggageSettings {
    /// What is taken in from callers that `telemetry.trust` includes; from others nothing is. Default all.
    pub accept: Vec<String>,
    /// What is sent to other services with requests: some of them are other people's. Default nothing.
    pub send: Vec<String>,
}

impl Default for BaggageSettings {
    fn default() -> Self {
        Self { accept: vec!["*".to_owned()], send: Vec::new() }
    }
}

impl BaggageSettings {
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let lists = [("baggage.accept", &self.accept), ("baggage.send", &self.send)];
        let keys = lists.into_iter().flat_map(|(key, list)| list.iter().map(move |name| (key, name)));
        keys.filter(|(_, name)| !is_key(name))
            .map(|(key, name)| (key, format!("has `{name}`, which is no key of baggage")))
            .collect()
    }
}

/// A token of HTTP (RFC 9110, section 5.6.2), which `*` is as well.
fn is_key(name: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(of_token)
}
