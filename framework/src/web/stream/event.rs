use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::super::Problem;

/// Something that happened, for a client that listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Event {
    pub(super) id: Option<String>,
    pub(super) kind: Option<&'static str>,
    pub(super) data: String,
}

impl Event {
    /// An event with its data, any text.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// What a client that comes back gives as `Last-Event-ID`. Default: none. Line breaks and NUL are left out.
    pub fn id(mut self, id: impl ToString) -> Self {
        self.id = Some(id.to_string().replace(['\r', '\n', '\0'], ""));
        self
    }

    /// What kind of event it is, e.g. `status`. Default: none, which clients take for `message`.
    pub const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }

    /// As `text/event-stream` has it (WHATWG HTML, section 9.2).
    pub(super) fn encode(&self) -> String {
        let mut text = String::with_capacity(self.data.len() + 48);
        for (field, value) in [("id", self.id.as_deref()), ("event", self.kind)] {
            if let Some(value) = value {
                text.push_str(field);
                text.push_str(": ");
                text.push_str(value);
                text.push('\n');
            }
        }
        let data = self.data.replace("\r\n", "\n").replace('\r', "\n");
        for line in data.split('\n') {
            text.push_str("data: ");
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
        text
    }
}

/// Where a client of server-sent events was when it lost its connection: the id of the last event that it has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastEventId(pub Option<String>);

impl FromRequest for LastEventId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let id = request.headers().get("last-event-id").filter(|id| !id.is_empty());
        ready(match id.map(|id| std::str::from_utf8(id.as_bytes())) {
            None => Ok(Self(None)),
            Some(Ok(id)) => Ok(Self(Some(id.to_owned()))),
            Some(Err(_)) => Err(Problem::bad_request("the Last-Event-ID is no text")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_fields_and_an_empty_line() {
        let event = Event::new("a\nb\r\nc\rd").id("7\n\0id: 8").kind("status");
        assert_eq!(event.encode(), "id: 7id: 8\nevent: status\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
        assert_eq!(Event::new("").encode(), "data: \n\n");
    }
}
