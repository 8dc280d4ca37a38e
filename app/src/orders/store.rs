//! Every statement about orders, for both databases.

use diesel::dsl::{count_star, max, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use spanbox::data::{Conn, DbError};
use spanbox::query;

use super::cursor::Cursor;
use super::error::OrderError;
use super::model::{NewOrder, Order, now};
use super::status::Status;
use crate::schema::orders;

/// What the orders of one status and currency come to.
#[derive(Debug, Queryable)]
pub(super) struct StatusTotal {
    pub(super) status: Status,
    pub(super) currency: String,
    pub(super) count: i64,
    pub(super) total_minor: i64,
}

pub(super) async fn insert(conn: &mut Conn, order: NewOrder) -> Result<Order, DbError> {
    query!(conn, c => diesel::insert_into(orders::table)
        .values(&order)
        .returning(Order::as_returning())
        .get_result(c)
        .await)
}

pub(super) async fn find(conn: &mut Conn, id: i64) -> Result<Order, OrderError> {
    let found = query!(conn, c => orders::table
        .find(id)
        .select(Order::as_select())
        .first(c)
        .await
        .optional())?;
    found.ok_or(OrderError::NotFound(id))
}

/// A page, newest first, of the orders below `after`.
pub(super) async fn page(
    conn: &mut Conn,
    status: Option<Status>,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Order>, DbError> {
    query!(conn, c => {
        let mut page = orders::table.select(Order::as_select()).order(orders::id.desc()).limit(limit).into_boxed();
        if let Some(status) = status {
            page = page.filter(orders::status.eq(status));
        }
        if let Some(Cursor(id)) = after {
            page = page.filter(orders::id.lt(id));
        }
        page.load(c).await
    })
}

pub(super) async fn totals(conn: &mut Conn) -> Result<Vec<StatusTotal>, DbError> {
    // PostgreSQL's sum of bigints is a numeric.
    query!(conn, c => orders::table
        .group_by((orders::status, orders::currency))
        .select((orders::status, orders::currency, count_star(), sql::<BigInt>("CAST(SUM(amount_minor) AS BIGINT)")))
        .order((orders::status, orders::currency))
        .load(c)
        .await)
}

/// The highest id so far; 0 without orders.
pub(super) async fn newest(conn: &mut Conn) -> Result<i64, DbError> {
    let newest = query!(conn, c => orders::table.select(max(orders::id)).first::<Option<i64>>(c).await)?;
    Ok(newest.unwrap_or(0))
}

/// The orders above `after` and up to `last` that are neither completed nor failed, oldest first.
pub(super) async fn unfinished(
    conn: &mut Conn,
    after: i64,
    last: i64,
    limit: i64,
) -> Result<Vec<i64>, DbError> {
    query!(conn, c => orders::table
        .filter(orders::status.eq_any([Status::Pending, Status::Processing]))
        .filter(orders::id.gt(after).and(orders::id.le(last)))
        .order(orders::id)
        .limit(limit)
        .select(orders::id)
        .load(c)
        .await)
}

/// Takes an order one step further. Nobody else can have taken the same step.
pub(super) async fn advance(conn: &mut Conn, id: i64, to: Status) -> Result<(), OrderError> {
    if let Some(from) = to.before() {
        let changed = query!(conn, c => diesel::update(orders::table.find(id).filter(orders::status.eq(from)))
            .set((orders::status.eq(to), orders::updated_at.eq(now())))
            .execute(c)
            .await)?;
        if changed == 1 {
            return Ok(());
        }
    }
    let from = find(conn, id).await?.status;
    Err(OrderError::IllegalStep { id, from, to })
}

pub(super) async fn delete(conn: &mut Conn, id: i64) -> Result<(), OrderError> {
    let deleted = query!(conn, c => diesel::delete(orders::table.find(id)).execute(c).await)?;
    if deleted == 1 { Ok(()) } else { Err(OrderError::NotFound(id)) }
}
