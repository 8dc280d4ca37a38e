//! How a client changes an order: a merge patch (RFC 7396) of what it once sent.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use spanbox::web::{Json, Problem};

use super::draft::{FIELDS, OrderDraft, Placement};
use super::model::Whole;

/// What is to change, by field; `null` takes a field back to where it was not sent. Numbers stay as they were written.
#[derive(Debug, Default)]
pub(crate) struct OrderPatch(BTreeMap<String, Box<RawValue>>);

impl OrderPatch {
    /// What the order becomes; a 422 names the field that does not fit.
    pub(crate) fn apply(self, current: &Whole) -> Result<Placement, Problem> {
        let mut document = sent(current);
        for (field, value) in self.0 {
            if value.get() == "null" {
                document.remove(&field);
            } else {
                document.insert(field, value);
            }
        }
        let text = serde_json::to_vec(&document).map_err(Problem::internal)?;
        Json::<OrderDraft>::from_slice(&text)?.0.place()
    }
}

/// The order as its client would have sent it.
fn sent(Whole { order, lines }: &Whole) -> BTreeMap<String, Box<RawValue>> {
    let mut document = json!({ "currency": order.currency, "payment_method": order.payment_method });
    if order.line_count == 0 {
        document["product_name"] = json!(order.product_name);
        document["amount"] = json!(order.amount());
    } else {
        let line = |line: &super::model::Line| {
            json!({
                "product": line.product,
                "quantity": line.quantity,
                "unit_price": line.unit_price(order.currency),
            })
        };
        document["lines"] = lines.iter().map(line).collect();
    }
    let fields = document.as_object().cloned().unwrap_or_default().into_iter();
    fields.filter_map(|(field, value)| Some((field, to_raw_value(&value).ok()?))).collect()
}

impl<'de> Deserialize<'de> for OrderPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = OrderPatch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderPatch, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((field, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    // Also where it is null, and would go unseen by what the order becomes.
                    let Some(known) = FIELDS.into_iter().find(|known| *known == field) else {
                        return Err(A::Error::unknown_field(&field, &FIELDS));
                    };
                    if fields.insert(field, value).is_some() {
                        return Err(A::Error::duplicate_field(known));
                    }
                }
                Ok(OrderPatch(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
