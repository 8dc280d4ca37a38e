use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, Responder};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::KEEP_ALIVE;
use super::event::Event;
use super::open::{End, Open, Protocol, draining};

/// Server-sent events: `text/event-stream`, until there are no more, the client is gone, or the service is about to stop.
///
/// Where nothing is sent for 15 s, a comment is, so that no proxy takes the connection for dead and a client that has gone
/// is noticed. See the [module](super).
#[must_use = "it is an answer, which a handler returns"]
pub struct Sse<S> {
    events: S,
    keep_alive: Duration,
    retry: Duration,
}

impl<S: Stream<Item = Event> + 'static> Sse<S> {
    /// The events to send.
    pub const fn new(events: S) -> Self {
        Self { events, keep_alive: KEEP_ALIVE, retry: Duration::from_secs(2) }
    }

    /// How long there may be nothing to send before a comment is. Default 15 s.
    pub const fn keep_alive(mut self, period: Duration) -> Self {
        self.keep_alive = period;
        self
    }

    /// How long a client waits before it connects again. Default 2 s.
    pub const fn retry(mut self, period: Duration) -> Self {
        self.retry = period;
        self
    }
}

impl<S: Stream<Item = Event> + 'static> Responder for Sse<S> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let body = Body {
            events: Box::pin(self.events),
            first: Some(format!("retry: {}\n\n", self.retry.as_millis())),
            keep_alive: self.keep_alive,
            timer: Box::pin(sleep(self.keep_alive)),
            draining: draining(request),
            open: Open::begin(request, Protocol::Sse),
        };
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/event-stream"))
            .insert_header((CACHE_CONTROL, "no-store"))
            // nginx holds back what it can, and this is how an answer says that it must not.
            .insert_header(("x-accel-buffering", "no"))
            .body(body)
    }
}

impl<S> std::fmt::Debug for Sse<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sse").field("keep_alive", &self.keep_alive).finish_non_exhaustive()
    }
}

struct Body {
    events: Pin<Box<dyn Stream<Item = Event>>>,
    first: Option<String>,
    keep_alive: Duration,
    timer: Pin<Box<Sleep>>,
    draining: Pin<Box<dyn Future<Output = ()>>>,
    open: Open,
}

impl Body {
    fn wait_anew(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.keep_alive);
    }
}

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        let _current = this.open.enter();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first.into())));
        }
        if this.draining.as_mut().poll(cx).is_ready() {
            this.open.ended(End::Draining);
            return Poll::Ready(None);
        }
        match this.events.as_mut().poll_next(cx) {
            Poll::Ready(Some(event)) => {
                this.open.sent();
                this.wait_anew();
                return Poll::Ready(Some(Ok(event.encode().into())));
            }
            Poll::Ready(None) => {
                this.open.ended(End::Complete);
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        if this.timer.as_mut().poll(cx).is_ready() {
            this.wait_anew();
            return Poll::Ready(Some(Ok(Bytes::from_static(b":\n\n"))));
        }
        Poll::Pending
    }
}
