use std::fmt::Write as _;

use super::conventions::Conventions;
use super::{Attribute, Contract, Span};

impl Contract {
    /// The contract as a section of a document: what there is, and what it means. What it builds on is not in it.
    ///
    /// # Panics
    ///
    /// As [`Contract::unconventional`].
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let conventions = Conventions::read();
        let mut out = format!("## {}\n", self.title);
        if !self.spans.is_empty() {
            out.push_str("\n### Spans\n\n");
            self.spans.iter().for_each(|span| span.render(&mut out));
        }
        if !self.events.is_empty() {
            out.push_str("\n### Events of spans\n\n| event | is | attributes |\n|---|---|---|\n");
            for event in self.events {
                let attributes = attributes(event.has, event.may_have);
                let _ = writeln!(out, "| `{}` | {} | {attributes} |", event.name, event.meaning);
            }
        }
        if !self.metrics.is_empty() {
            out.push_str(
                "\n### Metrics\n\n| metric, and in Prometheus | is | unit | is recorded of | attributes |\n|---|---|---|---|---|\n",
            );
            for metric in self.metrics {
                let name = metric.prometheus_name();
                let stability =
                    conventions.metrics.get(metric.name).map_or("ours", |known| known.stability());
                let attributes = attributes(metric.has, metric.may_have);
                let _ = writeln!(
                    out,
                    "| `{}` `{name}` | {}, {stability} | `{}` | {} | {attributes} |",
                    metric.name,
                    metric.instrument.as_str(),
                    metric.unit,
                    metric.meaning,
                );
            }
        }
        if !self.resource.is_empty() {
            let _ = writeln!(
                out,
                "\n### The resource\n\nAll of them are of a resource that has {}.",
                list(self.resource)
            );
        }
        if !self.attributes.is_empty() {
            out.push_str("\n### Attributes\n\n| attribute | type | stability | is |\n|---|---|---|---|\n");
            let mut sorted: Vec<&Attribute> = self.attributes.iter().collect();
            sorted.sort_by_key(|attribute| attribute.name);
            for attribute in sorted {
                let stability = conventions.of(attribute).map_or("ours", |known| known.stability());
                let because = attribute.why_there.map(|because| format!(" {because}")).unwrap_or_default();
                let Attribute { name, meaning, .. } = attribute;
                let kind = attribute.kind.as_str();
                let _ = writeln!(out, "| `{name}` | {kind} | {stability} | {meaning}{because} |");
            }
        }
        out
    }
}

impl Span {
    fn render(&self, out: &mut String) {
        let kind = format!("{:?}", self.kind).to_lowercase();
        let _ = writeln!(out, "- **`{}`** ({kind}): {}", self.name, self.meaning);
        let attributes = attributes(self.has, self.may_have);
        let mut more = if attributes.is_empty() { Vec::new() } else { vec![format!("Has {attributes}.")] };
        if !self.events.is_empty() {
            more.push(format!("Events: {}.", list(self.events)));
        }
        more.extend(self.links.map(|to| format!("Links to {to}.")));
        if !more.is_empty() {
            let _ = writeln!(out, "  {}", more.join(" "));
        }
    }
}

/// Those that are always there, then the others.
fn attributes(has: &[&str], may_have: &[&str]) -> String {
    match (has, may_have) {
        ([], []) => String::new(),
        (has, []) => list(has),
        ([], may_have) => format!("perhaps {}", list(may_have)),
        (has, may_have) => format!("{}; perhaps {}", list(has), list(may_have)),
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
