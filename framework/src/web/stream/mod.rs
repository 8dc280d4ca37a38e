//! Answers that go on after their head: server-sent events, WebSockets, downloads.
//!
//! [`Sse`] and [`websocket`] send [`Event`]s for as long as there are any and the client stays; a [`Download`] sends a file
//! that is made on the way. A [`Hub`] hands what happens to all that want to hear of it, each through a queue of its own
//! that is bounded: who does not read is let go, and holds nobody up.
//!
//! ```
//! use actix_web::web::{Data, Path};
//! use futures_util::StreamExt as _;
//! use spanbox::web::Problem;
//! use spanbox::web::stream::{Event, Hub, Sse};
//!
//! /// The temperatures of a room as they are measured.
//! async fn temperatures(
//!     room: Path<String>,
//!     hub: Data<Hub<String, f64>>,
//! ) -> Result<Sse<impl futures_util::Stream<Item = Event>>, Problem> {
//!     let measured = hub.subscribe(room.into_inner())?;
//!     Ok(Sse::new(measured.map(|degrees| Event::new(degrees.to_string()).kind("temperature"))))
//! }
//! ```
//!
//! The request's span and `http.server.active_requests` end when the head is sent, as for any answer. What goes on after
//! it is the span `web.stream` below the request's, from the head to the end of the stream, with how many events were sent
//! and why it ended; what the stream does meanwhile is below that. `spanbox.web.streams` counts those that are open.
//!
//! When the service is about to stop, streams of events end at once (a WebSocket with the code 1001), so that clients
//! connect again elsewhere, and `Last-Event-ID` says where they were; a download goes on within the grace. A client that
//! takes nothing of what is sent is cut off after `server.write_timeout`.

mod download;
mod event;
mod hub;
mod open;
mod origin;
mod sse;
mod websocket;

pub use download::Download;
pub use event::{Event, LastEventId};
pub use hub::{Full, Hub, Subscription};
pub(super) use open::{Protocol, STREAM_PROTOCOL};
pub use origin::AllowedOrigins;
pub use sse::Sse;
pub use websocket::{is_websocket, websocket};

use std::time::Duration;

/// How long there may be nothing to send before a sign of life is.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
