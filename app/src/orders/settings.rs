use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanbox::config::{Profile, Section};

use crate::money::Amount;

/// `[orders]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OrderSettings {
    /// Above this amount an order is validated before it is completed. Default 1000.00.
    pub(crate) high_value_above: String,
    /// An order of high value above this amount fails its validation. Default 1000000.00.
    pub(crate) refuse_above: String,
    /// Whether who has not signed in may place orders, and see those that nobody owns. Not set: in the profiles
    /// `development` and `testing`, and in no other.
    pub(crate) allow_anonymous: Option<bool>,
    /// An order that is unfinished for longer than this, and that nobody processes any more, is ended as failed by
    /// `expire_stale_orders`. Default 24 h, at least a minute.
    #[serde(with = "humantime_serde")]
    pub(crate) stale_after: Duration,
    /// Streams of an order's events that one process has at most; one more is 503. Default 10,000.
    pub(crate) max_streams: usize,
}

impl OrderSettings {
    /// Whether who has not signed in may act on what is nobody's.
    pub(crate) fn allows_anonymous(&self, profile: &Profile) -> bool {
        let at_the_desk = [Profile::DEVELOPMENT, Profile::TESTING].contains(profile);
        self.allow_anonymous.unwrap_or(at_the_desk)
    }

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
            allow_anonymous: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_signed_in_is_let_in_at_the_desk_alone_unless_it_is_said() {
        let settings = |allow_anonymous| OrderSettings { allow_anonymous, ..OrderSettings::default() };
        for (profile, unset) in
            [("development", true), ("testing", true), ("production", false), ("staging", false)]
        {
            assert_eq!(settings(None).allows_anonymous(&profile.into()), unset, "{profile}");
            assert!(settings(Some(true)).allows_anonymous(&profile.into()), "{profile}");
            assert!(!settings(Some(false)).allows_anonymous(&profile.into()), "{profile}");
        }
    }
}
