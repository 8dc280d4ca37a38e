use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::Path;
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db};
use spanbox::telemetry;
use spanbox::web::{Json, Problem, Query};

use super::cursor::Cursor;
use super::error::OrderError;
use super::model::{NewOrder, Order, OrderDraft};
use super::process::ProcessOrder;
use super::status::Status;
use super::store::{self, StatusTotal};
use crate::accounts::Caller;
use crate::money::Amount;

/// The most orders that one page holds.
const MAX_PAGE: u16 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<Status>,
    cursor: Option<Cursor>,
    limit: Option<u16>,
}

#[derive(Serialize)]
pub(super) struct OrderPage {
    orders: Vec<Order>,
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
    currency: String,
    count: i64,
    total: Amount,
}

/// `GET /api/orders/`: newest first, `?status=`, `?limit=` (50, at most 200), `?cursor=`.
pub(super) async fn list(
    db: Db,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<OrderPage>, Problem> {
    let limit = match query.limit.unwrap_or(50) {
        limit @ 1..=MAX_PAGE => i64::from(limit),
        _ => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid");
            return Err(problem.field("limit", format!("must be between 1 and {MAX_PAGE}")));
        }
    };
    // One more than asked for tells whether there is another page.
    let page = async move |conn: &mut Conn| {
        store::page(conn, caller.scope(), query.status, query.cursor, limit + 1).await
    };
    let mut orders = db.read(page).await?;
    let more = orders.len() as i64 > limit;
    orders.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = orders.last().filter(|_| more).map(|last| Cursor(last.id));
    Ok(Json(OrderPage { orders, next_cursor }))
}

/// `POST /api/orders/`: stores the order, and the job that processes it, in one transaction.
pub(super) async fn create(
    db: Db,
    caller: Caller,
    Json(draft): Json<OrderDraft>,
) -> Result<HttpResponse, Problem> {
    let draft = NewOrder::new(draft, caller.user_id());
    let order = db
        .write(async move |conn: &mut Conn| {
            let order = store::insert(conn, draft).await?;
            ProcessOrder::enqueue(conn, order.id).await?;
            Ok::<_, OrderError>(order)
        })
        .await?;
    Ok(HttpResponse::Created().insert_header((LOCATION, format!("/api/orders/{}", order.id))).json(order))
}

/// `GET /api/orders/{id}`.
pub(super) async fn show(db: Db, caller: Caller, id: Path<i64>) -> Result<Json<Order>, Problem> {
    let id = id.into_inner();
    Ok(Json(db.read(async move |conn| store::find_for(conn, caller, id).await).await?))
}

/// `DELETE /api/orders/{id}`.
pub(super) async fn delete(db: Db, caller: Caller, id: Path<i64>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    db.write(async move |conn| {
        store::find_for(conn, caller, id).await?;
        store::delete(conn, id).await
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/orders/analytics`: how many orders there are and what they come to, by status.
pub(super) async fn analytics(db: Db, caller: Caller) -> Result<Json<Analytics>, Problem> {
    Ok(Json(calculate_analytics(&db, caller).await?))
}

#[spanbox::traced]
async fn calculate_analytics(db: &Db, caller: Caller) -> Result<Analytics, Problem> {
    let totals = db.read(async move |conn| store::totals(conn, caller.scope()).await).await?;
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
            total: Amount::from_minor(row.total_minor),
        }
    }
}
