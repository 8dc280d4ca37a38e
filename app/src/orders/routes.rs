use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db};
use spanbox::telemetry;
use spanbox::web::{Json, Problem, Query};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::cached::OrderCache;
use super::cursor::Cursor;
use super::error::OrderError;
use super::model::{NewOrder, Order, OrderDraft, Wire};
use super::process::ProcessOrder;
use super::status::Status;
use super::store::{self, StatusTotal};
use crate::money::Amount;

/// The most orders that one page holds.
const MAX_PAGE: u16 = 200;

/// The operations of this module. Each new route has a `#[utoipa::path]` and stands here.
#[derive(OpenApi)]
#[openapi(paths(list, create, show, delete, analytics))]
pub(crate) struct Api;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    status: Option<Status>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<String>, pattern = "^c[0-9a-f]{1,15}$")]
    cursor: Option<Cursor>,
    /// 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct OrderPage {
    #[schema(value_type = Vec<Wire>)]
    orders: Vec<Order>,
    /// `null` on the last page.
    #[schema(value_type = Option<String>, required)]
    next_cursor: Option<Cursor>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Analytics {
    total_orders: i64,
    pending_orders: i64,
    by_status: Vec<StatusRow>,
}

#[derive(Serialize, ToSchema)]
struct StatusRow {
    status: Status,
    currency: String,
    count: i64,
    total: Amount,
}

/// Lists orders, the newest first.
#[utoipa::path(get, path = "/api/orders/", tag = "orders", params(ListQuery), responses((status = 200, body = OrderPage)))]
pub(super) async fn list(db: Db, Query(query): Query<ListQuery>) -> Result<Json<OrderPage>, Problem> {
    let limit = match query.limit.unwrap_or(50) {
        limit @ 1..=MAX_PAGE => i64::from(limit),
        _ => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid");
            return Err(problem.field("limit", format!("must be between 1 and {MAX_PAGE}")));
        }
    };
    // One more than asked for tells whether there is another page.
    let mut orders =
        db.read(async move |conn| store::page(conn, query.status, query.cursor, limit + 1).await).await?;
    let more = orders.len() as i64 > limit;
    orders.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = orders.last().filter(|_| more).map(|last| Cursor(last.id));
    Ok(Json(OrderPage { orders, next_cursor }))
}

/// Takes an order: stores it, and the job that processes it, in one transaction.
#[utoipa::path(
    post,
    path = "/api/orders/",
    tag = "orders",
    request_body = OrderDraft,
    responses((status = 201, body = Wire, headers(("Location" = String, description = "Where the order is."))))
)]
pub(super) async fn create(
    db: Db,
    cached: Data<OrderCache>,
    Json(draft): Json<OrderDraft>,
) -> Result<HttpResponse, Problem> {
    let draft = NewOrder::from(draft);
    let order = db
        .write(async move |conn: &mut Conn| {
            let order = store::insert(conn, draft).await?;
            ProcessOrder::enqueue(conn, order.id).await?;
            Ok::<_, OrderError>(order)
        })
        .await?;
    cached.settled().await;
    Ok(HttpResponse::Created().insert_header((LOCATION, format!("/api/orders/{}", order.id))).json(order))
}

/// Shows an order.
#[utoipa::path(get, path = "/api/orders/{id}", tag = "orders", params(("id" = i64, Path)), responses((status = 200, body = Wire)))]
pub(super) async fn show(db: Db, cached: Data<OrderCache>, id: Path<i64>) -> Result<Json<Order>, Problem> {
    Ok(Json(cached.find(&db, id.into_inner()).await?))
}

/// Deletes an order, unless it is just being processed.
#[utoipa::path(delete, path = "/api/orders/{id}", tag = "orders", params(("id" = i64, Path)), responses((status = 204, description = "It is gone.")))]
pub(super) async fn delete(db: Db, cached: Data<OrderCache>, id: Path<i64>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    db.write(async move |conn| store::delete(conn, id).await).await?;
    cached.settled().await;
    Ok(HttpResponse::NoContent().finish())
}

/// How many orders there are and what they come to, by status and currency.
#[utoipa::path(get, path = "/api/orders/analytics", tag = "orders", responses((status = 200, body = Analytics)))]
pub(super) async fn analytics(db: Db, cached: Data<OrderCache>) -> Result<Json<Analytics>, Problem> {
    Ok(Json(calculate_analytics(&db, &cached).await?))
}

#[spanbox::traced]
async fn calculate_analytics(db: &Db, cached: &OrderCache) -> Result<Analytics, Problem> {
    let totals = cached.totals(db).await?;
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
