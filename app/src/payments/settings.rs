use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanbox::config::Section;
use spanbox::ext::client::check_base_url;

use super::simulator::Behaviour;
use crate::money::Amount;

/// The gateway inside the process.
const SIMULATED: &str = "simulated";

/// `[payments]`: which gateway charges, and how the simulated one behaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PaymentSettings {
    /// `simulated`, inside the process, which moves no money, or the URL of a gateway, e.g. `http://localhost:9100` for that
    /// of `orders gateway`; its timeouts are those of `[http_client.upstreams.payments]`. Default `simulated`.
    pub(crate) gateway: String,
    /// The share of the requests that fail, from 0.0 to 1.0: half of them before the charge was stored, the other half
    /// after it. Default 0.0.
    pub(crate) failure_rate: f64,
    /// How long a request takes, half of it before the charge is stored. Default 0 ms, at most a minute.
    #[serde(with = "humantime_serde")]
    pub(crate) latency: Duration,
    /// An amount above this is declined. Not set: none is.
    pub(crate) decline_above: Option<String>,
}

impl Default for PaymentSettings {
    fn default() -> Self {
        Self {
            gateway: SIMULATED.to_owned(),
            failure_rate: 0.0,
            latency: Duration::ZERO,
            decline_above: None,
        }
    }
}

impl PaymentSettings {
    /// The URL of the gateway; `None` is the simulated one.
    pub(crate) fn url(&self) -> Option<&str> {
        (self.gateway != SIMULATED).then_some(&self.gateway)
    }

    /// How the simulated one behaves.
    pub(super) fn behaviour(&self) -> Behaviour {
        let &Self { failure_rate, latency, .. } = self;
        Behaviour { failure_rate, latency, decline_above: self.limit() }
    }

    /// The amount above which a charge is declined. `check` has seen to it that the text is one.
    fn limit(&self) -> Option<Amount> {
        self.decline_above.as_deref().and_then(|text| text.parse().ok())
    }
}

impl Section for PaymentSettings {
    const NAME: &'static str = "payments";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Some(Err(reason)) = self.url().map(check_base_url) {
            wrong.push(("gateway", format!("{reason}; or use `{SIMULATED}`")));
        }
        if !(0.0..=1.0).contains(&self.failure_rate) {
            wrong.push(("failure_rate", format!("must lie between 0.0 and 1.0, got {}", self.failure_rate)));
        }
        if self.latency > Duration::from_secs(60) {
            wrong.push(("latency", "must be at most 1m: a run that takes 5m is ended".to_owned()));
        }
        if let Some(Err(error)) = self.decline_above.as_deref().map(str::parse::<Amount>) {
            wrong.push(("decline_above", error.to_string()));
        }
        wrong
    }
}
