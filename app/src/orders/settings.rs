use serde::{Deserialize, Serialize};
use spanbox::config::Section;

use crate::money::Amount;

/// `[orders]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OrderSettings {
    /// How many orders are processed at once in this process. Default 4.
    pub(crate) processors: usize,
    /// How many orders may wait for a processor in this process; more are refused with 503. Default 10,000.
    pub(crate) max_backlog: usize,
    /// Above this amount an order is validated before it is completed. Default 1000.00.
    pub(crate) high_value_above: String,
    /// An order of high value above this amount fails its validation. Default 1000000.00.
    pub(crate) refuse_above: String,
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
            processors: 4,
            max_backlog: 10_000,
            high_value_above: "1000.00".to_owned(),
            refuse_above: "1000000.00".to_owned(),
        }
    }
}

impl Section for OrderSettings {
    const NAME: &'static str = "orders";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !(1..=1024).contains(&self.processors) {
            wrong.push(("processors", format!("must be between 1 and 1024, got {}", self.processors)));
        }
        if !(1..=1_000_000).contains(&self.max_backlog) {
            wrong.push(("max_backlog", format!("must be between 1 and 1000000, got {}", self.max_backlog)));
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
