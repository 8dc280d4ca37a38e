use std::fmt;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize, Serializer};

use crate::stored_as_text::stored_as_text;

/// A currency that one can pay in: by its code of ISO 4217, without those that are withdrawn, funds, metals and codes for
/// tests.
#[derive(AsExpression, Clone, Copy, Deserialize, FromSqlRow, PartialEq, Eq)]
#[diesel(sql_type = Text)]
#[serde(try_from = "String")]
pub(crate) struct Currency(iso_currency::Currency);

impl Currency {
    /// That of an order that names none.
    pub(crate) const USD: Self = Self(iso_currency::Currency::USD);

    /// The currency of a code such as `EUR`.
    pub(crate) fn of(code: &str) -> Option<Self> {
        let currency = iso_currency::Currency::from_code(code)?;
        let payable = currency.exponent().is_some()
            && !currency.is_special()
            && !currency.is_fund()
            && currency.is_superseded().is_none();
        payable.then_some(Self(currency))
    }

    /// A currency that was withdrawn since an order was placed in it is still its currency.
    fn of_text(code: &str) -> Option<Self> {
        iso_currency::Currency::from_code(code).map(Self)
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals its minor unit has, e.g. 2 for cents.
    pub(crate) fn digits(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::of(&code).ok_or("is no currency of ISO 4217 that one can pay in: expected e.g. \"USD\"")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

stored_as_text!(Currency, "an order in the unknown currency");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_has_the_decimals_of_its_minor_unit() {
        for (code, digits) in [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("TND", 3)] {
            assert_eq!(Currency::of(code).unwrap().digits(), digits, "{code}");
            assert_eq!(Currency::of(code).unwrap().to_string(), code);
        }
    }

    #[test]
    fn what_nobody_pays_in_is_none() {
        for code in ["", "usd", "US", "USDD", "ABC", "XXX", "XTS", "XAU", "HRK", "CLF", "€", "USD "] {
            assert!(Currency::of(code).is_none(), "{code}");
        }
    }
}
