use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::amount::parts;
use super::{Amount, AmountError, Currency};

/// A decimal number exactly as a client sent it, as a string or a number: how many decimals it may have is known when its
/// currency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal(String);

impl Decimal {
    /// As an amount in a currency.
    pub(crate) fn in_currency(&self, currency: Currency) -> Result<Amount, AmountError> {
        Amount::parse(&self.0, currency.digits())
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text as it was sent: a number read as a float would not be exact.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let text: String = if text.starts_with('"') {
            serde_json::from_str(text).map_err(D::Error::custom)?
        } else {
            text.to_owned()
        };
        // What is no amount in any currency is told with its place in the document.
        parts(&text).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, currency: &str) -> Result<i64, String> {
        let decimal: Decimal = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let amount =
            decimal.in_currency(Currency::of(currency).unwrap()).map_err(|error| error.to_string())?;
        Ok(amount.minor())
    }

    #[test]
    fn strings_and_numbers_are_read_exactly_in_the_decimals_of_the_currency() {
        for (json, currency, minor) in [
            (r#""99.99""#, "USD", 9999),
            ("99.99", "USD", 9999),
            ("0.1", "USD", 10),
            ("7", "USD", 700),
            (r#""0.00""#, "USD", 0),
            (r#""99999999.99""#, "USD", 9_999_999_999),
            ("4611686.01", "USD", 461_168_601),
            ("1200", "JPY", 1200),
            ("1.234", "KWD", 1234),
            ("1.2", "KWD", 1200),
        ] {
            assert_eq!(read(json, currency), Ok(minor), "{json} {currency}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for (json, currency, part) in [
            (r#""-1""#, "USD", "must not be negative"),
            ("-0.01", "USD", "must not be negative"),
            ("1.234", "USD", "has more than two decimals"),
            ("0.100", "USD", "has more than two decimals"),
            ("1.5", "JPY", "has decimals"),
            ("1.0", "JPY", "has decimals"),
            ("1.2345", "KWD", "has more than three decimals"),
            ("1e400", "USD", "is no decimal number"),
            ("1e2", "USD", "is no decimal number"),
            (r#""""#, "USD", "is no decimal number"),
            (r#""1,5""#, "USD", "is no decimal number"),
            (r#"" 1""#, "USD", "is no decimal number"),
            (r#""+1""#, "USD", "is no decimal number"),
            (r#""1.""#, "USD", "is no decimal number"),
            (r#"".5""#, "USD", "is no decimal number"),
            (r#""١""#, "USD", "is no decimal number"),
            ("100000000", "USD", "is larger than 99999999.99"),
            ("10000000000", "JPY", "is larger than 9999999999"),
            ("99999999999999999999999999", "USD", "is larger than"),
            ("null", "USD", "is no decimal number"),
            ("true", "USD", "is no decimal number"),
            ("[]", "USD", "is no decimal number"),
        ] {
            let refused = read(json, currency).unwrap_err();
            assert!(refused.starts_with(part), "{json} {currency}: {refused}");
        }
    }
}
