//! Where a page of a list ends.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a page ends, by the id of its last row: the next page begins behind it. Clients get it as text, `c1f`, to give back
/// as it is, so that what a place is made of can change; a text that was never given out is refused.
///
/// ```
/// use spanbox::web::Cursor;
///
/// assert_eq!(serde_json::to_string(&Cursor(31)).unwrap(), "\"c1f\"");
/// assert_eq!(serde_json::from_str::<Cursor>("\"c1f\"").unwrap(), Cursor(31));
/// assert!(serde_json::from_str::<Cursor>("\"31\"").is_err());
/// ```
///
/// In the description of an interface it is a string of this [`pattern`](Cursor::PATTERN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64);

impl Cursor {
    /// What its texts are like: `c`, and the id in hexadecimal digits.
    pub const PATTERN: &str = "^c[1-9a-f][0-9a-f]{0,15}$";
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:x}", self.0)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = text.strip_prefix('c').and_then(|hex| i64::from_str_radix(hex, 16).ok());
        // As it was given out, and in no other way of writing it.
        id.map(Self).filter(|cursor| cursor.0 > 0 && cursor.to_string() == text).ok_or_else(|| {
            D::Error::custom("is no cursor: give back `next_cursor` of the page before, as it was")
        })
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn what_was_given_out_is_taken_back_and_nothing_else() {
        let pattern = Regex::new(Cursor::PATTERN).unwrap();
        for id in [1, 9, 16, 31, i64::MAX] {
            let text = Cursor(id).to_string();
            assert!(pattern.is_match(&text), "{text}");
            let read: Cursor = serde_json::from_value(text.into()).unwrap();
            assert_eq!(read, Cursor(id));
        }
        for text in
            ["", "c", "c0", "c01", "c1F", "c+1", "c-1", "1f", "C1f", "c1g", " c1", "c8000000000000000"]
        {
            assert!(serde_json::from_value::<Cursor>(text.into()).is_err(), "{text}");
        }
    }
}
