//! Money as a whole number of minor units with the decimals of its currency: no float ever touches it.

mod amount;
mod currency;
mod decimal;
mod schema;

pub(crate) use amount::{Amount, AmountError};
pub(crate) use currency::Currency;
pub(crate) use decimal::Decimal;
