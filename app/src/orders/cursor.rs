use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a page ends: the next one begins below this order. Opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(pub(crate) i64);

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
        text.strip_prefix('c')
            .and_then(|hex| i64::from_str_radix(hex, 16).ok())
            .map(Self)
            // As it was given out, and in no other way of writing it.
            .filter(|cursor| cursor.0 > 0 && cursor.to_string() == text)
            .ok_or_else(|| {
                D::Error::custom("is no cursor: give back `next_cursor` of the page before, as it was")
            })
    }
}
