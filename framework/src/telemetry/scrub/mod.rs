//! What stands in front of every exporter: it hides what must not be shown, and cuts off what is too long.

mod known;
mod limits;
mod logs;
mod meters;
mod names;
mod spans;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

pub(super) use limits::Limits;
pub(super) use logs::ScrubbedLogs;
pub(super) use meters::ScrubbedMeters;

use crate::redact::{MASK, Redactor};
use known::Known;
use names::{OFTEN, Sort, sort};

const fn is_text(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Array(Array::String(_)))
}

/// How values are scrubbed: what is hidden in them, and how long they may be.
#[derive(Clone, Debug)]
pub(super) struct Scrubber {
    redactor: Redactor,
    /// Bytes of a text.
    length: usize,
    known: Arc<Known>,
    /// Whether one of the names in [`OFTEN`] hides its value.
    hides_often: bool,
}

impl Scrubber {
    pub(super) fn new(redactor: Redactor, length: usize) -> Self {
        let hides_often = OFTEN.iter().any(|name| redactor.hides(name));
        Self { redactor, length, known: Arc::default(), hides_often }
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What is to be in the place of a text, if it may not stay as it is.
    fn changed(&self, text: &str) -> Option<String> {
        match self.redactor.bounded(text, self.length) {
            Cow::Borrowed(kept) if kept.len() == text.len() => None,
            changed => Some(changed.into_owned()),
        }
    }

    /// A text that was fixed in code is not looked at.
    fn text(&self, text: &mut Cow<'static, str>) {
        if let Cow::Owned(owned) = text
            && let Some(changed) = self.changed(owned)
        {
            *text = Cow::Owned(changed);
        }
    }

    fn attributes(&self, attributes: &mut [KeyValue]) {
        for KeyValue { key, value, .. } in attributes {
            if let Some(changed) = self.value(key, value) {
                *value = changed;
            }
        }
    }

    /// What is to be in the place of an attribute's value, if it may not stay as it is.
    #[inline]
    fn value(&self, key: &Key, value: &Value) -> Option<Value> {
        let sort = sort(key.as_str());
        let passes = match sort {
            Sort::Fixed => true,
            Sort::Shared | Sort::Frequent => !self.hides_often && !is_text(value),
            Sort::Other => false,
        };
        if passes { None } else { self.looked_at(sort, key, value) }
    }

    // A function of its own, so that most attributes cost no more than to find out that there is nothing to look at.
    #[inline(never)]
    fn looked_at(&self, sort: Sort, key: &Key, value: &Value) -> Option<Value> {
        if (self.hides_often || sort == Sort::Other) && self.redactor.hides(key.as_str()) {
            return Some(MASK.into());
        }
        match value {
            Value::String(text) if sort == Sort::Shared => {
                self.known.changed(text, || self.changed(text.as_str()).map(Value::from))
            }
            Value::String(text) => self.changed(text.as_str()).map(Value::from),
            Value::Array(Array::String(texts)) => {
                let changed: Vec<_> = texts.iter().map(|text| self.changed(text.as_str())).collect();
                changed.iter().any(Option::is_some).then(|| {
                    let texts = texts.iter().zip(changed);
                    let texts =
                        texts.map(|(text, changed)| changed.map_or_else(|| text.clone(), StringValue::from));
                    Value::Array(Array::String(texts.collect()))
                })
            }
            _ => None,
        }
    }

    /// The same of a log record's value, whatever is in it.
    fn any(&self, value: &AnyValue) -> Option<AnyValue> {
        match value {
            AnyValue::String(text) => self.changed(text.as_str()).map(AnyValue::from),
            AnyValue::Bytes(bytes) => {
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(self.length)]);
                let shown = self.redactor.text(&text);
                let changed = bytes.len() > self.length || matches!(shown, Cow::Owned(_));
                changed.then(|| AnyValue::Bytes(Box::new(shown.into_owned().into_bytes())))
            }
            AnyValue::ListAny(list) => {
                let changed: Vec<_> = list.iter().map(|value| self.any(value)).collect();
                changed.iter().any(Option::is_some).then(|| {
                    let values = list.iter().zip(changed);
                    AnyValue::ListAny(Box::new(
                        values.map(|(value, changed)| changed.unwrap_or_else(|| value.clone())).collect(),
                    ))
                })
            }
            AnyValue::Map(map) => {
                let changed: HashMap<_, _> = map
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), self.named(key, value)?)))
                    .collect();
                (!changed.is_empty()).then(|| {
                    let mut map = map.clone();
                    map.extend(changed);
                    AnyValue::Map(map)
                })
            }
            _ => None,
        }
    }

    fn named(&self, key: &Key, value: &AnyValue) -> Option<AnyValue> {
        if self.redactor.hides(key.as_str()) { Some(MASK.into()) } else { self.any(value) }
    }
}
