//! How money looks in the description of the interface.

use std::sync::LazyLock;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Amount, Currency, Decimal};

/// All that a [`Currency`] can be.
static CODES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let letters = || 'A'..='Z';
    let pairs = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let codes = pairs.flat_map(|pair| letters().map(move |third| format!("{pair}{third}")));
    codes.filter(|code| Currency::of(code).is_some()).collect()
});

/// As it is written: an amount, or what several come to.
impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        let what = "An amount of money, with the decimals of its currency.";
        text(what, r"^[0-9]+(\.[0-9]{1,4})?$").into()
    }
}

impl ToSchema for Amount {}

/// As it is read: decimal text or a number, both exactly.
impl PartialSchema for Decimal {
    fn schema() -> RefOr<Schema> {
        let number =
            ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(9_999_999_999.0));
        let what = "An amount of money, from 0 to 9999999999 minor units, with no more decimals than its currency has.";
        AnyOfBuilder::new().item(text(what, r"^0*[0-9]{1,10}(\.[0-9]{1,4})?$")).item(number).into()
    }
}

impl ToSchema for Decimal {}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A currency that one can pay in, by its code of ISO 4217."))
            .enum_values(Some(CODES.iter().cloned()))
            .examples(["USD"])
            .into()
    }
}

impl ToSchema for Currency {}

fn text(description: &str, pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern))
        .examples(["99.99"])
}
