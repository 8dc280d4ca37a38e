use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;

use super::Scrubber;

impl Scrubber {
    /// The name, the attributes, the events, the links and the status of a span.
    pub(in crate::telemetry) fn span(&self, span: &mut SpanData) {
        self.text(&mut span.name);
        self.attributes(&mut span.attributes);
        for event in &mut span.events.events {
            self.text(&mut event.name);
            self.attributes(&mut event.attributes);
        }
        for link in &mut span.links.links {
            self.attributes(&mut link.attributes);
        }
        if let Status::Error { description } = &mut span.status {
            self.text(description);
        }
    }
}
