//! Every statement about orders, for both databases; those over many of them are in `lists.rs`.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::dsl::{auto_type, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::RunQueryDsl;
use spanbox::data::{Backend, Conn, DbError, PgConn};
use spanbox::query;

use super::cached;
use super::error::OrderError;
use super::events;
use super::model::{Line, NewLine, NewOrder, Order, Revision, Whole, now};
use super::status::Status;
use crate::accounts::Caller;
use crate::schema::{order_lines, orders};

pub(super) use super::lists::{StatusTotal, page, totals};

pub(super) async fn insert(conn: &mut Conn, order: NewOrder) -> Result<Order, DbError> {
    let order = query!(&mut *conn, c => diesel::insert_into(orders::table)
        .values(&order)
        .returning(Order::as_returning())
        .get_result(c)
        .await)?;
    cached::changed(conn, order.id, order.user_id);
    Ok(order)
}

/// Stores the lines of an order, in place of those that it had if it had any.
pub(super) async fn set_lines(
    conn: &mut Conn,
    had: i32,
    id: i64,
    lines: &[NewLine<'_>],
) -> Result<(), DbError> {
    if had > 0 {
        let old = order_lines::table.filter(order_lines::order_id.eq(id));
        query!(&mut *conn, c => diesel::delete(old).execute(c).await)?;
    }
    if lines.is_empty() {
        return Ok(());
    }
    // One statement for all: into SQLite, diesel would insert each with one of its own.
    let text = serde_json::to_string(lines).unwrap_or_default();
    let insert = match conn.backend() {
        Backend::Sqlite => sql_query(LINES_OF_SQLITE),
        Backend::Postgres => sql_query(LINES_OF_POSTGRES),
    };
    query!(conn, c => insert.bind::<BigInt, _>(id).bind::<Text, _>(text).execute(c).await).map(drop)
}

const LINES_OF_SQLITE: &str = "\
    INSERT INTO order_lines (order_id, position, product, quantity, unit_price_minor) \
    SELECT ?, value ->> 'position', value ->> 'product', value ->> 'quantity', value ->> 'unit_price_minor' \
    FROM json_each(?)";
const LINES_OF_POSTGRES: &str = "\
    INSERT INTO order_lines (order_id, position, product, quantity, unit_price_minor) \
    SELECT $1, position, product, quantity, unit_price_minor FROM json_to_recordset($2::json) \
        AS line (position INTEGER, product TEXT, quantity INTEGER, unit_price_minor BIGINT)";

/// The lines of orders, all in one statement: those of an order together, in their order.
pub(super) async fn lines_of(conn: &mut Conn, orders: &[i64]) -> Result<Vec<Line>, DbError> {
    let of_orders = order_lines::order_id.eq_any(orders.to_vec());
    query!(conn, c => order_lines::table
        .filter(of_orders)
        .order((order_lines::order_id, order_lines::position))
        .select(Line::as_select())
        .load(c)
        .await)
}

/// Orders with their lines: a statement for all orders that have some, and none for those that were given as one product.
pub(super) async fn with_lines(conn: &mut Conn, orders: Vec<Order>) -> Result<Vec<Whole>, DbError> {
    let ids: Vec<_> = orders.iter().filter(|order| order.line_count > 0).map(|order| order.id).collect();
    let lines = if ids.is_empty() { Vec::new() } else { lines_of(conn, &ids).await? };
    let mut by_order: HashMap<i64, Vec<Line>> = HashMap::new();
    for line in lines {
        by_order.entry(line.order_id).or_default().push(line);
    }
    let whole = |order: Order| Whole { lines: by_order.remove(&order.id).unwrap_or_default(), order };
    Ok(orders.into_iter().map(whole).collect())
}

/// An order with its lines.
pub(super) async fn whole(conn: &mut Conn, order: Order) -> Result<Whole, DbError> {
    let lines = if order.line_count > 0 { lines_of(conn, &[order.id]).await? } else { Vec::new() };
    Ok(Whole { order, lines })
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

/// The order as far as somebody may see it: that of another is not there.
pub(super) async fn find_for(conn: &mut Conn, caller: Caller, id: i64) -> Result<Order, OrderError> {
    let order = find(conn, id).await?;
    if caller.may_see(order.user_id) { Ok(order) } else { Err(OrderError::NotFound(id)) }
}

/// The order, if it is there, which nobody else changes until this unit of work has ended.
pub(super) async fn lock(conn: &mut Conn, id: i64) -> Result<Option<Order>, DbError> {
    let order = orders::table.find(id);
    match conn {
        // A transaction that writes is alone.
        Conn::Sqlite(conn) => {
            order.select(Order::as_select()).first(conn).await.optional().map_err(DbError::from)
        }
        Conn::Postgres(conn) => {
            let conn: &mut PgConn = conn;
            order.select(Order::as_select()).for_update().first(conn).await.optional().map_err(DbError::from)
        }
    }
}

/// The same as far as somebody may see it: that of another is not there.
pub(super) async fn lock_for(conn: &mut Conn, caller: Caller, id: i64) -> Result<Order, OrderError> {
    let order = lock(conn, id).await?.filter(|order| caller.may_see(order.user_id));
    order.ok_or(OrderError::NotFound(id))
}

/// Takes an order one step further, and gives it as it is then. Nobody else can have taken the same step.
pub(super) async fn advance(conn: &mut Conn, id: i64, to: Status) -> Result<Order, OrderError> {
    if let Some(from) = to.before() {
        let taken = query!(&mut *conn, c => diesel::update(orders::table.find(id).filter(orders::status.eq(from)))
            .set((orders::status.eq(to), orders::version.eq(orders::version + 1), orders::updated_at.eq(now())))
            .returning(Order::as_returning())
            .get_result::<Order>(c)
            .await
            .optional())?;
        if let Some(order) = taken {
            changed(conn, &order);
            return Ok(order);
        }
    }
    let from = find(conn, id).await?.status;
    Err(OrderError::IllegalStep { id, from, to })
}

/// Tells whoever watches it, and the cache.
fn changed(conn: &mut Conn, order: &Order) {
    events::changed(conn, order.id, order.version, order.status);
    cached::changed(conn, order.id, order.user_id);
}

/// Makes an order that is pending what its client wants now, and gives it as it is then.
pub(super) async fn revise(conn: &mut Conn, id: i64, revision: Revision) -> Result<Order, OrderError> {
    let revised = query!(&mut *conn, c =>
        diesel::update(orders::table.find(id).filter(orders::status.eq(Status::Pending)))
            .set((&revision, orders::version.eq(orders::version + 1)))
            .returning(Order::as_returning())
            .get_result::<Order>(c)
            .await
            .optional())?;
    match revised {
        Some(order) => {
            changed(conn, &order);
            Ok(order)
        }
        None => Err(OrderError::NotPending { id, status: find(conn, id).await?.status }),
    }
}

/// Deletes an order, but not one in processing: it may just be charged.
pub(super) async fn delete(conn: &mut Conn, id: i64) -> Result<(), OrderError> {
    let idle = orders::table.find(id).filter(orders::status.ne(Status::Processing));
    let deleted = query!(&mut *conn, c => diesel::delete(idle)
        .returning((orders::version, orders::user_id))
        .get_result::<(i64, Option<i64>)>(c)
        .await
        .optional())?;
    if let Some((version, owner)) = deleted {
        events::deleted(conn, id, version + 1);
        cached::changed(conn, id, owner);
        return Ok(());
    }
    find(conn, id).await?;
    Err(OrderError::InProcess(id))
}

/// The product's name of the newest order whose name holds this text; `%` and `_` in it stand for anything.
pub(super) async fn newest_named(conn: &mut Conn, text: &str) -> Result<Option<String>, DbError> {
    let named = orders::table.filter(orders::product_name.like(format!("%{text}%")));
    query!(conn, c => named
        .order(orders::id.desc())
        .select(orders::product_name)
        .first(c)
        .await
        .optional())
}

/// Where some orders stand, for who watches them: those that are gone are left out.
pub(super) async fn standing(conn: &mut Conn, ids: Vec<i64>) -> Result<Vec<(i64, i64, Status)>, DbError> {
    query!(conn, c => orders::table
        .filter(orders::id.eq_any(ids))
        .select((orders::id, orders::version, orders::status))
        .load(c)
        .await)
}

/// An unfinished order with the time since when it is as it is: a place in the order of these.
#[derive(Clone, Copy, Debug, Default, Queryable)]
pub(super) struct Stale {
    pub(super) id: i64,
    since: NaiveDateTime,
}

/// Up to `limit` orders that are unfinished and unchanged since before a time, the longest first, behind a place. Nobody
/// else changes them until this unit of work has ended; those that somebody has just in hand are passed over.
pub(super) async fn lock_stale(
    conn: &mut Conn,
    before: NaiveDateTime,
    after: Option<Stale>,
    limit: usize,
) -> Result<Vec<Stale>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let orders = stale(before, after.unwrap_or_default(), limit);
    match conn {
        Conn::Sqlite(conn) => orders.load(conn).await.map_err(DbError::from),
        Conn::Postgres(conn) => {
            let conn: &mut PgConn = conn;
            orders.for_update().skip_locked().load(conn).await.map_err(DbError::from)
        }
    }
}

#[auto_type]
fn stale(before: NaiveDateTime, after: Stale, limit: i64) -> _ {
    // In the words of the index, which a bound value would not match. With IN, SQLite would rather read all that is
    // unfinished off the index by status, and sort it.
    let unfinished: SqlLiteral<Bool> =
        sql::<Bool>("status <> 'completed' AND status <> 'failed' AND status <> 'cancelled'");
    let since: NaiveDateTime = after.since;
    let id: i64 = after.id;
    orders::table
        .filter(unfinished)
        .filter(orders::updated_at.lt(before))
        .filter(orders::updated_at.ge(since))
        .filter(orders::updated_at.gt(since).or(orders::id.gt(id)))
        .order((orders::updated_at, orders::id))
        .limit(limit)
        .select((orders::id, orders::updated_at))
}

/// Ends unfinished orders as failed, and tells how many.
pub(super) async fn expire(conn: &mut Conn, ids: Vec<i64>) -> Result<usize, DbError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let unfinished = orders::table
        .filter(orders::id.eq_any(ids))
        .filter(orders::status.eq_any([Status::Pending, Status::Processing]));
    let ended: Vec<(i64, i64, Option<i64>)> = query!(&mut *conn, c => diesel::update(unfinished)
        .set((
            orders::status.eq(Status::Failed),
            orders::version.eq(orders::version + 1),
            orders::updated_at.eq(now()),
        ))
        .returning((orders::id, orders::version, orders::user_id))
        .get_results(c)
        .await)?;
    for (id, version, owner) in &ended {
        events::changed(conn, *id, *version, Status::Failed);
        cached::changed(conn, *id, *owner);
    }
    Ok(ended.len())
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use diesel::sql_types::Text;
    use diesel::sqlite::{Sqlite, SqliteConnection};
    use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, debug_query, sql_query};

    use super::{Stale, now, stale};

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    #[test]
    fn the_search_for_stale_orders_reads_them_off_their_index() {
        let mut raw = SqliteConnection::establish(":memory:").unwrap();
        raw.batch_execute(include_str!("../../../migrations/sqlite/2026-11-22-000000_create_orders/up.sql"))
            .unwrap();
        // What the second migration does to the jobs needs their table.
        let change =
            include_str!("../../../migrations/sqlite/2026-11-24-000000_process_orders_as_jobs/up.sql");
        raw.batch_execute(change.split("-- Orders that were taken").next().unwrap()).unwrap();
        raw.batch_execute(include_str!(
            "../../../migrations/sqlite/2026-11-27-000200_complete_orders/up.sql"
        ))
        .unwrap();
        let change =
            include_str!("../../../migrations/sqlite/2026-11-29-000000_compare_status_by_itself/up.sql");
        let index = change.split_once("CREATE INDEX").unwrap().1.split_once(';').unwrap().0;
        raw.batch_execute(&format!("DROP INDEX orders_unfinished; CREATE INDEX {index}")).unwrap();
        let query = stale(now(), Stale { id: 7, since: now() }, 10);
        let text = debug_query::<Sqlite, _>(&query).to_string();
        let text = text.split(" -- binds:").next().unwrap();
        let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(&mut raw).unwrap();
        let steps: Vec<_> = steps.into_iter().map(|step| step.detail).collect();
        assert_eq!(steps.len(), 1, "it sorts: {steps:?}");
        assert!(steps[0].contains("orders_unfinished (updated_at>? AND updated_at<?)"), "{steps:?}");
    }
}
