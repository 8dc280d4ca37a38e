use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_sdk::trace::SpanData;

use super::emitted::types;
use super::entry::fits;
use super::{Contract, Emitted, Metric, Span, Type};

impl Contract {
    /// What was emitted and is neither in this contract nor in one that it builds on, each thing once, in words.
    #[must_use]
    pub fn unlisted(&self, emitted: &Emitted) -> Vec<String> {
        let mut wrong = BTreeSet::new();
        for span in emitted.spans.all() {
            wrong.extend(self.wrong_with_span(span));
        }
        for (name, noted) in &emitted.captured.metrics {
            let what = format!("metric `{name}`");
            let Some(metric) = self.chain().flat_map(|of| of.metrics).find(|metric| metric.name == name)
            else {
                wrong.insert(format!("{what} is not listed"));
                continue;
            };
            if (metric.instrument, metric.unit) != (noted.instrument, noted.unit.as_str()) {
                let (is, unit) = (noted.instrument.as_str(), &noted.unit);
                wrong.insert(format!("{what} is a {is} of `{unit}`"));
            }
            for series in &noted.series {
                wrong.extend(self.wrong_with_attributes(&what, metric.has, metric.may_have, series, false));
            }
        }
        let resource: Vec<_> = self.chain().flat_map(|contract| contract.resource).copied().collect();
        wrong.extend(self.wrong_with_attributes(
            "the resource",
            &[],
            &resource,
            &emitted.captured.resource,
            false,
        ));
        wrong.into_iter().collect()
    }

    /// What is in this contract and was not emitted. What it builds on is not looked at.
    #[must_use]
    pub fn unseen(&self, emitted: &Emitted) -> Vec<&'static str> {
        let spans = emitted.spans.all();
        let events = || spans.iter().flat_map(|span| &span.events.events);
        let mut keys: BTreeSet<String> = BTreeSet::new();
        keys.extend(spans.iter().flat_map(|span| types(&span.attributes).into_keys()));
        keys.extend(events().flat_map(|event| types(&event.attributes).into_keys()));
        let series = emitted.captured.metrics.values().flat_map(|noted| &noted.series);
        keys.extend(series.flat_map(|series| series.keys().cloned()));
        keys.extend(emitted.captured.resource.keys().cloned());

        let mut unseen = Vec::new();
        for entry in self.spans {
            let is_one = |span: &SpanData| entry.is_meant_by(span) && self.wrong_with(entry, span).is_empty();
            unseen.extend((!spans.iter().any(is_one)).then_some(entry.name));
        }
        let happened = |name: &str| events().any(|event| event.name == name);
        unseen.extend(self.events.iter().map(|event| event.name).filter(|name| !happened(name)));
        let measured = |metric: &&Metric| !emitted.captured.metrics.contains_key(metric.name);
        unseen.extend(self.metrics.iter().filter(measured).map(|metric| metric.name));
        let absent = self.attributes.iter().filter(|one| !keys.iter().any(|key| one.is_called(key)));
        unseen.extend(absent.map(|attribute| attribute.name));
        unseen
    }

    /// Several entries may have names that fit; the span has to be as one of them says. Of those that it is not like, the
    /// one that it is most like is told of.
    fn wrong_with_span(&self, span: &SpanData) -> Vec<String> {
        let entries =
            self.chain().flat_map(|contract| contract.spans).filter(|entry| entry.is_meant_by(span));
        let wrong = entries.map(|entry| self.wrong_with(entry, span)).min_by_key(Vec::len);
        wrong.unwrap_or_else(|| vec![format!("{} is not listed", called(span))])
    }

    fn wrong_with(&self, entry: &Span, span: &SpanData) -> Vec<String> {
        let what = called(span);
        let attributes = types(&span.attributes);
        let mut wrong = self.wrong_with_attributes(&what, entry.has, entry.may_have, &attributes, true);
        if entry.links.is_none() && !span.links.links.is_empty() {
            wrong.push(format!("{what} has a link"));
        }
        for event in &span.events.events {
            let what = format!("event `{}`", event.name);
            let own = self.events.iter().any(|own| own.name == event.name);
            let Some(listed) =
                self.event(&event.name).filter(|_| own || entry.events.contains(&&*event.name))
            else {
                wrong.push(format!("{what} is not listed, on {}", called(span)));
                continue;
            };
            let attributes = types(&event.attributes);
            wrong.extend(self.wrong_with_attributes(&what, listed.has, listed.may_have, &attributes, false));
        }
        wrong
    }

    /// `open`: attributes of this very contract may be there without being listed with what has them.
    fn wrong_with_attributes(
        &self,
        what: &str,
        has: &[&str],
        may_have: &[&str],
        attributes: &BTreeMap<String, Type>,
        open: bool,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (key, kind) in attributes {
            let own = open && self.base.is_some() && self.attributes.iter().any(|one| one.is_called(key));
            if !own && !has.iter().chain(may_have).any(|listed| fits(listed, key)) {
                wrong.push(format!("{what} has `{key}`"));
            }
            match self.attribute(key) {
                None => wrong.push(format!("attribute `{key}` is not listed")),
                Some(listed) if listed.kind != *kind => {
                    wrong.push(format!("attribute `{key}` is {} on {what}", kind.as_str()));
                }
                Some(_) => {}
            }
        }
        let lacking = has.iter().filter(|key| !attributes.keys().any(|is| fits(key, is)));
        wrong.extend(lacking.map(|key| format!("{what} lacks `{key}`")));
        wrong
    }
}

impl Span {
    /// A name that any text fits says nothing: of such a kind is what has its attributes.
    fn is_meant_by(&self, span: &SpanData) -> bool {
        let has = |key: &&str| span.attributes.iter().any(|attribute| fits(key, attribute.key.as_str()));
        self.kind == span.span_kind
            && fits(self.name, &span.name)
            && (says_something(self.name) || self.has.iter().all(has))
    }
}

/// Whether anything stands outside of the braces.
fn says_something(pattern: &str) -> bool {
    pattern.split('}').any(|part| !part.split('{').next().unwrap_or_default().trim().is_empty())
}

fn called(span: &SpanData) -> String {
    format!("{} span `{}`", format!("{:?}", span.span_kind).to_lowercase(), span.name)
}
