//! What a settings struct accepts, learnt from its own `Deserialize`.
//!
//! serde hands a struct's field names to the deserializer, so a deserializer that only listens learns every key,
//! also those below an `Option` that is `None` by default. It gives up at the first leaf, hence one run per key.

use figment::value::{Dict, Value};
use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, Error};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Deeper than any configuration; ends the walk through a type that contains itself.
const MAX_DEPTH: usize = 8;

/// What one key accepts.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// The value sits in a [`Secret`](crate::redact::Secret).
    pub(super) secret: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Struct(Vec<(&'static str, Shape)>),
    Map(Box<Shape>),
    List(Box<Shape>),
    /// Strings, and what is written as one: durations, paths, addresses.
    Text,
    /// An enum, by the names of its variants.
    Choice(&'static [&'static str]),
    Bool,
    Integer,
    Float,
    /// Decided by the value: untagged enums, types with an unusual `Deserialize`.
    Any,
}

impl Shape {
    pub(super) fn of<T: for<'de> Deserialize<'de>>() -> Self {
        build(&listen::<T>, &mut Vec::new())
    }

    /// The shape of one key of a table.
    pub(super) fn child(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Struct(fields) => fields.iter().find(|(name, _)| *name == key).map(|(_, shape)| shape),
            Kind::Map(value) => Some(value),
            _ => None,
        }
    }

    /// A value that may pass for one of this shape.
    pub(super) fn blank(&self) -> Option<Value> {
        Some(match &self.kind {
            Kind::Struct(_) | Kind::Map(_) => Value::from(Dict::new()),
            Kind::List(_) => Value::from(Vec::<Value>::new()),
            Kind::Text => Value::from(""),
            Kind::Choice(variants) => Value::from(*variants.first()?),
            Kind::Bool => Value::from(false),
            Kind::Integer | Kind::Float => Value::from(0_u8),
            Kind::Any => return None,
        })
    }

    /// Whether a secret is here or anywhere below.
    pub(super) fn conceals(&self) -> bool {
        self.secret
            || match &self.kind {
                Kind::Struct(fields) => fields.iter().any(|(_, shape)| shape.conceals()),
                Kind::Map(inner) | Kind::List(inner) => inner.conceals(),
                _ => false,
            }
    }

    /// Every key below, dotted, tables included.
    pub(super) fn keys(&self, prefix: &str, into: &mut Vec<String>) {
        if let Kind::Struct(fields) = &self.kind {
            for (name, shape) in fields {
                let key = format!("{prefix}.{name}");
                shape.keys(&key, into);
                into.push(key);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Item,
    Value,
}

#[derive(Default)]
struct Heard {
    what: Option<What>,
    secret: bool,
}

enum What {
    Struct(&'static [&'static str]),
    Map,
    List,
    Leaf(Kind),
}

fn listen<T: for<'de> Deserialize<'de>>(path: &[Step]) -> Heard {
    let mut heard = Heard::default();
    // Always an error: the probe has no value to give. What it heard on the way is the answer.
    let _ = T::deserialize(Probe { path, heard: &mut heard });
    heard
}

fn build(listen: &dyn Fn(&[Step]) -> Heard, path: &mut Vec<Step>) -> Shape {
    let heard = listen(path);
    let too_deep = path.len() >= MAX_DEPTH;
    let mut below = |step| {
        path.push(step);
        let shape = build(listen, path);
        path.pop();
        shape
    };
    let kind = match heard.what {
        Some(What::Leaf(kind)) => kind,
        None => Kind::Any,
        Some(_) if too_deep => Kind::Any,
        Some(What::Struct(fields)) => {
            Kind::Struct(fields.iter().map(|field| (*field, below(Step::Field(field)))).collect())
        }
        Some(What::Map) => Kind::Map(Box::new(below(Step::Value))),
        Some(What::List) => Kind::List(Box::new(below(Step::Item))),
    };
    Shape { kind, secret: heard.secret }
}

struct Probe<'a> {
    path: &'a [Step],
    heard: &'a mut Heard,
}

impl Probe<'_> {
    fn stop<T>(self, what: What) -> Result<T, Error> {
        self.heard.what = Some(what);
        Err(Error::custom("heard"))
    }
}

macro_rules! leaves {
    ($($kind:ident: $($method:ident)+;)+) => {$($(
        fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
            self.stop(What::Leaf(Kind::$kind))
        }
    )+)+};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    leaves! {
        Text: deserialize_str deserialize_string deserialize_char;
        Bool: deserialize_bool;
        Integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
            deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128;
        Float: deserialize_f32 deserialize_f64;
        Any: deserialize_any deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
            deserialize_ignored_any;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.heard.secret |= name == "Secret";
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Error> {
        self.stop(What::Leaf(Kind::Any))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.stop(What::Leaf(Kind::Choice(variants)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.path {
            [Step::Field(field), path @ ..] => visitor.visit_map(One { key: field, path, heard: self.heard }),
            _ => self.stop(What::Struct(fields)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.path {
            [Step::Value, path @ ..] => visitor.visit_map(One { key: "key", path, heard: self.heard }),
            _ => self.stop(What::Map),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.path {
            [Step::Item, path @ ..] => visitor.visit_seq(One { key: "", path, heard: self.heard }),
            _ => self.stop(What::List),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }
}

/// A table with one key, or a list with one item.
struct One<'a> {
    key: &'static str,
    path: &'a [Step],
    heard: &'a mut Heard,
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        seed.deserialize(BorrowedStrDeserializer::new(self.key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Probe { path: self.path, heard: self.heard })
    }
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        seed.deserialize(Probe { path: self.path, heard: self.heard }).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::redact::Secret;

    #[derive(Deserialize)]
    #[serde(default)]
    #[allow(dead_code, reason = "only its Deserialize is used")]
    #[derive(Default)]
    struct Sample {
        plain: String,
        #[serde(with = "humantime_serde")]
        wait: Duration,
        inner: Option<Inner>,
        key: Option<Secret<String>>,
        names: Vec<u16>,
        by_name: BTreeMap<String, bool>,
        itself: Option<Box<Sample>>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its Deserialize is used")]
    struct Inner {
        #[serde(rename = "file-name")]
        file: PathBuf,
        ratio: f64,
    }

    fn at<'a>(shape: &'a Shape, path: &str) -> &'a Shape {
        path.split('.').fold(shape, |shape, key| shape.child(key).unwrap())
    }

    #[test]
    fn every_kind_of_field_is_recognised() {
        let shape = Shape::of::<Sample>();
        assert!(matches!(at(&shape, "plain").kind, Kind::Text));
        assert!(matches!(at(&shape, "wait").kind, Kind::Text));
        assert!(matches!(at(&shape, "inner.file-name").kind, Kind::Text));
        assert!(matches!(at(&shape, "inner.ratio").kind, Kind::Float));
        assert!(matches!(&at(&shape, "names").kind, Kind::List(item) if matches!(item.kind, Kind::Integer)));
        assert!(matches!(&at(&shape, "by_name").kind, Kind::Map(value) if matches!(value.kind, Kind::Bool)));
        assert!(shape.child("plane").is_none());
    }

    #[test]
    fn a_secret_is_recognised_below_an_option() {
        let shape = Shape::of::<Sample>();
        assert!(at(&shape, "key").secret);
        assert!(!at(&shape, "plain").secret);
    }

    #[test]
    fn a_type_that_contains_itself_ends() {
        let shape = Shape::of::<Sample>();
        assert!(matches!(at(&shape, "itself.itself.plain").kind, Kind::Text));
    }
}
