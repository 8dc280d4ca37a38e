use serde::{Deserialize, Serialize};
use spanbox::config::Section;

use crate::money::Amount;

/// `[orders]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OrderSettings {
    /// How many orders are processed at once in this process. Default 4.
    pub(crate) processors: usize,
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
        Self { processors: 4, high_value_above: "1000.00".to_owned(), refuse_above: "1000000.00".to_owned() }
    }
}

impl Section for OrderSettings {
    const NAME: &'static str = "orders";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.processors == 0 {
            wrong.push(("processors", "must be at least 1: nothing would process the orders".to_owned()));
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
