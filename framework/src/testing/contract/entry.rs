pub use opentelemetry::trace::SpanKind;

/// A kind of span.
#[derive(Clone, Debug)]
pub struct Span {
    pub(super) kind: SpanKind,
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) has: &'static [&'static str],
    pub(super) may_have: &'static [&'static str],
    pub(super) events: &'static [&'static str],
    pub(super) links: Option<&'static str>,
}

/// An event of spans.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) has: &'static [&'static str],
    pub(super) may_have: &'static [&'static str],
}

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub(super) instrument: Instrument,
    pub(super) unit: &'static str,
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) has: &'static [&'static str],
    pub(super) may_have: &'static [&'static str],
}

/// An attribute, wherever it is.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    pub(super) kind: Type,
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) why_there: Option<&'static str>,
}

/// What a metric is recorded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// The last value.
    Gauge,
    /// How many values there were of which size.
    Histogram,
}

/// The type of an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// A text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// True or false.
    Boolean,
    /// A list of texts.
    Strings,
}

impl Span {
    /// A span of this kind and name. `{words}` in braces stand for any text that is not empty.
    #[must_use]
    pub const fn new(kind: SpanKind, name: &'static str, meaning: &'static str) -> Self {
        Self { kind, name, meaning, has: &[], may_have: &[], events: &[], links: None }
    }

    /// The attributes that it always has. Default none.
    #[must_use]
    pub const fn has(mut self, attributes: &'static [&'static str]) -> Self {
        self.has = attributes;
        self
    }

    /// The attributes that it sometimes has. Default none.
    #[must_use]
    pub const fn may_have(mut self, attributes: &'static [&'static str]) -> Self {
        self.may_have = attributes;
        self
    }

    /// The events that it may have. Default none.
    #[must_use]
    pub const fn events(mut self, events: &'static [&'static str]) -> Self {
        self.events = events;
        self
    }

    /// What it may link to. Default nothing.
    #[must_use]
    pub const fn links(mut self, to: &'static str) -> Self {
        self.links = Some(to);
        self
    }
}

/// The setters of what has attributes and nothing else.
macro_rules! with_attributes {
    ($($entry:ident)+) => {
        $(impl $entry {
            /// The attributes that it always has. Default none.
            #[must_use]
            pub const fn has(mut self, attributes: &'static [&'static str]) -> Self {
                self.has = attributes;
                self
            }

            /// The attributes that it sometimes has. Default none.
            #[must_use]
            pub const fn may_have(mut self, attributes: &'static [&'static str]) -> Self {
                self.may_have = attributes;
                self
            }
        })+
    };
}

with_attributes! { Event Metric }

impl Event {
    /// An event of this name.
    #[must_use]
    pub const fn new(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, has: &[], may_have: &[] }
    }
}

impl Metric {
    /// A metric of this instrument, unit (UCUM, as `s` or `{request}`) and name.
    #[must_use]
    pub const fn new(
        instrument: Instrument,
        unit: &'static str,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { instrument, unit, name, meaning, has: &[], may_have: &[] }
    }
}

impl Attribute {
    /// An attribute of this type and name. `{words}` in braces stand for any text that is not empty.
    #[must_use]
    pub const fn new(kind: Type, name: &'static str, meaning: &'static str) -> Self {
        Self { kind, name, meaning, why_there: None }
    }

    /// Why it lies in a namespace of the semantic conventions without being one of theirs. Default: it does not.
    #[must_use]
    pub const fn unregistered(mut self, because: &'static str) -> Self {
        self.why_there = Some(because);
        self
    }

    pub(super) fn is_called(&self, key: &str) -> bool {
        fits(self.name, key)
    }
}

impl Instrument {
    /// The name that the semantic conventions have for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "updowncounter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Type {
    /// The name that the semantic conventions have for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Strings => "string[]",
        }
    }
}

/// Whether a name is one of a pattern, in which each `{words}` stands for any text that is not empty.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('{') else { return pattern == name };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    let Some(name) = name.strip_prefix(before) else { return false };
    let ends = name.char_indices().map(|(at, _)| at).skip(1);
    ends.chain([name.len()]).any(|end| end > 0 && fits(after, &name[end..]))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn words_in_braces_stand_for_any_text_that_is_not_empty() {
        for (pattern, right, wrong) in [
            ("service.stop", &["service.stop"] as &[&str], &["service.stop.jobs", ""] as &[&str]),
            ("send {queue}", &["send orders", "send a b"], &["send ", "send", "resend orders"]),
            ("{Actor} panic", &["Greeter panic"], &[" panic", "Greeter panics"]),
            ("{method} {route}", &["GET /a/{id}"], &["GET", "GET "]),
            ("{summary}", &["SELECT a é"], &[""]),
        ] {
            right.iter().for_each(|name| assert!(fits(pattern, name), "{pattern}: {name}"));
            wrong.iter().for_each(|name| assert!(!fits(pattern, name), "{pattern}: {name}"));
        }
    }
}
