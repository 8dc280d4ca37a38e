//! Money as a whole number of minor units: no float ever touches it.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The largest amount, 99,999,999.99: ten digits with two decimals.
const MAX_MINOR: i64 = 9_999_999_999;

/// An amount of money with two decimals, from 0.00 to 99,999,999.99.
///
/// In JSON it is read exactly from a string or a number, and written as a string (`"99.99"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amount(i64);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AmountError {
    #[error("is no decimal number: expected e.g. \"99.99\"")]
    Malformed,
    #[error("must not be negative")]
    Negative,
    #[error("has more than two decimals")]
    TooPrecise,
    #[error("is larger than 99999999.99")]
    TooLarge,
}

impl Amount {
    /// From minor units as the database holds them.
    pub(crate) const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// In minor units, e.g. 9999 for 99.99.
    pub(crate) const fn minor(self) -> i64 {
        self.0
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
        let decimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !decimal(whole) || !decimal(fraction) {
            return Err(AmountError::Malformed);
        }
        if negative {
            return Err(AmountError::Negative);
        }
        if fraction.len() > 2 {
            return Err(AmountError::TooPrecise);
        }
        let minor = whole
            .parse::<i64>()
            .ok()
            .zip(format!("{fraction:0<2}").parse::<i64>().ok())
            .and_then(|(whole, cents)| whole.checked_mul(100)?.checked_add(cents))
            .filter(|minor| *minor <= MAX_MINOR)
            .ok_or(AmountError::TooLarge)?;
        Ok(Self(minor))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text as it was sent: a number read as a float would not be exact.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if text.starts_with('"') {
            let text: String = serde_json::from_str(text).map_err(D::Error::custom)?;
            return text.parse().map_err(D::Error::custom);
        }
        text.parse().map_err(D::Error::custom)
    }
}

/// As it is written: an amount, or what several come to.
impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        text("An amount of money, with two decimals.", r"^[0-9]+\.[0-9]{2}$").into()
    }
}

impl ToSchema for Amount {}

/// As it is read: decimal text or a number, both exactly.
pub(crate) fn readable() -> RefOr<Schema> {
    let number = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .maximum(Some(99_999_999.99))
        .multiple_of(Some(0.01));
    let text = text("An amount of money, from 0.00 to 99999999.99.", r"^[0-9]{1,8}(\.[0-9]{1,2})?$");
    AnyOfBuilder::new().item(text).item(number).into()
}

fn text(description: &str, pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern))
        .examples(["99.99"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_read_exactly() {
        for (json, minor) in [
            (r#""99.99""#, 9999),
            ("99.99", 9999),
            ("0.1", 10),
            ("7", 700),
            (r#""0.00""#, 0),
            (r#""99999999.99""#, MAX_MINOR),
            ("4611686.01", 461_168_601),
        ] {
            let amount: Amount = serde_json::from_str(json).unwrap();
            assert_eq!(amount.minor(), minor, "{json}");
            let written = serde_json::to_string(&amount).unwrap();
            assert_eq!(serde_json::from_str::<Amount>(&written).unwrap(), amount);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for (json, error) in [
            (r#""-1""#, AmountError::Negative),
            ("-0.01", AmountError::Negative),
            ("1.234", AmountError::TooPrecise),
            ("0.100", AmountError::TooPrecise),
            ("1e400", AmountError::Malformed),
            ("1e2", AmountError::Malformed),
            (r#""""#, AmountError::Malformed),
            (r#""1,5""#, AmountError::Malformed),
            (r#"" 1""#, AmountError::Malformed),
            (r#""+1""#, AmountError::Malformed),
            (r#""1.""#, AmountError::Malformed),
            (r#"".5""#, AmountError::Malformed),
            (r#""١""#, AmountError::Malformed),
            ("100000000", AmountError::TooLarge),
            ("99999999999999999999999999", AmountError::TooLarge),
            ("null", AmountError::Malformed),
            ("true", AmountError::Malformed),
            ("[]", AmountError::Malformed),
        ] {
            let refused = serde_json::from_str::<Amount>(json).unwrap_err().to_string();
            assert!(refused.starts_with(&error.to_string()), "{json}: {refused}");
        }
    }
}
