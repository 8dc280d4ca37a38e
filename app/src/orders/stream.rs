//! `GET /api/orders/{id}/events`.

use std::time::Duration;

use actix::Addr;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, Responder as _};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use spanbox::actor::AskExt as _;
use spanbox::data::Db;
use spanbox::web::Problem;
use spanbox::web::stream::{Event, LastEventId, Sse, is_websocket, websocket};

use super::events::Change;
use super::live::{OrderEvents, Watch};
use super::schema::{LastSeen, StreamEvent};
use super::store;
use crate::accounts::Caller;

/// How long the hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What becomes of an order: server-sent events, or a WebSocket if the request asks for one. It begins with what the order is,
/// unless `Last-Event-ID` says that this is known, and ends when nothing can follow; 204 when nothing can and all is known.
#[utoipa::path(
    get,
    path = "/api/orders/{id}/events",
    tag = "orders",
    params(("id" = i64, Path, minimum = 1), LastSeen),
    security((), ("bearer" = [])),
    responses(
        (status = 200, description = "Its changes, each with the `id`, `status` and `version` of the order.", body = StreamEvent, content_type = "text/event-stream"),
        (status = 101, description = "The same, each as a text message."),
        (status = 204, description = "Nothing can follow what is known."),
    )
)]
pub(super) async fn events(
    request: HttpRequest,
    db: Db,
    caller: Caller,
    id: Path<i64>,
    hub: Data<Addr<OrderEvents>>,
    last: LastEventId,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let seen = last.0.map(|text| version(&text)).transpose()?.unwrap_or_default();
    // Before the order is read, so that no change falls between the two.
    let changes = hub.get_ref().ask(Watch { order: id }, PATIENCE).await??;
    let order = db.read(async move |conn| store::find_for(conn, caller, id).await).await?;
    let now = Change { id, version: order.version, status: Some(order.status) };
    if now.is_last() && seen >= now.version {
        return Ok(HttpResponse::NoContent().finish());
    }
    let events = until_the_last(stream::iter([now]).chain(changes), seen).map(event);
    if is_websocket(&request) {
        websocket(&request, payload, events)
    } else {
        Ok(Sse::new(events).respond_to(&request))
    }
}

/// The changes after a version, up to the one that nothing can follow.
fn until_the_last(changes: impl Stream<Item = Change>, seen: i64) -> impl Stream<Item = Change> {
    stream::unfold((Box::pin(changes), seen, false), |(mut changes, seen, ended)| async move {
        if ended {
            return None;
        }
        while let Some(change) = changes.next().await {
            if change.version > seen {
                return Some((change, (changes, change.version, change.is_last())));
            }
        }
        None
    })
}

fn event(change: Change) -> Event {
    let kind = if change.status.is_some() { "status" } else { "deleted" };
    let data = json!({ "id": change.id, "version": change.version, "status": change.word() });
    Event::new(data.to_string()).id(change.version).kind(kind)
}

/// The version that a client has seen last.
fn version(text: &str) -> Result<i64, Problem> {
    text.parse().ok().filter(|version| *version >= 0).ok_or_else(|| {
        Problem::bad_request("the Last-Event-ID is none: give back the id of the last event, as it was")
    })
}

#[cfg(test)]
mod tests {
    use super::super::status::Status;
    use super::*;

    #[test]
    fn what_was_seen_is_passed_over_and_the_last_change_is_the_end() {
        let change = |version, status| Change { id: 7, version, status };
        let heard = [
            change(1, Some(Status::Pending)),
            change(1, Some(Status::Pending)),
            change(3, Some(Status::Completed)),
            change(2, Some(Status::Processing)),
            change(4, None),
        ];
        let collect = |seen| {
            // Nobody waits for what comes after the last.
            let heard = stream::iter(heard).chain(stream::pending());
            let told = until_the_last(heard, seen).map(|change| change.version);
            futures_util::FutureExt::now_or_never(told.collect::<Vec<_>>()).unwrap()
        };
        assert_eq!((collect(0), collect(1), collect(3)), (vec![1, 3], vec![3], vec![4]));
    }
}
