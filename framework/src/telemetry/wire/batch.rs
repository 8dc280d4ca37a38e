use std::fmt;
use std::mem;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;

use super::{LONG, Message};

/// Bytes of a batch that is worth to make room for, and to keep the room of: more than one of the default size has.
pub(in crate::telemetry) const ROOM: usize = 1 << 20;

/// The spans of one export, as an `ExportTraceServiceRequest` that they are written into behind each other. Of the first
/// instrumentation scope, and most often the only one, they are where they are sent from.
pub(in crate::telemetry) struct Batch {
    head: Arc<[u8]>,
    /// Bytes that are made room for at the first span: those of the batch before, up to [`ROOM`].
    expected: usize,
    request: Vec<u8>,
    /// The first scope, and where its `ScopeSpans` begins.
    first: Option<(InstrumentationScope, usize)>,
    others: Vec<(InstrumentationScope, Vec<u8>)>,
    spans: u64,
}

/// What each request of a service begins with: the open `ResourceSpans`, and in it the resource.
pub(in crate::telemetry) fn head(resource: &Resource) -> Arc<[u8]> {
    let mut bytes = Vec::new();
    let mut message = Message(&mut bytes);
    message.open(1);
    message.nested(1, |message| {
        for (key, value) in resource {
            message.attribute(1, key.as_str(), value);
        }
    });
    message.text(3, resource.schema_url().unwrap_or_default());
    bytes.into()
}

impl Batch {
    /// One without spans, by what [`head`] has made.
    pub(in crate::telemetry) fn new(head: Arc<[u8]>) -> Self {
        Self { head, expected: 0, request: Vec::new(), first: None, others: Vec::new(), spans: 0 }
    }

    pub(in crate::telemetry) const fn spans(&self) -> u64 {
        self.spans
    }

    /// Takes what is in it; what follows is written into `room`, and expected to take as much.
    pub(in crate::telemetry) fn take(&mut self, room: Vec<u8>) -> Self {
        let expected = self.request.len().min(ROOM);
        let next = Self { expected, request: room, ..Self::new(Arc::clone(&self.head)) };
        mem::replace(self, next)
    }

    /// Adds a span as [`span`](super::span) has written it.
    pub(in crate::telemetry) fn add(&mut self, scope: &InstrumentationScope, span: &[u8]) {
        self.spans += 1;
        let Some((first, _)) = &self.first else {
            self.request.reserve(self.expected.max(self.head.len() + span.len()));
            self.request.extend_from_slice(&self.head);
            let mut request = Message(&mut self.request);
            let begin = request.open(2);
            request.scope(scope);
            self.first = Some((scope.clone(), begin));
            return self.request.extend_from_slice(span);
        };
        if is_same(first, scope) {
            return self.request.extend_from_slice(span);
        }
        match self.others.iter_mut().find(|(known, _)| is_same(known, scope)) {
            Some((_, spans)) => spans.extend_from_slice(span),
            None => self.others.push((scope.clone(), span.to_vec())),
        }
    }

    /// The bytes to send. One that has no spans has none.
    pub(in crate::telemetry) fn into_request(self) -> Vec<u8> {
        let Self { mut request, first, others, .. } = self;
        let Some((_, begin)) = first else { return request };
        let mut message = Message(&mut request);
        message.close(begin);
        for (scope, spans) in &others {
            let begin = message.open(2);
            message.scope(scope);
            message.0.extend_from_slice(spans);
            message.close(begin);
        }
        // Behind its key, which is one byte, and its length.
        message.close(1 + LONG);
        request
    }
}

impl Message<'_> {
    /// What a `ScopeSpans` says of its scope.
    fn scope(&mut self, scope: &InstrumentationScope) {
        self.nested(1, |message| {
            message.text(1, scope.name());
            message.text(2, scope.version().unwrap_or_default());
            message.attributes(3, scope.attributes());
        });
        self.text(3, scope.schema_url().unwrap_or_default());
    }
}

/// Most spans are of scopes that have nothing but a name from the program's text. Two that have more are sorted to be
/// compared.
fn is_same(one: &InstrumentationScope, other: &InstrumentationScope) -> bool {
    let only_named = |scope: &InstrumentationScope| {
        scope.version().is_none() && scope.schema_url().is_none() && scope.attributes().next().is_none()
    };
    (std::ptr::eq(one.name(), other.name()) && only_named(one) && only_named(other)) || one == other
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("spans", &self.spans).field("bytes", &self.request.len()).finish()
    }
}
