//! What reads many orders: pages of lists, and what orders come to. Neither costs more for there being more of them.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, DbError};
use spanbox::query;

use super::model::Order;
use super::status::Status;
use crate::accounts::Scope;
use crate::money::Currency;
use crate::schema::{order_totals, orders};
use spanbox::web::Cursor;

/// What the orders of one status and currency come to.
#[derive(Debug, Deserialize, Queryable, Serialize)]
pub(super) struct StatusTotal {
    pub(super) status: Status,
    pub(super) currency: Currency,
    pub(super) count: i64,
    pub(super) total_minor: i64,
}

/// The query of [`page`], for whichever database loads it.
macro_rules! page_of {
    ($scope:expr, $status:expr, $after:expr, $limit:expr) => {{
        let (scope, status, after): (Scope, Option<Status>, Option<Cursor>) = ($scope, $status, $after);
        let (newest, newest_of_two) = (|| Negative::new(orders::id), || FromZero::new(orders::id));
        let page = orders::table.select(Order::as_select()).limit($limit).into_boxed();
        let page = match scope {
            Scope::All => page,
            Scope::Of(user) => page.filter(orders::user_id.eq(user)),
            Scope::Nobodys => page.filter(orders::user_id.is_null()),
        };
        let page = match status {
            Some(status) => page.filter(orders::status.eq(status)),
            None => page,
        };
        // Each is the order of one index, and of no other that could be read instead. That all rows are nobody's PostgreSQL
        // knows, but not that they are in the order of the rest then.
        let page = match (scope, status) {
            (Scope::All, None) => page.order(orders::id.desc()),
            (Scope::All, Some(_)) => page.order(newest()),
            (_, None) => page.order((orders::user_id, newest())),
            (_, Some(_)) => page.order((orders::user_id, newest_of_two())),
        };
        match (scope, status, after) {
            (_, _, None) => page,
            (Scope::All, None, Some(Cursor(id))) => page.filter(orders::id.lt(id)),
            (Scope::All, Some(_), Some(Cursor(id))) | (_, None, Some(Cursor(id))) => page.filter(newest().gt(-id)),
            (_, Some(_), Some(Cursor(id))) => page.filter(newest_of_two().gt(-id)),
        }
    }};
}
#[cfg(any(test, feature = "bench"))]
pub(super) use page_of;

// The orders that the indexes of lists are in, newest first: those of a user or of a status, and those of both.
diesel::prefix_operator!(Negative, "-", BigInt);
diesel::prefix_operator!(FromZero, "0 - ", BigInt);

/// A page, newest first, of the orders below `after`.
pub(super) async fn page(
    conn: &mut Conn,
    scope: Scope,
    status: Option<Status>,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Order>, DbError> {
    query!(conn, c => page_of!(scope, status, after, limit).load(c).await)
}

/// The query of [`totals`], for whichever database loads it.
macro_rules! totals_of {
    ($scope:expr) => {{
        let whose = match $scope {
            Scope::All => -1,
            Scope::Nobodys => 0,
            Scope::Of(user) => user,
        };
        // PostgreSQL's sum of bigints is a numeric.
        let orders = sql::<BigInt>("CAST(SUM(orders) AS BIGINT)");
        let amount = sql::<BigInt>("CAST(SUM(amount_minor) AS BIGINT)");
        order_totals::table
            .filter(order_totals::whose.eq(whose))
            .group_by((order_totals::status, order_totals::currency))
            .having(sql::<Bool>("SUM(orders) <> 0"))
            .order((order_totals::status, order_totals::currency))
            .select((order_totals::status, order_totals::currency, orders, amount))
    }};
}
#[cfg(any(test, feature = "bench"))]
pub(super) use totals_of;

/// What somebody's orders come to, which the database reckons as they change.
pub(super) async fn totals(conn: &mut Conn, scope: Scope) -> Result<Vec<StatusTotal>, DbError> {
    query!(conn, c => totals_of!(scope).load(c).await)
}
