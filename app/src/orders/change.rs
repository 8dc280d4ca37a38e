//! What a client does with an order that it has placed, while nobody else has it in hand.

use actix_web::HttpResponse;
use actix_web::http::header::ETAG;
use actix_web::web::Path;
use spanbox::data::{Conn, Db};
use spanbox::web::{Conditions, Json, Problem};

use super::error::OrderError;
use super::model::{NewLine, Revision, Whole};
use super::patch::OrderPatch;
use super::status::Status;
use super::store;

/// `PATCH /api/orders/{id}`: a merge patch of what was sent, while the order is pending. With `If-Match`, only if the order is
/// still the one that the client knows.
pub(super) async fn patch(
    db: Db,
    id: Path<i64>,
    conditions: Conditions,
    Json(patch): Json<OrderPatch>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let revised = db.write(async move |conn: &mut Conn| revise(conn, id, &conditions, patch).await).await?;
    Ok(answer(&revised))
}

async fn revise(
    conn: &mut Conn,
    id: i64,
    conditions: &Conditions,
    patch: OrderPatch,
) -> Result<Whole, OrderError> {
    let order = store::lock(conn, id).await?.ok_or(OrderError::NotFound(id))?;
    conditions.check(&order.etag())?;
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

/// `POST /api/orders/{id}/cancel`: calls off an order that is pending. Its job will find nothing to do.
pub(super) async fn cancel(db: Db, id: Path<i64>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let cancelled = db
        .write(async move |conn: &mut Conn| {
            let order = store::lock(conn, id).await?.ok_or(OrderError::NotFound(id))?;
            conditions.check(&order.etag())?;
            let order = store::advance(conn, id, Status::Cancelled).await?;
            Ok::<_, OrderError>(store::whole(conn, order).await?)
        })
        .await?;
    Ok(answer(&cancelled))
}

fn answer(whole: &Whole) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, whole.order.etag().to_header())).json(whole)
}
