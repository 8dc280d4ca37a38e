//! A statement of the store: its text for both databases and the values that go into it.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryBuilder as _, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Text, Untyped};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, QueryableByName};

use crate::data::{Conn, DbError};
use crate::query;

/// One statement. In its text stand
///
/// - `?`, a value;
/// - `:now`, the database's clock in microseconds, the same in the whole statement;
/// - `:rows`, a query over the rows of the JSON array that is the next value, with the columns of [`ROWS`](Self::ROWS);
/// - `:held`, the jobs `j` of the `:rows` `r` that are still leased by these tokens, locked in the order of their ids, which
///   waits for those that others hold: two statements over many rows can then not wait for each other;
/// - `:held_ids`, a query over the ids of `held`, which are looked up one by one whatever the table was when this was planned;
/// - `:by_job`, which joins a row of `held` to the one whose id is its `job`, looked up in the same way;
/// - `:skip`, which passes the rows over that others hold. SQLite locks none: a write transaction is alone;
/// - `:notify`, a further column that tells other processes of the queue once this is committed; SQLite has nobody to tell;
/// - `:kept_until`, until when a finished job is held on to, as the index has it.
pub(super) trait Statement: 'static {
    /// The text for PostgreSQL, and for SQLite unless that has its own.
    const SQL: &'static str;
    /// The text for SQLite.
    const SQLITE: &'static str = Self::SQL;
    /// The columns of `:rows` with their types in PostgreSQL.
    const ROWS: &'static [(&'static str, &'static str)] = &[("id", "BIGINT"), ("token", "BIGINT")];
}

/// How a database says what the texts above leave open.
pub(super) trait Dialect: Backend {
    const NOW: &'static str;
    const HELD: [&'static str; 2];
    const HELD_IDS: &'static str;
    const BY_JOB: &'static str;
    const SKIP: &'static str;
    const NOTIFY: &'static str;
    const KEPT_UNTIL: &'static str;

    fn text<S: Statement>() -> &'static str;

    /// Writes the query over the rows of a JSON array, which is a value.
    fn rows(columns: &[(&str, &str)], out: &mut Self::QueryBuilder);
}

#[cfg(feature = "postgres")]
impl Dialect for diesel::pg::Pg {
    // Not now(), which is when the transaction began; not clock_timestamp(), which no index can be searched for.
    const NOW: &'static str = "(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000)::BIGINT";
    // PostgreSQL keeps the plan that it made when the table was empty until it is analysed, which may read all of a table that
    // is large by then. What is locked in a lateral query is looked up for each row, and of a range PostgreSQL expects one
    // row in two hundred, so few that it looks these up as well.
    const HELD: [&'static str; 2] = [
        "(SELECT * FROM (",
        ") AS given ORDER BY id) AS r CROSS JOIN LATERAL (SELECT * FROM spanbox_jobs \
         WHERE id = r.id AND token = r.token AND lease_until IS NOT NULL FOR NO KEY UPDATE) AS j",
    ];
    const HELD_IDS: &'static str = "SELECT id FROM held WHERE id BETWEEN 0 AND 9223372036854775807";
    const BY_JOB: &'static str = "id = job AND job BETWEEN 0 AND 9223372036854775807";
    const SKIP: &'static str = "FOR NO KEY UPDATE SKIP LOCKED";
    // What is said twice in a transaction is sent once.
    const NOTIFY: &'static str = ", pg_notify('spanbox_jobs', queue) AS told";
    const KEPT_UNTIL: &'static str = "GREATEST(finished_at, unique_until)";

    fn text<S: Statement>() -> &'static str {
        S::SQL
    }

    fn rows(columns: &[(&str, &str)], out: &mut Self::QueryBuilder) {
        out.push_sql("SELECT * FROM json_to_recordset(CAST(");
        out.push_bind_param();
        out.push_sql(" AS JSON)) AS r(");
        for (place, (name, kind)) in columns.iter().enumerate() {
            out.push_sql(if place == 0 { "" } else { ", " });
            out.push_sql(name);
            out.push_sql(" ");
            out.push_sql(kind);
        }
        out.push_sql(")");
    }
}

impl Dialect for Sqlite {
    // Milliseconds are what SQLite reads of the clock.
    const NOW: &'static str = "(CAST(ROUND(UNIXEPOCH('subsec') * 1000) AS INTEGER) * 1000)";
    const HELD: [&'static str; 2] = [
        "(",
        ") AS r CROSS JOIN spanbox_jobs AS j ON j.id = r.id AND j.token = r.token AND j.lease_until IS NOT NULL",
    ];
    const HELD_IDS: &'static str = "SELECT id FROM held";
    const BY_JOB: &'static str = "id = job";
    const SKIP: &'static str = "";
    const NOTIFY: &'static str = "";
    const KEPT_UNTIL: &'static str = "MAX(finished_at, unique_until)";

    fn text<S: Statement>() -> &'static str {
        S::SQLITE
    }

    fn rows(columns: &[(&str, &str)], out: &mut Self::QueryBuilder) {
        out.push_sql("SELECT ");
        for (place, (name, _)) in columns.iter().enumerate() {
            out.push_sql(if place == 0 { "" } else { ", " });
            out.push_sql("value ->> '");
            out.push_sql(name);
            out.push_sql("' AS ");
            out.push_sql(name);
        }
        // Not json_each: it writes each row as text, for `->>` to parse once more.
        out.push_sql(" FROM jsonb_each(");
        out.push_bind_param();
        out.push_sql(")");
    }
}

enum Value {
    Number(i64),
    Text(String),
}

/// A [`Statement`] with its values. It is prepared once per connection, by its type.
pub(super) struct Sql<S> {
    values: Vec<Value>,
    statement: PhantomData<fn() -> S>,
}

pub(super) fn sql<S: Statement>() -> Sql<S> {
    Sql { values: Vec::new(), statement: PhantomData }
}

impl<S> Sql<S> {
    pub(super) fn number(mut self, value: i64) -> Self {
        self.values.push(Value::Number(value));
        self
    }

    pub(super) fn text(mut self, value: impl Into<String>) -> Self {
        self.values.push(Value::Text(value.into()));
        self
    }
}

/// What can be made of a row of either database.
#[cfg(feature = "postgres")]
pub(super) trait FromRow:
    QueryableByName<Sqlite> + QueryableByName<diesel::pg::Pg> + Send + 'static
{
}

#[cfg(feature = "postgres")]
impl<R: QueryableByName<Sqlite> + QueryableByName<diesel::pg::Pg> + Send + 'static> FromRow for R {}

/// What can be made of a row.
#[cfg(not(feature = "postgres"))]
pub(super) trait FromRow: QueryableByName<Sqlite> + Send + 'static {}

#[cfg(not(feature = "postgres"))]
impl<R: QueryableByName<Sqlite> + Send + 'static> FromRow for R {}

impl<S: Statement> Sql<S> {
    /// All rows that it answers with.
    pub(super) async fn load<R: FromRow>(self, conn: &mut Conn) -> Result<Vec<R>, DbError> {
        match conn {
            Conn::Sqlite(conn) => Ok(conn.load_in_place(self).await?),
            Conn::Postgres(_) => query!(conn, c => diesel_async::RunQueryDsl::load(self, c).await),
        }
    }
}

impl<S: Statement> QueryId for Sql<S> {
    type QueryId = Sql<S>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S> Query for Sql<S> {
    type SqlType = Untyped;
}

impl<S, DB> QueryFragment<DB> for Sql<S>
where
    S: Statement,
    DB: Dialect + HasSqlType<BigInt> + HasSqlType<Text>,
    i64: ToSql<BigInt, DB>,
    String: ToSql<Text, DB>,
{
    /// The values alone: diesel comes by for them each time, and for the text once.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.values.iter().try_for_each(|value| match value {
            Value::Number(value) => out.push_bind_param::<BigInt, _>(value),
            Value::Text(value) => out.push_bind_param::<Text, _>(value),
        })
    }

    fn to_sql(&self, out: &mut DB::QueryBuilder, _: &DB) -> QueryResult<()> {
        let mut places = 0;
        let mut rest = DB::text::<S>();
        while let Some(at) = rest.find(['?', ':']) {
            out.push_sql(&rest[..at]);
            let mark = &rest[at..];
            let word = mark[1..]
                .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                .map_or(mark.len(), |end| end + 1);
            match &mark[..word] {
                ":now" => out.push_sql(DB::NOW),
                ":held" => {
                    let [before, behind] = DB::HELD;
                    out.push_sql(before);
                    places += 1;
                    DB::rows(S::ROWS, out);
                    out.push_sql(behind);
                }
                ":by_job" => out.push_sql(DB::BY_JOB),
                ":held_ids" => out.push_sql(DB::HELD_IDS),
                ":skip" => out.push_sql(DB::SKIP),
                ":notify" => out.push_sql(DB::NOTIFY),
                ":kept_until" => out.push_sql(DB::KEPT_UNTIL),
                ":rows" => {
                    places += 1;
                    DB::rows(S::ROWS, out);
                }
                _ if mark.starts_with('?') => {
                    places += 1;
                    out.push_bind_param();
                    rest = &mark[1..];
                    continue;
                }
                other => out.push_sql(other),
            }
            rest = &mark[word..];
        }
        out.push_sql(rest);
        if places == self.values.len() {
            return Ok(());
        }
        let values = format!("{} values for {places} places", self.values.len());
        Err(diesel::result::Error::QueryBuilderError(values.into()))
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}
