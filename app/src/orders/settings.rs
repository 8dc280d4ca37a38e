use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanbox::config::Section;

use crate::money::Amount;

/// `[orders]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OrderSettings {
    /// Above this amount an order is validated before it is completed. Default 1000.00.
    pub(crate) high_value_above: String,
    /// An order of high value above this amount fails its validation. Default 1000000.00.
    pub(crate) refuse_above: String,
    /// An order that is unfinished for longer than this, and that nobody processes any more, is ended as failed by
    /// `expire_stale_orders`. Default 24 h, at least a minute.
    #[serde(with = "humantime_serde")]
    pub(crate) stale_after: Duration,
    /// Streams of an order's events that one process has at most; one more is 503. Default 10,000.
    pub(crate) max_streams: usize,
}

impl OrderSettings {
    /// The amount above which an order is validated.
    pub(crate) fn high_value(&self) -> Amount {
        amount(&self.high_value_above)
    }

    /// The amount above which the validation fails.
    pub(crate) fn refused(&self) -> Amount {
        amount(&self.refuse_above)
    }
}

/// `check` has seen to it that the text is an amount.
fn amount(text: &str) -> Amount {
    text.parse().unwrap_or(Amount::from_minor(0))
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self {
            high_value_above: "1000.00".to_owned(),
            refuse_above: "1000000.00".to_owned(),
            stale_after: Duration::from_secs(24 * 3600),
            max_streams: 10_000,
        }
    }
}

impl Section for OrderSettings {
    const NAME: &'static str = "orders";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.stale_after < Duration::from_secs(60) {
            wrong
                .push(("stale_after", "must be at least 1m: an order needs time to be processed".to_owned()));
        }
        for (key, text) in
            [("high_value_above", &self.high_value_above), ("refuse_above", &self.refuse_above)]
        {
            if let Err(error) = text.parse::<Amount>() {
                wrong.push((key, error.to_string()));
            }
        }
        wrong
    }
}
