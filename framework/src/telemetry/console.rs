use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use chrono::Utc;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use parking_lot::Mutex;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context as LayerContext, Layer};

use super::line;
use crate::config::LogFormat;
use crate::context::RequestId;
use crate::redact::Redactor;

/// Where the lines go.
pub(super) enum Output {
    Stderr,
    Writer(Mutex<Box<dyn Write + Send>>),
}

/// Writes every record as one line, with the ids of the span that is current in OpenTelemetry's context, whichever
/// API made it.
pub(super) struct Console {
    service: Cow<'static, str>,
    format: LogFormat,
    colour: bool,
    output: Output,
    redactor: Redactor,
}

impl Console {
    /// Colours only for people at a terminal who have not set `NO_COLOR` (<https://no-color.org>).
    pub(super) fn new(
        service: Cow<'static, str>,
        format: LogFormat,
        no_colour: bool,
        output: Output,
        redactor: Redactor,
    ) -> Self {
        let colour = !no_colour && matches!(output, Output::Stderr) && io::stderr().is_terminal();
        Self { service, format, colour, output, redactor }
    }

    fn write(&self, line: &str) {
        // A log that cannot be written has nowhere to be reported.
        let _ = match &self.output {
            Output::Stderr => io::stderr().lock().write_all(line.as_bytes()),
            Output::Writer(writer) => writer.lock().write_all(line.as_bytes()),
        };
    }
}

impl<S: Subscriber> Layer<S> for Console {
    fn on_event(&self, event: &Event<'_>, _cx: LayerContext<'_, S>) {
        thread_local! {
            static LINE: RefCell<String> = const { RefCell::new(String::new()) };
        }
        let now = Utc::now();
        let (span, request) = Context::map_current(|cx| {
            let span =
                if cx.has_active_span() { cx.span().span_context().clone() } else { SpanContext::NONE };
            (span, cx.get::<RequestId>().cloned())
        });
        let of = line::Of { service: &self.service, span: &span, request: request.as_ref() };
        // Taken out and put back: a value that logs while it is formatted comes through here again.
        let mut line = LINE.take();
        line.clear();
        match self.format {
            LogFormat::Json => line::json(&mut line, event, now, &of, &self.redactor),
            LogFormat::Pretty => line::pretty(&mut line, event, now, self.colour, &of, &self.redactor),
        }
        self.write(&line);
        // One huge record should not be held for good.
        if line.capacity() <= 64 * 1024 {
            LINE.set(line);
        }
    }
}
