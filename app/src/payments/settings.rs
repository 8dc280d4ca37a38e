use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanbox::config::Section;

use crate::money::Amount;

/// `[payments]`: how the simulated gateway behaves.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PaymentSettings {
    /// The share of the requests that fail, from 0.0 to 1.0: half of them before the charge was stored, the other half
    /// after it. Default 0.0.
    pub(crate) failure_rate: f64,
    /// How long a request takes, half of it before the charge is stored. Default 0 ms, at most a minute.
    #[serde(with = "humantime_serde")]
    pub(crate) latency: Duration,
    /// An amount above this is declined. Not set: none is.
    pub(crate) decline_above: Option<String>,
}

impl PaymentSettings {
    /// The amount above which a charge is declined. `check` has seen to it that the text is one.
    pub(crate) fn limit(&self) -> Option<Amount> {
        self.decline_above.as_deref().and_then(|text| text.parse().ok())
    }
}

impl Section for PaymentSettings {
    const NAME: &'static str = "payments";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
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
