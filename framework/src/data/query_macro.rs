/// Runs one diesel query on a [`Conn`](crate::data::Conn), whichever database it leads to.
///
/// The expression is written once and compiled for both databases, or for SQLite alone where the feature `postgres` is
/// off; inside it, the name before `=>` is the typed connection. Its `QueryResult` becomes a `Result<_, DbError>`. Bring
/// `diesel_async::RunQueryDsl` into scope, and not diesel's trait of the same name.
///
/// ```
/// use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
/// use diesel_async::RunQueryDsl as _;
/// use spanbox::data::{Conn, DbError, query};
///
/// diesel::table! { orders (id) { id -> Text, amount -> BigInt } }
///
/// async fn amount(conn: &mut Conn, id: &str) -> Result<Option<i64>, DbError> {
///     query!(conn, c => orders::table.find(id).select(orders::amount).first::<i64>(c).await.optional())
/// }
/// ```
#[cfg(feature = "postgres")]
#[macro_export]
macro_rules! query {
    ($conn:expr, $c:ident => $query:expr) => {
        match $conn {
            $crate::data::Conn::Sqlite(conn) => {
                let $c: &mut $crate::data::SqliteConn = conn;
                $query.map_err($crate::data::DbError::from)
            }
            $crate::data::Conn::Postgres(conn) => {
                let $c: &mut $crate::data::PgConn = conn;
                $query.map_err($crate::data::DbError::from)
            }
        }
    };
}

/// Runs one diesel query on a [`Conn`](crate::data::Conn), which leads to SQLite where the feature `postgres` is off.
#[cfg(not(feature = "postgres"))]
#[macro_export]
macro_rules! query {
    ($conn:expr, $c:ident => $query:expr) => {
        match $conn {
            $crate::data::Conn::Sqlite(conn) => {
                let $c: &mut $crate::data::SqliteConn = conn;
                $query.map_err($crate::data::DbError::from)
            }
            $crate::data::Conn::Postgres(conn) => conn.absent(),
        }
    };
}

pub use query;
