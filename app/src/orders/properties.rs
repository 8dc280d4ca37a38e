//! What holds of what clients send, whatever it is.

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use serde_json::{Value, json};
use spanbox::web::Json;

use super::draft::{MAX_NAME, OrderDraft, PlacedLine, Placement};
use crate::money::Amount;
use spanbox::web::Cursor;

/// As the cursor of a page: none but those that are given out is one.
pub fn cursor(data: &[u8]) {
    let read = |text: &str| {
        let text: StrDeserializer<'_, Error> = text.into_deserializer();
        Cursor::deserialize(text)
    };
    let text = String::from_utf8_lossy(data);
    if let Ok(cursor) = read(&text) {
        assert!(cursor.0 > 0, "{text:?} is {cursor}");
        assert_eq!(cursor.to_string(), text);
    }
    if let Some(bytes) = data.first_chunk() {
        let cursor = Cursor(i64::from_le_bytes(*bytes));
        assert_eq!(read(&cursor.to_string()).ok(), (cursor.0 > 0).then_some(cursor));
    }
}

/// As the body of an order: one that is taken keeps to every limit and is the same when it is sent as it was taken; of any
/// other the client is told what is wrong.
pub fn order(data: &[u8]) {
    let case = String::from_utf8_lossy(data);
    let placed = Json::<OrderDraft>::from_slice(data).and_then(|Json(draft)| draft.place());
    let placement = match placed {
        Ok(placement) => placement,
        Err(problem) => {
            assert!(matches!(problem.status().as_u16(), 400 | 422), "{case}: {problem}");
            return;
        }
    };
    keeps_to_the_limits(&placement, &case);
    let sent = as_sent(&placement).to_string();
    let again = Json::<OrderDraft>::from_slice(sent.as_bytes()).and_then(|Json(draft)| draft.place());
    match again {
        Ok(again) => assert_eq!(again, placement, "{case} is another one as {sent}"),
        Err(problem) => panic!("{case} is refused as {sent}: {problem}"),
    }
}

fn keeps_to_the_limits(placement: &Placement, case: &str) {
    let Placement { product_name, amount, currency, lines, .. } = placement;
    let named = |name: &str| {
        let length = name.chars().count();
        (1..=MAX_NAME).contains(&length) && !name.trim().is_empty() && !name.contains(char::is_control)
    };
    let in_range = |amount: &Amount| (0..=9_999_999_999).contains(&amount.minor());
    assert!(named(product_name) && in_range(amount) && lines.len() <= 100, "{case}: {placement:?}");
    for PlacedLine { product, quantity, unit_price } in lines {
        let fits = named(product) && in_range(unit_price) && (1..=1_000_000).contains(quantity);
        assert!(fits, "{case}: {placement:?}");
    }
    let total: i128 =
        lines.iter().map(|line| i128::from(line.unit_price.minor()) * i128::from(line.quantity)).sum();
    assert!(lines.is_empty() || total == i128::from(amount.minor()), "{case}: {total} is not {amount}");
    // The text has the decimals of the currency, no more and no fewer.
    let decimals = amount.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len());
    assert_eq!(decimals, currency.digits() as usize, "{case}: {amount}");
}

fn as_sent(placement: &Placement) -> Value {
    let Placement { product_name, amount, currency, payment_method, lines } = placement;
    if lines.is_empty() {
        return json!({
            "product_name": product_name, "amount": amount, "currency": currency, "payment_method": payment_method
        });
    }
    let line = |line: &PlacedLine| {
        let PlacedLine { product, quantity, unit_price } = line;
        json!({ "product": product, "quantity": quantity, "unit_price": unit_price })
    };
    let lines: Vec<_> = lines.iter().map(line).collect();
    json!({ "lines": lines, "currency": currency, "payment_method": payment_method })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let files = fs::read_dir(directory).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        let seeds: Vec<_> = files.collect();
        assert!(seeds.len() >= 3, "{target} has few seeds");
        seeds
    }

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        seeds("cursor").iter().for_each(|seed| cursor(seed));
        seeds("order").iter().for_each(|seed| order(seed));
    }

    fn any_price() -> impl Strategy<Value = String> {
        prop_oneof![
            "\"[0-9]{1,10}(\\.[0-9]{0,4})?\"",
            "-?[0-9]{1,9}(\\.[0-9]{1,3})?([eE][+-]?[0-9])?",
            "\"\\PC{0,6}\""
        ]
    }

    fn any_order() -> impl Strategy<Value = String> {
        let line = (any_price(), "\\PC{0,4}", "-?[0-9]{1,8}").prop_map(|(price, product, quantity)| {
            let product = Value::from(product);
            format!("{{\"product\":{product},\"quantity\":{quantity},\"unit_price\":{price}}}")
        });
        let one = (any_price(), "\\PC{0,210}")
            .prop_map(|(price, name)| format!("\"product_name\":{},\"amount\":{price}", Value::from(name)));
        let lines =
            prop::collection::vec(line, 0..102).prop_map(|lines| format!("\"lines\":[{}]", lines.join(",")));
        let currency = prop::sample::select(vec!["USD", "JPY", "KWD", "XXX", "usd", "CLF"]);
        let method = prop::sample::select(vec!["paypal", "credit_card", "cash"]);
        (prop_oneof![one, lines], currency, method).prop_map(|(what, currency, method)| {
            format!("{{{what},\"currency\":\"{currency}\",\"payment_method\":\"{method}\"}}")
        })
    }

    proptest! {
        #[test]
        fn orders_of_all_sorts_hold(text in any_order()) {
            order(text.as_bytes());
        }

        #[test]
        fn cursors_of_all_sorts_hold(text in "c?[-+0-9a-fA-F]{0,18}", bytes in any::<[u8; 8]>()) {
            cursor(text.as_bytes());
            cursor(&bytes);
        }
    }
}
