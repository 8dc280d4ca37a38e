use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, LOCATION};
use actix_web::web::{Data, Path};
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db, DbError};
use spanbox::ext::idempotency::{Idempotent, Reply};
use spanbox::ext::openapi::{IfMatch, IfNoneMatch};
use spanbox::telemetry;
use spanbox::web::{Conditions, Json, Problem, Query};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::cached::OrderCache;
use super::draft::{OrderDraft, Placement};
use super::error::OrderError;
use super::model::{NewLine, NewOrder, Order, Whole, Wire};
use super::process::ProcessOrder;
use super::schema::{Draft, IdempotencyKey};
use super::status::Status;
use super::store::{self, StatusTotal};
use crate::accounts::{Caller, Scope};
use crate::money::{Amount, Currency};
use spanbox::web::Cursor;

/// The most orders that one page holds.
const MAX_PAGE: u16 = 200;

/// The operations of this module. Each new route has a `#[utoipa::path]` and stands here.
#[derive(OpenApi)]
#[openapi(paths(
    list,
    create,
    show,
    delete,
    analytics,
    super::change::patch,
    super::change::cancel,
    super::export::export,
    super::stream::events,
    super::receipt::receipt
))]
pub(crate) struct Api;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    #[param(value_type = Status, required = false)]
    status: Option<Status>,
    /// The `next_cursor` of the page before.
    #[param(value_type = String, required = false, pattern = "^c[1-9a-f][0-9a-f]{0,14}$")]
    cursor: Option<Cursor>,
    /// 50 unless given.
    #[param(value_type = u16, required = false, minimum = 1, maximum = 200)]
    limit: Option<u16>,
    #[param(value_type = Include, required = false)]
    include: Option<Include>,
}

/// What a list has besides the orders themselves.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, ToSchema)]
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

#[derive(Serialize, ToSchema)]
pub(super) struct OrderPage {
    #[schema(value_type = Vec<Wire>)]
    orders: Orders,
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
    currency: Currency,
    count: i64,
    total: Amount,
}

/// Lists orders, the newest first.
#[utoipa::path(
    get,
    path = "/api/orders/",
    tag = "orders",
    params(ListQuery),
    security((), ("bearer" = [])),
    responses((status = 200, body = OrderPage))
)]
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
    let scope = caller.scope();
    let (orders, next_cursor) = db.read(async move |conn| page(conn, scope, query, limit).await).await?;
    Ok(Json(OrderPage { orders, next_cursor }))
}

async fn page(
    conn: &mut Conn,
    scope: Scope,
    query: ListQuery,
    limit: i64,
) -> Result<(Orders, Option<Cursor>), DbError> {
    // One more than asked for tells whether there is another page.
    let mut orders = store::page(conn, scope, query.status, query.cursor, limit + 1).await?;
    let more = orders.len() as i64 > limit;
    orders.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = orders.last().filter(|_| more).map(|last| Cursor(last.id));
    let orders = match query.include {
        None => Orders::Plain(orders),
        Some(Include::Lines) => Orders::Whole(store::with_lines(conn, orders).await?),
    };
    Ok((orders, next_cursor))
}

/// Takes an order: stores it, and the job that processes it, in one transaction; with an `Idempotency-Key`, once.
#[utoipa::path(
    post,
    path = "/api/orders/",
    tag = "orders",
    params(IdempotencyKey),
    request_body = Draft,
    security((), ("bearer" = [])),
    responses((status = 201, body = Wire, headers(
        ("Location" = String, description = "Where the order is."),
        ("ETag" = String, description = "The order as it is now, for `If-Match` and `If-None-Match`."),
        ("Idempotency-Replayed" = String, description = "`true` where this is the answer to an earlier request."),
    )))
)]
pub(super) async fn create(
    db: Db,
    cached: Data<OrderCache>,
    caller: Caller,
    draft: Idempotent<OrderDraft>,
) -> Result<Reply, Problem> {
    let placement = draft.try_map(OrderDraft::place)?;
    let user = caller.user_id();
    let placed =
        placement.run(&db, async move |conn: &mut Conn, placement| place(conn, &placement, user).await);
    let reply = placed.await?;
    cached.settled().await;
    Ok(reply)
}

async fn place(conn: &mut Conn, placement: &Placement, user: Option<i64>) -> Result<Reply, OrderError> {
    let order = store::insert(conn, NewOrder::new(placement, user)).await?;
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

/// Shows an order with its lines; 304 if `If-None-Match` says that the client has it as it is.
#[utoipa::path(
    get,
    path = "/api/orders/{id}",
    tag = "orders",
    params(("id" = i64, Path, minimum = 1), IfMatch, IfNoneMatch),
    security((), ("bearer" = [])),
    responses(
        (status = 200, body = Wire, headers(("ETag" = String, description = "The order as it is now, for `If-Match` and `If-None-Match`."))),
        (status = 304, description = "The client has the order as it is.", headers(("ETag" = String, description = "The order as it is now, for `If-Match` and `If-None-Match`."))),
    )
)]
pub(super) async fn show(
    db: Db,
    cached: Data<OrderCache>,
    caller: Caller,
    id: Path<i64>,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let whole = cached.find(&db, caller, id.into_inner()).await?;
    let etag = whole.order.etag();
    conditions.check(&etag)?;
    if conditions.is_known(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag.to_header())).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, etag.to_header())).json(whole))
}

/// Deletes an order, unless it is just being processed.
#[utoipa::path(
    delete,
    path = "/api/orders/{id}",
    tag = "orders",
    params(("id" = i64, Path, minimum = 1), IfMatch),
    security((), ("bearer" = [])),
    responses((status = 204, description = "It is gone."))
)]
pub(super) async fn delete(
    db: Db,
    cached: Data<OrderCache>,
    caller: Caller,
    id: Path<i64>,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    db.write(async move |conn: &mut Conn| {
        let order = store::lock_for(conn, caller, id).await?;
        conditions.check(&order.etag())?;
        store::delete(conn, id).await
    })
    .await?;
    cached.settled().await;
    Ok(HttpResponse::NoContent().finish())
}

/// How many orders there are and what they come to, by status and currency.
#[utoipa::path(
    get,
    path = "/api/orders/analytics",
    tag = "orders",
    security((), ("bearer" = [])),
    responses((status = 200, body = Analytics))
)]
pub(super) async fn analytics(
    db: Db,
    cached: Data<OrderCache>,
    caller: Caller,
) -> Result<Json<Analytics>, Problem> {
    Ok(Json(calculate_analytics(&db, &cached, caller).await?))
}

#[spanbox::traced]
async fn calculate_analytics(db: &Db, cached: &OrderCache, caller: Caller) -> Result<Analytics, Problem> {
    let totals = cached.totals(db, caller.scope()).await?;
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
