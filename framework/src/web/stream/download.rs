use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{
    CONTENT_TYPE, ContentDisposition, DispositionParam, DispositionType, HeaderValue,
};
use actix_web::{HttpRequest, HttpResponse, Responder};
use bytes::Bytes;
use futures_util::Stream;

use super::open::{End, Open, Protocol};

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Box<dyn Error>>>>>;

/// A file that is made while it is sent: no more of it is in memory than the client has room for, and when the client goes
/// away, no more of it is made.
///
/// An error in the middle cuts the connection without the end of the answer, so that the client knows that it has not got
/// the whole; the cause is logged. See the [module](super).
#[must_use = "it is an answer, which a handler returns"]
pub struct Download {
    kind: &'static str,
    name: String,
    pieces: Pieces,
}

impl Download {
    /// A file of a media type such as `text/csv; charset=utf-8`, under a name, in pieces.
    pub fn new<S, E>(kind: &'static str, name: impl Into<String>, pieces: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + 'static,
        E: Error + 'static,
    {
        use futures_util::TryStreamExt as _;
        Self { kind, name: name.into(), pieces: Box::pin(pieces.map_err(|error| error.into())) }
    }
}

impl Responder for Download {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let disposition = ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(self.name)],
        };
        let open = Open::begin(request, Protocol::Download);
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, HeaderValue::from_static(self.kind)))
            .insert_header(disposition)
            .body(Body { pieces: self.pieces, open })
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("name", &self.name).finish_non_exhaustive()
    }
}

struct Body {
    pieces: Pieces,
    open: Open,
}

impl MessageBody for Body {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let _current = this.open.enter();
        let next = this.pieces.as_mut().poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(_))) => this.open.sent(),
            Poll::Ready(Some(Err(error))) => {
                tracing::error!(%error, "a download broke off");
                this.open.ended(End::Failed);
            }
            Poll::Ready(None) => this.open.ended(End::Complete),
            Poll::Pending => {}
        }
        next
    }
}
