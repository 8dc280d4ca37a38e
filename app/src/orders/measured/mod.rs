//! What costs more or less with the number of orders, each by itself: for `benches -- scale`, and for the tests that hold how
//! the databases go about it.

mod explained;
#[cfg(test)]
mod tests;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::RunQueryDsl;
use spanbox::data::{Conn, Db, DbError};
use spanbox::module::BoxError;
use spanbox::query;

use explained::{of_postgres, of_sqlite};

use super::draft::Placement;
use super::error::OrderError;
use super::lists::{FromZero, Negative, page_of, totals_of};
use super::model::{NewOrder, Order};
use super::payment_method::PaymentMethod;
use super::process::ProcessOrder;
use super::status::Status;
use super::store;
use crate::accounts::Scope;
use crate::money::{Amount, Currency};
use crate::schema::{order_totals, orders};
use spanbox::web::Cursor;

/// Whose orders somebody wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    All,
    /// A user's, by the number.
    User(i64),
    /// Those of nobody who had signed in.
    Nobody,
}

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// Whose orders.
    pub whose: Whose,
    /// The name of the status that they have to have.
    pub status: Option<&'static str>,
    /// They are below this one.
    pub below: Option<i64>,
    /// How many at most.
    pub limit: i64,
}

impl From<Whose> for Scope {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::All => Self::All,
            Whose::User(id) => Self::Of(id),
            Whose::Nobody => Self::Nobodys,
        }
    }
}

/// The ids of a page.
///
/// # Errors
///
/// Those of the database.
pub async fn list(conn: &mut Conn, list: List) -> Result<Vec<i64>, DbError> {
    let List { whose, status, below, limit } = list;
    let page =
        store::page(conn, whose.into(), status.and_then(Status::of_text), below.map(Cursor), limit).await?;
    Ok(page.into_iter().map(|order| order.id).collect())
}

/// How the database reads a page.
///
/// # Errors
///
/// Those of the database.
pub async fn list_plan(conn: &mut Conn, list: List) -> Result<Vec<String>, DbError> {
    let List { whose, status, below, limit } = list;
    let (scope, status, after) = (whose.into(), status.and_then(Status::of_text), below.map(Cursor));
    match conn {
        Conn::Sqlite(conn) => of_sqlite(conn, page_of!(scope, status, after, limit)).await,
        Conn::Postgres(conn) => of_postgres(conn, page_of!(scope, status, after, limit)).await,
    }
}

/// How many orders somebody has, by their totals.
///
/// # Errors
///
/// Those of the database.
pub async fn total(conn: &mut Conn, whose: Whose) -> Result<i64, DbError> {
    Ok(store::totals(conn, whose.into()).await?.iter().map(|row| row.count).sum())
}

/// How the database reads the totals.
///
/// # Errors
///
/// Those of the database.
pub async fn total_plan(conn: &mut Conn, whose: Whose) -> Result<Vec<String>, DbError> {
    match conn {
        Conn::Sqlite(conn) => of_sqlite(conn, totals_of!(Scope::from(whose))).await,
        Conn::Postgres(conn) => of_postgres(conn, totals_of!(Scope::from(whose))).await,
    }
}

/// Reads an order with its lines; tells whether it is there.
///
/// # Errors
///
/// Those of the database.
pub async fn read(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    match store::find(conn, id).await {
        Ok(order) => Ok(store::whole(conn, order).await?.order.id == id),
        Err(OrderError::Database(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Stores an order of a user as a request does, with its job, in the unit of work of `conn`, which has to write.
///
/// # Errors
///
/// Those of the database, as text.
pub async fn place(conn: &mut Conn, user: Option<i64>) -> Result<i64, BoxError> {
    let placement = Placement {
        product_name: "Widget".to_owned(),
        amount: Amount::of(9_999, Currency::USD),
        currency: Currency::USD,
        payment_method: PaymentMethod::default(),
        lines: Vec::new(),
    };
    let order = store::insert(conn, NewOrder::new(&placement, user)).await?;
    ProcessOrder::enqueue(conn, order.id).await?;
    Ok(order.id)
}

/// Takes an order one step further, as its job does.
///
/// # Errors
///
/// Those of the database, and that the order can not take this step.
pub async fn advance(conn: &mut Conn, id: i64, to: &str) -> Result<(), BoxError> {
    let to = Status::of_text(to).ok_or("there is no such status")?;
    Ok(store::advance(conn, id, to).await.map(drop)?)
}

/// Rows of one statement of [`fill`].
const CHUNK: i64 = 100_000;

const USERS: &str = "\
    INSERT INTO users (id, email, password_hash, role, created_at, updated_at) \
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000) \
    SELECT n, 'user-' || n || '@example.com', 'none', 'user', '2026-06-01 12:00:00', '2026-06-01 12:00:00' FROM numbers";

/// Of ten orders three are of user 1 and one of nobody. User 2 has some of the oldest tenth and none since; the rest is evenly
/// that of a thousand others. Sixty of the oldest are pending, a fifth has failed, and most are completed.
const ORDERS: &str = "\
    INSERT INTO orders (product_name, amount_minor, currency, status, payment_method, line_count, created_at, updated_at, \
        version, user_id) \
    WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) \
    SELECT 'Widget ' || n, 100 + n % 9900, CASE n % 3 WHEN 0 THEN 'USD' WHEN 1 THEN 'EUR' ELSE 'JPY' END, \
        CASE WHEN n <= 600 AND n % 10 = 0 THEN 'pending' WHEN (n / 10) % 10 < 7 THEN 'completed' \
            WHEN (n / 10) % 10 < 9 THEN 'failed' ELSE 'cancelled' END, \
        'credit_card', 0, '2026-06-01 12:00:00', '2026-06-01 12:00:01', 3, \
        CASE WHEN n % 10 IN (1, 4, 7) THEN 1 WHEN n % 10 = 3 THEN NULL WHEN n * 10 <= {rows} THEN 2 ELSE 3 + n % 997 END \
    FROM numbers ORDER BY n";

/// Puts so many orders into an empty database, and lets PostgreSQL count them.
///
/// # Errors
///
/// Those of the database.
pub async fn fill(db: &Db, rows: i64) -> Result<(), DbError> {
    run(db, USERS.to_owned()).await?;
    for first in (1..=rows).step_by(usize::try_from(CHUNK).unwrap_or(1)) {
        let last = rows.min(first + CHUNK - 1);
        let sql = ORDERS.replace("{first}", &first.to_string()).replace("{last}", &last.to_string());
        run(db, sql.replace("{rows}", &rows.to_string())).await?;
    }
    db.read(async |conn: &mut Conn| match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(_) => {
            query!(conn, c => sql_query("VACUUM (ANALYZE) orders").execute(c).await).map(drop)
        }
    })
    .await
}

async fn run(db: &Db, sql: String) -> Result<(), DbError> {
    db.write(async move |conn: &mut Conn| query!(conn, c => sql_query(sql).execute(c).await).map(drop)).await
}
