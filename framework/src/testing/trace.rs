use std::fmt::{self, Write as _};

use opentelemetry::trace::{SpanId, SpanKind, TraceId};
use opentelemetry_sdk::trace::SpanData;

use crate::jobs::TICK;

/// The root of what a service does while it starts.
const START: &str = "service.start";
/// And while it stops.
const STOP: &str = "service.stop";

/// Spans that have ended, and what can be asked of them. `Debug` draws them as trees.
#[derive(Clone, Default)]
pub struct Spans(Vec<SpanData>);

impl Spans {
    pub(super) const fn new(spans: Vec<SpanData>) -> Self {
        Self(spans)
    }

    /// All of them, in the order in which they ended.
    #[must_use]
    pub fn all(&self) -> &[SpanData] {
        &self.0
    }

    /// Those of a name.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a SpanData> {
        self.0.iter().filter(move |span| span.name == name)
    }

    /// Those of one trace.
    #[must_use]
    pub fn of_trace(&self, trace: TraceId) -> Self {
        Self(self.0.iter().filter(|span| span.span_context.trace_id() == trace).cloned().collect())
    }

    /// The span above one, if it has ended.
    #[must_use]
    pub fn parent(&self, span: &SpanData) -> Option<&SpanData> {
        self.by_id(span.parent_span_id)
    }

    /// The text of an attribute.
    #[must_use]
    pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
        span.attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == key)
            .map(|attribute| attribute.value.to_string())
    }

    /// Finds a span by the way to it: each name is that of a span below the one before it, directly or with others
    /// between them. Answers the last.
    #[must_use]
    pub fn find_path(&self, path: &[&str]) -> Option<&SpanData> {
        let (last, above) = path.split_last()?;
        self.named(last).find(|span| self.lies_below(span, above))
    }

    fn lies_below(&self, span: &SpanData, path: &[&str]) -> bool {
        let Some((next, rest)) = path.split_last() else { return true };
        let mut above = self.parent(span);
        while let Some(candidate) = above {
            if candidate.name == *next && self.lies_below(candidate, rest) {
                return true;
            }
            above = self.parent(candidate);
        }
        false
    }

    fn by_id(&self, id: SpanId) -> Option<&SpanData> {
        if id == SpanId::INVALID {
            return None;
        }
        self.0.iter().find(|span| span.span_context.span_id() == id)
    }

    /// What is wrong with the causality of these spans, one line each: a span whose parent never ended or is not
    /// here, and a root that nothing explains. A root is explained when it is a request (SERVER), a job (CONSUMER), a
    /// schedule's tick, the start or the stop of the service, or linked to what caused it.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for span in &self.0 {
            if span.parent_span_id == SpanId::INVALID {
                let explained = matches!(span.span_kind, SpanKind::Server | SpanKind::Consumer)
                    || [START, STOP, TICK].contains(&&*span.name)
                    || !span.links.links.is_empty();
                if !explained {
                    gaps.push(format!("`{}` has no parent and no link: its cause is lost", span.name));
                }
            } else if !span.parent_span_is_remote && self.by_id(span.parent_span_id).is_none() {
                gaps.push(format!("`{}` has a parent that never ended", span.name));
            }
        }
        gaps
    }

    fn draw(&self, out: &mut String, span: &SpanData, depth: usize) -> fmt::Result {
        let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
        writeln!(out, "{:indent$}{} ({took:.1?})", "", span.name, indent = depth * 2)?;
        let mut children: Vec<&SpanData> =
            self.0.iter().filter(|child| child.parent_span_id == span.span_context.span_id()).collect();
        children.sort_by_key(|child| child.start_time);
        children.into_iter().try_for_each(|child| self.draw(out, child, depth + 1))
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut roots: Vec<&SpanData> = self.0.iter().filter(|span| self.parent(span).is_none()).collect();
        roots.sort_by_key(|root| root.start_time);
        let mut out = String::new();
        for root in roots {
            self.draw(&mut out, root, 0)?;
        }
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;
    use opentelemetry::trace::TraceContextExt as _;
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::super::Capture;

    #[test]
    fn a_lost_cause_is_a_gap_and_a_path_is_found_through_others() {
        let capture = Capture::new();
        let provider = SdkTracerProvider::builder().with_span_processor(capture.clone()).build();
        let tracer = provider.tracer("test");
        let root = Context::new().with_span(tracer.build_with_context(
            tracer.span_builder("POST /").with_kind(opentelemetry::trace::SpanKind::Server),
            &Context::new(),
        ));
        let middle = root.with_span(tracer.build_with_context(tracer.span_builder("middle"), &root));
        tracer.build_with_context(tracer.span_builder("leaf"), &middle).end();
        tracer.build_with_context(tracer.span_builder("stray"), &Context::new()).end();
        assert!(
            capture.spans().gaps().iter().any(|gap| gap.contains("`leaf` has a parent that never ended"))
        );
        assert_eq!(capture.open().len(), 2);
        middle.span().end();
        root.span().end();
        let spans = capture.spans();
        assert_eq!(spans.gaps(), ["`stray` has no parent and no link: its cause is lost"]);
        assert!(spans.find_path(&["POST /", "leaf"]).is_some());
        assert!(spans.find_path(&["leaf", "POST /"]).is_none());
        assert!(format!("{spans:?}").contains("    leaf"));
        assert!(capture.open().is_empty());
    }
}
