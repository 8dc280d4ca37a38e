//! How much a body may hold and how long it may take, whoever reads it.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpMessage as _, HttpRequest};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Sleep, sleep};

use crate::config::ServerSettings;

/// The limits of one request.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) max_body_bytes: usize,
    pub(crate) body_timeout: Duration,
    /// Zero: none.
    pub(crate) request_timeout: Duration,
}

impl Limits {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        Self {
            max_body_bytes: settings.max_body_bytes,
            body_timeout: settings.body_timeout,
            request_timeout: settings.request_timeout,
        }
    }

    pub(super) fn of(request: &HttpRequest) -> Self {
        request.app_data::<Self>().cloned().unwrap_or_else(|| Self::new(&ServerSettings::default()))
    }

    /// Puts the limits on the body of a request that has one, before anyone reads it.
    pub(super) fn apply(&self, request: &mut ServiceRequest) {
        // HTTP/2 announces a body by no header: whether there may be one, only the payload itself says.
        let inner = match request.take_payload() {
            Payload::None => return,
            payload => payload,
        };
        let declared = request.headers().get(CONTENT_LENGTH);
        let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let body = Limited {
            // A declared length tells before a byte is read.
            left: if declared.is_some_and(|length| length > self.max_body_bytes) {
                None
            } else {
                Some(self.max_body_bytes)
            },
            inner,
            deadline: Box::pin(sleep(self.body_timeout)),
        };
        request.set_payload(Payload::Stream { payload: Box::pin(body) });
    }
}

struct Limited {
    inner: Payload,
    /// How many bytes may still come; `None` when it was too much.
    left: Option<usize>,
    deadline: Pin<Box<Sleep>>,
}

impl Stream for Limited {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(left) = self.left else { return Poll::Ready(Some(Err(PayloadError::Overflow))) };
        match Pin::new(&mut self.inner).poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.left = left.checked_sub(chunk.len());
                Poll::Ready(Some(if self.left.is_some() { Ok(chunk) } else { Err(PayloadError::Overflow) }))
            }
            Poll::Pending => self
                .deadline
                .as_mut()
                .poll(cx)
                .map(|()| Some(Err(PayloadError::Io(std::io::ErrorKind::TimedOut.into())))),
            other => other,
        }
    }
}
