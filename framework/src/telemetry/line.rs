use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use opentelemetry::trace::SpanContext;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::nobody;
use crate::context::RequestId;
use crate::redact::{MASK, Redactor};

/// What a record is part of.
pub(super) struct Of<'a> {
    pub(super) service: &'a str,
    pub(super) span: &'a SpanContext,
    pub(super) request: Option<&'a RequestId>,
}

/// A record as one line of JSON:
/// `{"timestamp":…,"level":…,"target":…,"message":…,"service":…,"trace_id":…,"span_id":…,"request_id":…,"fields":{…}}`.
///
/// The ids and `fields` are there only when there are any.
pub(super) fn json(
    line: &mut String,
    event: &Event<'_>,
    at: DateTime<Utc>,
    of: &Of<'_>,
    redactor: &Redactor,
) {
    let metadata = event.metadata();
    let mut record = JsonFields { redactor, message: String::new(), fields: String::new() };
    event.record(&mut record);

    line.push_str("{\"timestamp\":\"");
    line.push_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true));
    line.push_str("\",\"level\":\"");
    line.push_str(metadata.level().as_str());
    line.push_str("\",\"target\":");
    json_string(line, metadata.target());
    line.push_str(",\"message\":");
    json_string(line, &record.message);
    line.push_str(",\"service\":");
    json_string(line, of.service);
    if is_told(of.span) {
        let (trace, span) = (of.span.trace_id(), of.span.span_id());
        push(line, format_args!(",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\""));
    }
    if let Some(request) = of.request {
        line.push_str(",\"request_id\":");
        json_string(line, &redactor.text(request.as_str()));
    }
    if !record.fields.is_empty() {
        line.push_str(",\"fields\":{");
        line.push_str(&record.fields);
        line.push('}');
    }
    line.push_str("}\n");
}

/// Whether anybody could look for the trace.
fn is_told(span: &SpanContext) -> bool {
    span.is_valid() && *span != nobody()
}

/// A record as one line for people: time (UTC), level, target, message, fields and the trace's id.
pub(super) fn pretty(
    line: &mut String,
    event: &Event<'_>,
    at: DateTime<Utc>,
    colour: bool,
    of: &Of<'_>,
    redactor: &Redactor,
) {
    let metadata = event.metadata();
    let mut record = PrettyFields { redactor, message: String::new(), fields: String::new() };
    event.record(&mut record);

    let (dim, level_colour, reset) = match (colour, *metadata.level()) {
        (false, _) => ("", "", ""),
        (true, Level::ERROR) => ("\x1b[2m", "\x1b[31m", "\x1b[0m"),
        (true, Level::WARN) => ("\x1b[2m", "\x1b[33m", "\x1b[0m"),
        (true, Level::INFO) => ("\x1b[2m", "\x1b[32m", "\x1b[0m"),
        (true, Level::DEBUG) => ("\x1b[2m", "\x1b[34m", "\x1b[0m"),
        (true, Level::TRACE) => ("\x1b[2m", "\x1b[35m", "\x1b[0m"),
    };
    let (level, target) = (metadata.level(), metadata.target());
    push(line, format_args!("{dim}{}{reset} ", at.format("%H:%M:%S%.3fZ")));
    push(line, format_args!("{level_colour}{level:>5}{reset} {dim}{target}{reset}: "));
    line.push_str(&record.message);
    line.push_str(&record.fields);
    if is_told(of.span) {
        push(line, format_args!(" {dim}trace={}{reset}", of.span.trace_id()));
    }
    line.push('\n');
}

struct JsonFields<'a> {
    redactor: &'a Redactor,
    message: String,
    /// The members of the JSON object, without its braces.
    fields: String,
}

impl JsonFields<'_> {
    fn key(&mut self, field: &Field) {
        if !self.fields.is_empty() {
            self.fields.push(',');
        }
        json_string(&mut self.fields, field.name());
        self.fields.push(':');
    }

    fn raw(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.key(field);
        if self.redactor.hides(field.name()) {
            json_string(&mut self.fields, MASK);
        } else {
            push(&mut self.fields, value);
        }
    }
}

impl Visit for JsonFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let shown = shown(self.redactor, field, value);
        if field.name() == "message" {
            self.message.push_str(&shown);
        } else {
            self.key(field);
            json_string(&mut self.fields, &shown);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.raw(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.raw(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.raw(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity and no NaN.
        if value.is_finite() {
            self.raw(field, format_args!("{value}"));
        } else {
            self.record_str(field, &value.to_string());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &error_chain(value));
    }
}

struct PrettyFields<'a> {
    redactor: &'a Redactor,
    message: String,
    fields: String,
}

impl Visit for PrettyFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let shown = shown(self.redactor, field, &text);
        if field.name() == "message" {
            push(&mut Escaped(&mut self.message), format_args!("{shown}"));
        } else {
            push(&mut Escaped(&mut self.fields), format_args!(" {}={shown}", field.name()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != "message" && (value.is_empty() || value.contains([' ', '"', '='])) {
            self.record_debug(field, &value);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &error_chain(value));
    }
}

/// The value of a field as it may be shown.
fn shown<'a>(redactor: &Redactor, field: &Field, value: &'a str) -> Cow<'a, str> {
    if redactor.hides(field.name()) { Cow::Borrowed(MASK) } else { redactor.text(value) }
}

/// An error with what caused it, outermost first.
pub(super) fn error_chain<E: Error + ?Sized>(error: &E) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Many errors already end with the text of their source.
        if !chain.ends_with(&text) {
            push(&mut chain, format_args!(": {text}"));
        }
        source = cause.source();
    }
    chain
}

/// Writing to a `String` fails only when a value's own formatting does; then the line is what it got to.
fn push(text: &mut impl Write, arguments: fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

/// What a terminal acts on, or a reader of lines takes for the end of one.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if is_control(character) {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

fn json_string(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            // All of them lie in the basic plane, so that four digits are enough.
            control if is_control(control) => push(line, format_args!("\\u{:04x}", control as u32)),
            other => line.push(other),
        }
    }
    line.push('"');
}
