use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, LOCATION};
use actix_web::web::Path;
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db, DbError};
use spanbox::ext::idempotency::{Idempotent, Reply};
use spanbox::telemetry;
use spanbox::web::{Conditions, Json, Problem, Query};

use super::cursor::Cursor;
use super::draft::{OrderDraft, Placement};
use super::error::OrderError;
use super::model::{NewLine, NewOrder, Order, Whole};
use super::process::ProcessOrder;
use super::status::Status;
use super::store::{self, StatusTotal};
use crate::money::{Amount, Currency};

/// The most orders that one page holds.
const MAX_PAGE: u16 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<Status>,
    cursor: Option<Cursor>,
    limit: Option<u16>,
    include: Option<Include>,
}

/// What a list has besides the orders themselves.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Include {
    Lines,
}

/// Orders by themselves, or with their lines.
#[derive(Serialize)]
#[serde(untagged)]
enum Orders {
    Plain(Vec<Order>),
    Whole(Vec<Whole>),
}

#[derive(Serialize)]
pub(super) struct OrderPage {
    orders: Orders,
    /// `null` on the last page.
    next_cursor: Option<Cursor>,
}

#[derive(Serialize)]
pub(super) struct Analytics {
    total_orders: i64,
    pending_orders: i64,
    by_status: Vec<StatusRow>,
}

#[derive(Serialize)]
struct StatusRow {
    status: Status,
    currency: Currency,
    count: i64,
    total: Amount,
}

/// `GET /api/orders/`: newest first, `?status=`, `?limit=` (50, at most 200), `?cursor=`.
pub(super) async fn list(db: Db, Query(query): Query<ListQuery>) -> Result<Json<OrderPage>, Problem> {
    let limit = match query.limit.unwrap_or(50) {
        limit @ 1..=MAX_PAGE => i64::from(limit),
        _ => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid");
            return Err(problem.field("limit", format!("must be between 1 and {MAX_PAGE}")));
        }
    };
    let (orders, next_cursor) = db.read(async move |conn| page(conn, query, limit).await).await?;
    Ok(Json(OrderPage { orders, next_cursor }))
}

async fn page(conn: &mut Conn, query: ListQuery, limit: i64) -> Result<(Orders, Option<Cursor>), DbError> {
    // One more than asked for tells whether there is another page.
    let mut orders = store::page(conn, query.status, query.cursor, limit + 1).await?;
    let more = orders.len() as i64 > limit;
    orders.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = orders.last().filter(|_| more).map(|last| Cursor(last.id));
    let orders = match query.include {
        None => Orders::Plain(orders),
        Some(Include::Lines) => Orders::Whole(store::with_lines(conn, orders).await?),
    };
    Ok((orders, next_cursor))
}

/// `POST /api/orders/`: stores the order, and the job that processes it, in one transaction; with an `Idempotency-Key`, once.
pub(super) async fn create(db: Db, draft: Idempotent<OrderDraft>) -> Result<Reply, Problem> {
    let placement = draft.try_map(OrderDraft::place)?;
    placement.run(&db, async move |conn: &mut Conn, placement| place(conn, &placement).await).await
}

async fn place(conn: &mut Conn, placement: &Placement) -> Result<Reply, OrderError> {
    let order = store::insert(conn, NewOrder::from(placement)).await?;
    if !placement.lines.is_empty() {
        store::set_lines(conn, 0, order.id, &NewLine::all(&placement.lines)).await?;
    }
    ProcessOrder::enqueue(conn, order.id).await?;
    let location = format!("/api/orders/{}", order.id);
    let location = HeaderValue::try_from(location).map_err(OrderError::broken)?;
    let etag = order.etag().to_header();
    let whole = store::whole(conn, order).await?;
    Ok(Reply::json(StatusCode::CREATED, &whole).header(LOCATION, location).header(ETAG, etag))
}

/// `GET /api/orders/{id}`: with its lines; 304 if `If-None-Match` says that the client has it as it is.
pub(super) async fn show(db: Db, id: Path<i64>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let whole = db
        .read(async move |conn: &mut Conn| {
            let order = store::find(conn, id).await?;
            Ok::<_, OrderError>(store::whole(conn, order).await?)
        })
        .await?;
    let etag = whole.order.etag();
    conditions.check(&etag)?;
    if conditions.is_known(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag.to_header())).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, etag.to_header())).json(whole))
}

/// `DELETE /api/orders/{id}`.
pub(super) async fn delete(db: Db, id: Path<i64>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    db.write(async move |conn: &mut Conn| {
        if conditions.is_guarded() {
            let order = store::lock(conn, id).await?.ok_or(OrderError::NotFound(id))?;
            conditions.check(&order.etag())?;
        }
        store::delete(conn, id).await
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/orders/analytics`: how many orders there are and what they come to, by status.
pub(super) async fn analytics(db: Db) -> Result<Json<Analytics>, Problem> {
    Ok(Json(calculate_analytics(&db).await?))
}

#[spanbox::traced]
async fn calculate_analytics(db: &Db) -> Result<Analytics, Problem> {
    let totals = db.read(async |conn| store::totals(conn).await).await?;
    let count = |rows: &mut dyn Iterator<Item = &StatusTotal>| rows.map(|row| row.count).sum();
    let analytics = Analytics {
        total_orders: count(&mut totals.iter()),
        pending_orders: count(&mut totals.iter().filter(|row| row.status == Status::Pending)),
        by_status: totals.into_iter().map(StatusRow::from).collect(),
    };
    telemetry::set_attribute("analytics.total_orders", analytics.total_orders);
    telemetry::set_attribute("analytics.pending_orders", analytics.pending_orders);
    Ok(analytics)
}

impl From<StatusTotal> for StatusRow {
    fn from(row: StatusTotal) -> Self {
        Self {
            status: row.status,
            currency: row.currency,
            count: row.count,
            total: Amount::of(row.total_minor, row.currency),
        }
    }
}
