//! What a client still sends of a body when its request has been answered.
//!
//! The server reads the rest of a chunked body that nobody holds any more, so that the connection can have another request:
//! for as long as the client likes, and however much it sends. One that is still held ends its connection with the answer,
//! as does the rest of a body whose length was said: what comes within the next second is thrown away, and nothing after.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_util::Stream as _;

/// A body, held by who reads it and by the answer.
#[derive(Clone)]
pub(super) struct Leftover(Rc<RefCell<Payload>>);

impl Leftover {
    pub(super) fn new(body: Payload) -> Self {
        Self(Rc::new(RefCell::new(body)))
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let mut body = self.0.borrow_mut();
        let next = Pin::new(&mut *body).poll_next(cx);
        if let Poll::Ready(None | Some(Err(_))) = next {
            *body = Payload::None;
        }
        next
    }

    /// Has the answer hold it to its own end, unless it is over or goes on as another protocol.
    pub(super) fn held_by(self, mut response: HttpResponse) -> HttpResponse {
        let ended = !matches!(*self.0.borrow(), Payload::H1 { .. });
        if ended || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response;
        }
        match response.body().size() {
            // Over with its head.
            BodySize::None | BodySize::Sized(0) => {
                response.extensions_mut().insert(self);
                response
            }
            _ => response.map_body(|_, body| BoxBody::new(Answer { body, _unread: self })),
        }
    }
}

/// The body of an answer to a request whose own body is not over.
struct Answer {
    body: BoxBody,
    _unread: Leftover,
}

impl MessageBody for Answer {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
