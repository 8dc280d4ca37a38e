use std::time::Duration;

use actix_web::http::header::{HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, Session};
use futures_util::{Stream, StreamExt as _};
use opentelemetry::trace::FutureExt as _;
use tokio::time::{Instant, interval_at, timeout};

use super::super::Problem;
use super::super::limits::Lifted;
use super::KEEP_ALIVE;
use super::event::Event;
use super::open::{End, Open, Protocol, draining};
use super::origin;
use crate::context;

/// How long one message may wait for a client that does not read.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest frame that a client may send, which says nothing but signs of life.
const MAX_FRAME: usize = 4096;

/// Whether a request asks for a WebSocket.
#[must_use]
pub fn is_websocket(request: &HttpRequest) -> bool {
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.split(',').any(|it| it.trim().eq_ignore_ascii_case("websocket")))
}

/// Sends the data of events over a WebSocket (RFC 6455), each as a text, until there are no more (then it closes with 1000),
/// the client closes, or the service is about to stop (1001).
///
/// Every 15 s the client is asked for a sign of life; one that gives none until the next time is gone. What else it sends is
/// passed over, up to 4 KiB each. See the [module](super).
///
/// # Errors
///
/// 400 when the request is no handshake, 403 when a page of another origin makes it: a browser would send its user's cookies
/// along. [`AllowedOrigins`](super::AllowedOrigins) says whose may: with the extension `Cors`, those that `[cors]` lists.
pub fn websocket(
    request: &HttpRequest,
    payload: Payload,
    events: impl Stream<Item = Event> + 'static,
) -> Result<HttpResponse, Problem> {
    origin::check(request)?;
    let (response, session, messages) = actix_ws::handle(request, payload).map_err(|error| {
        // Who came with another version learns which there is (RFC 6455, section 4.4).
        Problem::bad_request(format!("this is no WebSocket handshake: {error}"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
    })?;
    Lifted::lift(request);
    let open = Open::begin(request, Protocol::WebSocket);
    let draining = draining(request);
    let cx = open.context().clone();
    let messages = messages.max_frame_size(MAX_FRAME);
    let _ends_by_itself =
        context::spawn(converse(session, messages, events, draining, open).with_context(cx));
    Ok(response)
}

async fn converse(
    mut session: Session,
    mut messages: MessageStream,
    events: impl Stream<Item = Event>,
    draining: impl Future<Output = ()>,
    mut open: Open,
) {
    let (mut events, mut draining) = (std::pin::pin!(events), std::pin::pin!(draining));
    let mut beat = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    let mut alive = true;
    let code = loop {
        let sent = tokio::select! {
            biased;
            () = &mut draining => {
                open.ended(End::Draining);
                break CloseCode::Away;
            }
            event = events.next() => match event {
                Some(event) => {
                    open.sent();
                    timeout(PATIENCE, session.text(event.data)).await
                }
                None => {
                    open.ended(End::Complete);
                    break CloseCode::Normal;
                }
            },
            message = messages.recv() => {
                alive = true;
                match message {
                    Some(Ok(Message::Ping(bytes))) => timeout(PATIENCE, session.pong(&bytes)).await,
                    Some(Ok(Message::Close(_))) => break CloseCode::Normal,
                    Some(Ok(_)) => continue,
                    Some(Err(_)) => break CloseCode::Protocol,
                    None => return,
                }
            }
            _ = beat.tick() => {
                if !std::mem::take(&mut alive) {
                    return;
                }
                timeout(PATIENCE, session.ping(b"")).await
            }
        };
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    };
    let _gone_already = timeout(PATIENCE, session.close(Some(CloseReason::from(code)))).await;
}
