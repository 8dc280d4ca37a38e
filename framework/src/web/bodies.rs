//! How large the bodies of requests and answers are, where that is wanted.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

/// The instruments. A request or an answer without a body is not measured.
#[derive(Clone)]
pub(super) struct Bodies {
    requests: Histogram<u64>,
    answers: Histogram<u64>,
}

/// How many bytes a request's body has: as its head says, or as far as it has been read.
#[derive(Clone, Debug)]
pub(super) enum Received {
    Declared(u64),
    Counted(Rc<Cell<u64>>),
}

impl Bodies {
    pub(super) fn new(meter: &Meter) -> Self {
        let histogram = |name: &'static str, what: &'static str| {
            let bounds = (3..=13).map(|power| 4_f64.powi(power)).collect();
            meter.u64_histogram(name).with_unit("By").with_description(what).with_boundaries(bounds).build()
        };
        Self {
            requests: histogram("http.server.request.body.size", "Size of the bodies of requests."),
            answers: histogram("http.server.response.body.size", "Size of the bodies of answers."),
        }
    }

    pub(super) fn received(&self, received: &Received, attributes: &[KeyValue]) {
        let bytes = match received {
            Received::Declared(bytes) => *bytes,
            Received::Counted(bytes) => bytes.get(),
        };
        self.requests.record(bytes, attributes);
    }

    /// Measures the answer: now, or a stream when it ends or is given up.
    pub(super) fn answered(self, response: HttpResponse, attributes: Vec<KeyValue>) -> HttpResponse {
        match response.body().size() {
            BodySize::None => response,
            BodySize::Sized(bytes) => {
                self.answers.record(bytes, &attributes);
                response
            }
            BodySize::Stream => response.map_body(|_, body| {
                BoxBody::new(Streamed { body, sent: 0, answers: self.answers, attributes })
            }),
        }
    }
}

/// A body whose size is known when it has ended.
struct Streamed {
    body: BoxBody,
    sent: u64,
    answers: Histogram<u64>,
    attributes: Vec<KeyValue>,
}

impl MessageBody for Streamed {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let next = Pin::new(&mut this.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            this.sent += chunk.len() as u64;
        }
        next
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.answers.record(self.sent, &self.attributes);
    }
}
