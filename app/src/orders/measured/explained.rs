//! A query that is not run for its rows but for how the database goes about it.

use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::Sqlite;
use diesel_async::RunQueryDsl as _;
use spanbox::data::{DbError, PgConn, SqliteConn};

/// A query whose plan is wanted. `T` is what the database tells of it.
struct Explained<Q, T> {
    query: Q,
    how: &'static str,
    told: PhantomData<fn() -> T>,
}

impl<Q, T> Query for Explained<Q, T> {
    type SqlType = T;
}

impl<Q, T> QueryId for Explained<Q, T> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: QueryFragment<DB>, T, DB: Backend> QueryFragment<DB> for Explained<Q, T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(self.how);
        self.query.walk_ast(out)
    }
}

pub(super) async fn of_sqlite<Q>(conn: &mut SqliteConn, query: Q) -> Result<Vec<String>, DbError>
where
    Q: QueryFragment<Sqlite> + Send,
{
    type Told = (Integer, Integer, Integer, Text);
    let query = Explained::<_, Told> { query, how: "EXPLAIN QUERY PLAN ", told: PhantomData };
    let steps: Vec<(i32, i32, i32, String)> = query.load(conn).await?;
    Ok(steps.into_iter().map(|(.., step)| step).collect())
}

pub(super) async fn of_postgres<Q>(conn: &mut PgConn, query: Q) -> Result<Vec<String>, DbError>
where
    Q: QueryFragment<Pg> + Send,
{
    let query =
        Explained::<_, Text> { query, how: "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) ", told: PhantomData };
    Ok(query.load(conn).await?)
}
