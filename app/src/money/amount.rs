use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Currency;

/// The largest amount in minor units: 99,999,999.99 with two decimals.
const MAX_MINOR: i64 = 9_999_999_999;

/// The most decimals that the minor unit of a currency has.
const MOST_DIGITS: u32 = 4;

/// An amount of money: a whole number of minor units, from 0 to 9,999,999,999, and how many of its digits are decimals.
///
/// Amounts are compared by what they come to, also across numbers of decimals: 12.00 is 12. In JSON an amount is a string
/// (`"99.99"`); it is read as a [`Decimal`](super::Decimal).
#[derive(Clone, Copy)]
pub(crate) struct Amount {
    minor: i64,
    digits: u32,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AmountError {
    #[error("is no decimal number: expected e.g. \"99.99\"")]
    Malformed,
    #[error("must not be negative")]
    Negative,
    #[error("{}", too_precise(.0))]
    TooPrecise(u32),
    #[error("is larger than {0}")]
    TooLarge(Amount),
}

fn too_precise(digits: &u32) -> &'static str {
    match digits {
        0 => "has decimals, and its currency has none",
        1 => "has more than one decimal",
        2 => "has more than two decimals",
        3 => "has more than three decimals",
        _ => "has too many decimals",
    }
}

impl Amount {
    /// With two decimals, from minor units.
    pub(crate) const fn from_minor(minor: i64) -> Self {
        Self { minor, digits: 2 }
    }

    /// From minor units of a currency, as the database holds them.
    pub(crate) fn of(minor: i64, currency: Currency) -> Self {
        Self { minor, digits: currency.digits() }
    }

    /// In minor units, e.g. 9999 for 99.99.
    pub(crate) const fn minor(self) -> i64 {
        self.minor
    }

    /// So many times this, unless that is more than an amount can be.
    pub(crate) fn times(self, quantity: u32) -> Option<Self> {
        self.minor.checked_mul(i64::from(quantity)).and_then(|minor| self.with(minor))
    }

    /// This and another of the same currency, unless that is more than an amount can be.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        self.minor.checked_add(other.minor).and_then(|minor| self.with(minor))
    }

    /// The largest amount in a currency.
    pub(crate) fn largest(currency: Currency) -> Self {
        Self::of(MAX_MINOR, currency)
    }

    fn with(self, minor: i64) -> Option<Self> {
        (minor <= MAX_MINOR).then_some(Self { minor, ..self })
    }

    /// A decimal number with at most so many decimals.
    pub(super) fn parse(text: &str, digits: u32) -> Result<Self, AmountError> {
        let (whole, fraction) = parts(text)?;
        let width = digits as usize;
        if fraction.len() > width {
            return Err(AmountError::TooPrecise(digits));
        }
        match format!("{whole}{fraction:0<width$}").parse() {
            Ok(minor) if minor <= MAX_MINOR => Ok(Self { minor, digits }),
            _ => Err(AmountError::TooLarge(Self { minor: MAX_MINOR, digits })),
        }
    }

    /// In units of the most decimals that there are, to be compared.
    fn scaled(self) -> i128 {
        i128::from(self.minor) * 10_i128.pow(MOST_DIGITS.saturating_sub(self.digits))
    }
}

/// What stands before and behind the point of a decimal number that is not negative.
pub(super) fn parts(text: &str) -> Result<(&str, &str), AmountError> {
    let (negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text),
    };
    let (whole, fraction) =
        number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let decimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !decimal(whole) || !fraction.is_none_or(decimal) {
        return Err(AmountError::Malformed);
    }
    if negative { Err(AmountError::Negative) } else { Ok((whole, fraction.unwrap_or_default())) }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.scaled() == other.scaled()
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.scaled().cmp(&other.scaled())
    }
}

/// With two decimals at most, as the settings have it.
impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text, 2)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i64.pow(self.digits);
        match self.digits as usize {
            0 => write!(f, "{}", self.minor),
            width => write!(f, "{}.{:0width$}", self.minor / unit, self.minor % unit),
        }
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_currency() -> impl Strategy<Value = Currency> {
        prop::sample::select(vec!["USD", "EUR", "JPY", "KWD", "TND", "KRW"])
            .prop_map(|code| Currency::of(code).unwrap())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(minor in 0..=MAX_MINOR, currency in any_currency()) {
            let amount = Amount::of(minor, currency);
            let read = Amount::parse(&amount.to_string(), currency.digits()).unwrap();
            prop_assert_eq!(read.minor(), minor);
            prop_assert_eq!(read.to_string(), amount.to_string());
        }

        #[test]
        fn no_text_makes_it_panic_and_what_is_read_is_in_range(text in "[-+0-9.eE ]{0,30}", digits in 0_u32..5) {
            if let Ok(amount) = Amount::parse(&text, digits) {
                prop_assert!(amount.minor() >= 0);
            }
        }

        #[test]
        fn sums_are_exact_or_refused(a in 0..=MAX_MINOR, b in 0..=MAX_MINOR, times in 0_u32..2_000_000) {
            let (one, other) = (Amount::from_minor(a), Amount::from_minor(b));
            let exact = i128::from(a) + i128::from(b);
            prop_assert_eq!(
                one.plus(other).map(|sum| i128::from(sum.minor())),
                (exact <= i128::from(MAX_MINOR)).then_some(exact)
            );
            let exact = i128::from(a) * i128::from(times);
            prop_assert_eq!(
                one.times(times).map(|product| i128::from(product.minor())),
                (exact <= i128::from(MAX_MINOR)).then_some(exact)
            );
        }
    }

    #[test]
    fn amounts_are_compared_by_what_they_come_to() {
        let yen = Amount::of(1200, Currency::of("JPY").unwrap());
        let dollars = Amount::from_minor(120_000);
        assert_eq!(yen, dollars);
        assert!(Amount::of(1_200_001, Currency::of("KWD").unwrap()) > yen);
        assert_eq!((yen.to_string(), dollars.to_string()), ("1200".to_owned(), "1200.00".to_owned()));
    }
}
