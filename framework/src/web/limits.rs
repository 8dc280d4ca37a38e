//! How much a body may hold and how long it may take, whoever reads it.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, UPGRADE};
use actix_web::{HttpMessage as _, HttpRequest};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Sleep, sleep};

use super::bodies::Received;
use super::leftover::Leftover;
use crate::config::ServerSettings;

/// The limits of one request.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) max_body_bytes: usize,
    pub(crate) max_json_values: usize,
    pub(crate) body_timeout: Duration,
    /// Zero: none.
    pub(crate) request_timeout: Duration,
}

impl Limits {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        Self {
            max_body_bytes: settings.max_body_bytes,
            max_json_values: settings.max_json_values,
            body_timeout: settings.body_timeout,
            request_timeout: settings.request_timeout,
        }
    }

    pub(super) fn of(request: &HttpRequest) -> Self {
        request.app_data::<Self>().cloned().unwrap_or_else(|| Self::new(&ServerSettings::default()))
    }

    /// Puts the limits on the body of a request that has one, before anyone reads it. Its size is counted if that is
    /// wanted. The body itself is there for the answer if it says by itself where it ends.
    pub(super) fn apply(
        &self,
        request: &mut ServiceRequest,
        measured: bool,
    ) -> (Option<Received>, Option<Leftover>) {
        // HTTP/2 announces a body by no header: whether there may be one, only the payload itself says.
        let inner = match request.take_payload() {
            Payload::None => return (None, None),
            payload => Leftover::new(payload),
        };
        let declared = request.headers().get(CONTENT_LENGTH);
        let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let received = measured.then(|| match declared {
            Some(length) => Received::Declared(length as u64),
            None => Received::Counted(Rc::default()),
        });
        let lifted = request.headers().contains_key(UPGRADE).then(|| {
            let lifted = Lifted::default();
            request.request().extensions_mut().insert(lifted.clone());
            lifted
        });
        let leftover = declared.is_none().then(|| inner.clone());
        let body = Limited {
            lifted,
            counted: match &received {
                Some(Received::Counted(counted)) => Some(Rc::clone(counted)),
                _ => None,
            },
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
        (received, leftover)
    }
}

/// Whether what a client sends is no body any more, but its side of another protocol.
#[derive(Clone, Debug, Default)]
pub(super) struct Lifted(Rc<Cell<bool>>);

impl Lifted {
    /// Takes the limits of a body off a request that has asked for an upgrade, once that is granted.
    pub(super) fn lift(request: &HttpRequest) {
        if let Some(lifted) = request.extensions().get::<Self>() {
            lifted.0.set(true);
        }
    }
}

struct Limited {
    inner: Leftover,
    /// There if the request asks for an upgrade.
    lifted: Option<Lifted>,
    /// The bytes that have come, if somebody wants to know.
    counted: Option<Rc<Cell<u64>>>,
    /// How many bytes may still come; `None` when it was too much.
    left: Option<usize>,
    deadline: Pin<Box<Sleep>>,
}

impl Stream for Limited {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.lifted.as_ref().is_some_and(|lifted| lifted.0.get()) {
            return self.inner.poll_next(cx);
        }
        let Some(left) = self.left else { return Poll::Ready(Some(Err(PayloadError::Overflow))) };
        match self.inner.poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                if let Some(counted) = &self.counted {
                    counted.set(counted.get() + chunk.len() as u64);
                }
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
