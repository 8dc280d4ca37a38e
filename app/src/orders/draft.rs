//! What a client sends to place an order, and what it comes to.

use serde::Deserialize;
use spanbox::web::Problem;
use utoipa::ToSchema;

use super::payment_method::PaymentMethod;
use super::schema::product_name;
use crate::money::{Amount, AmountError, Currency, Decimal};

/// The most lines that an order has.
const MAX_LINES: usize = 100;
/// The most of one product that an order has.
const MAX_QUANTITY: u32 = 1_000_000;
/// As many characters as the name of a product has.
pub(super) const MAX_NAME: usize = 200;

/// An order as a client sends it: one product with its amount, or lines, whose total is reckoned here. It is described as
/// [`Draft`](super::schema::Draft).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderDraft {
    product_name: Option<ProductName>,
    amount: Option<Decimal>,
    currency: Option<Currency>,
    payment_method: Option<PaymentMethod>,
    lines: Option<Vec<LineDraft>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LineDraft {
    #[schema(schema_with = product_name)]
    product: ProductName,
    #[schema(value_type = u32, minimum = 1, maximum = 1_000_000)]
    quantity: Quantity,
    unit_price: Decimal,
}

/// The fields of an order that are a client's to choose.
pub(crate) const FIELDS: [&str; 5] = ["product_name", "amount", "currency", "payment_method", "lines"];

/// An order that was looked through and reckoned up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Of an order with lines, the first product and how many more there are.
    pub(crate) product_name: String,
    pub(crate) amount: Amount,
    pub(crate) currency: Currency,
    pub(crate) payment_method: PaymentMethod,
    /// Empty for an order that was given as one product.
    pub(crate) lines: Vec<PlacedLine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedLine {
    pub(crate) product: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Amount,
}

impl OrderDraft {
    /// What the order is and comes to; a 422 names the field that does not fit.
    pub(crate) fn place(self) -> Result<Placement, Problem> {
        let currency = self.currency.unwrap_or(Currency::USD);
        let payment_method = self.payment_method.unwrap_or_default();
        let Some(lines) = self.lines else {
            let product_name = self.product_name.ok_or_else(|| missing("product_name"))?.0;
            let amount = self.amount.ok_or_else(|| missing("amount"))?;
            let amount = amount.in_currency(currency).map_err(|error| refused("amount", &error))?;
            return Ok(Placement { product_name, amount, currency, payment_method, lines: Vec::new() });
        };
        for (field, given) in
            [("product_name", self.product_name.is_some()), ("amount", self.amount.is_some())]
        {
            if given {
                return Err(Problem::invalid(field, "is reckoned from the lines: leave it out"));
            }
        }
        let lines = placed(lines, currency)?;
        let amount = total(&lines, currency)?;
        Ok(Placement { product_name: summary(&lines), amount, currency, payment_method, lines })
    }
}

fn placed(drafts: Vec<LineDraft>, currency: Currency) -> Result<Vec<PlacedLine>, Problem> {
    if drafts.is_empty() || drafts.len() > MAX_LINES {
        return Err(Problem::invalid("lines", format!("must be 1 to {MAX_LINES} lines")));
    }
    let place = |(index, draft): (usize, LineDraft)| {
        let unit_price = draft.unit_price.in_currency(currency);
        let unit_price =
            unit_price.map_err(|error| refused(&format!("lines[{index}].unit_price"), &error))?;
        Ok(PlacedLine { product: draft.product.0, quantity: draft.quantity.0, unit_price })
    };
    drafts.into_iter().enumerate().map(place).collect()
}

/// What lines come to, each price so many times.
fn total(lines: &[PlacedLine], currency: Currency) -> Result<Amount, Problem> {
    lines
        .iter()
        .try_fold(Amount::of(0, currency), |sum, line| sum.plus(line.unit_price.times(line.quantity)?))
        .ok_or_else(|| {
            let largest = Amount::largest(currency);
            Problem::invalid("lines", format!("come to more than {largest}"))
        })
}

/// The first product, and how many more there are; as long as the name of a product may be.
fn summary(lines: &[PlacedLine]) -> String {
    let Some((first, rest)) = lines.split_first() else { return String::new() };
    if rest.is_empty() {
        return first.product.clone();
    }
    let more = format!(" and {} more", rest.len());
    let name: String = first.product.chars().take(MAX_NAME - more.len()).collect();
    name + &more
}

fn missing(field: &'static str) -> Problem {
    Problem::invalid(field, format!("missing field `{field}`"))
}

fn refused(field: &str, error: &AmountError) -> Problem {
    Problem::invalid(field, error.to_string())
}

/// 1 to 200 characters, none of them a control character, with something to read among them.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct ProductName(String);

impl TryFrom<String> for ProductName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name.trim().is_empty() {
            Err("must not be empty")
        } else if name.chars().count() > MAX_NAME {
            Err("is longer than 200 characters")
        } else if name.chars().any(char::is_control) {
            Err("must not contain control characters")
        } else {
            Ok(Self(name))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "u32")]
struct Quantity(u32);

impl TryFrom<u32> for Quantity {
    type Error = &'static str;

    fn try_from(quantity: u32) -> Result<Self, Self::Error> {
        match quantity {
            1..=MAX_QUANTITY => Ok(Self(quantity)),
            _ => Err("must be between 1 and 1000000"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn place(document: &serde_json::Value) -> Result<Placement, (String, String)> {
        let draft: OrderDraft = serde_json::from_value(document.clone()).unwrap();
        draft.place().map_err(|problem| {
            let error = &problem.errors()[0];
            (error.field.clone(), error.detail.clone())
        })
    }

    proptest! {
        #[test]
        fn the_total_is_what_the_lines_come_to_or_the_order_is_refused(
            lines in prop::collection::vec((0_i64..=9_999_999_999, 1_u32..=1_000_000), 1..20),
            code in prop::sample::select(vec!["USD", "JPY", "KWD"]),
        ) {
            let currency = Currency::of(code).unwrap();
            let sent: Vec<_> = lines
                .iter()
                .map(|(minor, quantity)| {
                    let price = Amount::of(*minor, currency).to_string();
                    json!({ "product": "W", "quantity": quantity, "unit_price": price })
                })
                .collect();
            let exact: i128 = lines.iter().map(|(minor, times)| i128::from(*minor) * i128::from(*times)).sum();
            match place(&json!({ "lines": sent, "currency": code })) {
                Ok(placement) => {
                    prop_assert_eq!(i128::from(placement.amount.minor()), exact);
                    let parts: i64 = placement
                        .lines
                        .iter()
                        .map(|line| line.unit_price.minor() * i64::from(line.quantity))
                        .sum();
                    prop_assert_eq!(parts, placement.amount.minor());
                }
                Err((field, _)) => {
                    prop_assert_eq!(field, "lines");
                    prop_assert!(exact > 9_999_999_999);
                }
            }
        }
    }

    #[test]
    fn a_total_that_a_client_sends_is_refused() {
        let line = json!({ "product": "W", "quantity": 2, "unit_price": "1.50" });
        let placement = place(&json!({ "lines": [line] })).unwrap();
        assert_eq!((placement.amount.to_string(), placement.product_name.as_str()), ("3.00".into(), "W"));
        for field in ["amount", "product_name"] {
            let refused = place(&json!({ "lines": [line], field: "3.00" })).unwrap_err();
            assert_eq!(refused.0, field);
        }
        for field in ["total", "amount_minor", "status", "id", "version"] {
            let refused = serde_json::from_value::<OrderDraft>(json!({ "lines": [line], field: 3 }));
            assert!(refused.unwrap_err().to_string().contains(field));
        }
    }

    #[test]
    fn the_name_of_an_order_with_lines_says_what_is_in_it() {
        let line = |product: &str| json!({ "product": product, "quantity": 1, "unit_price": "1" });
        let long = "é".repeat(200);
        let name = |lines: &[serde_json::Value]| place(&json!({ "lines": lines })).unwrap().product_name;
        assert_eq!(name(&[line("Widget")]), "Widget");
        assert_eq!(name(&[line("Widget"), line("Gadget"), line("Nut")]), "Widget and 2 more");
        assert_eq!(name(&[line(&long), line("Gadget")]).chars().count(), 200);
    }
}
