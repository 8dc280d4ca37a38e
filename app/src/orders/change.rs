//! What a client does with an order that it has placed, while nobody else has it in hand.

use actix_web::HttpResponse;
use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path};
use spanbox::data::{Conn, Db};
use spanbox::ext::openapi::IfMatch;
use spanbox::web::{Conditions, Json, Problem};

use super::cached::OrderCache;
use super::error::OrderError;
use super::model::{NewLine, Order, Revision, Whole, Wire};
use super::patch::OrderPatch;
use super::schema::Patch;
use super::status::Status;
use super::store;
use crate::accounts::Caller;

/// Changes an order while it is pending, by a merge patch (RFC 7396) of what was sent. With `If-Match`, only if the order
/// is still the one that the client knows.
#[utoipa::path(
    patch,
    path = "/api/orders/{id}",
    tag = "orders",
    params(("id" = i64, Path, minimum = 1), IfMatch),
    request_body(content((Patch = "application/merge-patch+json"), (Patch = "application/json"))),
    security((), ("bearer" = [])),
    responses((status = 200, body = Wire, headers(("ETag" = String, description = "The order as it is now, for `If-Match` and `If-None-Match`."))))
)]
pub(super) async fn patch(
    db: Db,
    cached: Data<OrderCache>,
    caller: Caller,
    id: Path<i64>,
    conditions: Conditions,
    Json(patch): Json<OrderPatch>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let revised = db.write(async move |conn: &mut Conn| {
        let order = store::lock_for(conn, caller, id).await?;
        conditions.check(&order.etag())?;
        revise(conn, order, patch).await
    });
    let revised = revised.await?;
    cached.settled().await;
    Ok(answer(&revised))
}

async fn revise(conn: &mut Conn, order: Order, patch: OrderPatch) -> Result<Whole, OrderError> {
    let id = order.id;
    if order.status != Status::Pending {
        return Err(OrderError::NotPending { id, status: order.status });
    }
    let had = order.line_count;
    let current = store::whole(conn, order).await?;
    let before = OrderPatch::default().apply(&current).map_err(OrderError::Refused)?;
    let after = patch.apply(&current).map_err(OrderError::Refused)?;
    if after == before {
        return Ok(current);
    }
    let order = store::revise(conn, id, Revision::from(&after)).await?;
    if after.lines != before.lines {
        store::set_lines(conn, had, id, &NewLine::all(&after.lines)).await?;
    }
    Ok(store::whole(conn, order).await?)
}

/// Calls off an order that is pending. Its job will find nothing to do.
#[utoipa::path(
    post,
    path = "/api/orders/{id}/cancel",
    tag = "orders",
    params(("id" = i64, Path, minimum = 1), IfMatch),
    security((), ("bearer" = [])),
    responses((status = 200, body = Wire, headers(("ETag" = String, description = "The order as it is now, for `If-Match` and `If-None-Match`."))))
)]
pub(super) async fn cancel(
    db: Db,
    cached: Data<OrderCache>,
    caller: Caller,
    id: Path<i64>,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let cancelled = db
        .write(async move |conn: &mut Conn| {
            let order = store::lock_for(conn, caller, id).await?;
            conditions.check(&order.etag())?;
            let order = store::advance(conn, id, Status::Cancelled).await?;
            Ok::<_, OrderError>(store::whole(conn, order).await?)
        })
        .await?;
    cached.settled().await;
    Ok(answer(&cancelled))
}

fn answer(whole: &Whole) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, whole.order.etag().to_header())).json(whole)
}
