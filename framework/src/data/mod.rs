//! The database: one handle for SQLite and PostgreSQL, chosen by the URL, with the same query code for both.
//!
//! [`Db`] runs units of work, async closures that get a [`Conn`]. [`Db::read`] is for queries, [`Db::write`] is one
//! transaction that commits or rolls back whole, also when the client that asked for it hangs up. Inside, [`query!`]
//! runs any diesel query. Every statement is a span with the caller's span as its parent, named by what it does
//! (`INSERT orders`), with its text but never its values; a wait for a connection of a millisecond or more is the span
//! `db.pool.wait`. Where the caller's span is not recorded, there are none. With a meter there are
//! `db.client.operation.duration` and, of each pool of connections, `db.client.connection.*`: `count` by state, `max`,
//! `idle.max`, `idle.min`, `pending_requests`, `timeouts`, and in seconds `create_time`, `wait_time` and `use_time`. The
//! pools of SQLite are `{file}/readers` and `{file}/writer`, that of PostgreSQL is `{host}:{port}/{database}`.
//!
//! PostgreSQL takes the feature `postgres`, and [`Redis`] takes `redis`. Without them the same code compiles, [`Conn`] always
//! is SQLite's, and a setting that wants either is an error at the start.
//!
//! Two things are looked for, by `[telemetry.database]`. A statement that took 500 ms or more gets the event
//! `db.slow_statement`. One that ran five times or more from one place in the code, in one request, run of a job or message
//! that begins a trace, is N+1: the span of that gets the event `db.n_plus_one` with the count, the statement's summary and
//! the place, which is that of [`Db::read`] and its like; once for each place. Both are counted
//! (`spanbox.db.slow_statements`, `spanbox.db.n_plus_one`) and logged with the statement's text, the slow ones every ten
//! seconds at most and a repeating place once in the life of the process.
//!
//! With `telemetry.database.comment` every query ends with a comment by sqlcommenter, so that the database's own logs and
//! statistics say what asked for it: `/*db_driver='diesel-async',framework='spanbox%3A0.1.0',module='orders',route='…'*/`.
//! Not so BEGIN, COMMIT, batches, and queries with a comment of their own.
//!
//! SQLite has one thread for its writer and one for each reader, started when needed. Units of [`Db::write`] that wait for the
//! writer at the same time are committed together, in a transaction that takes no more of them after 2 ms: each has a savepoint
//! of its own and is told once all are committed. Nobody waits for more to come. In its trace each has BEGIN and
//! COMMIT, or ROLLBACK, as if it were alone; the COMMIT is at the same time for all. Several processes of a service may work
//! on one file of it on one machine, one that serves beside its workers or another that serves: they write in turn and share
//! the jobs, and each says at its start who else is there. What is announced ([`Conn::announce`]) and what is cached in memory
//! stays in its own process. PostgreSQL has a pool of
//! connections on one thread.
//!
//! ```
//! use diesel::prelude::{ExpressionMethods as _, QueryDsl as _};
//! use diesel_async::RunQueryDsl as _;
//! use spanbox::config::DatabaseSettings;
//! use spanbox::data::{Conn, Db, DbError, query};
//! use spanbox::redact::Secret;
//! use spanbox::telemetry::Telemetry;
//!
//! diesel::table! { notes (id) { id -> Integer, body -> Text } }
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let url = Secret::new(format!("sqlite://{}", directory.path().join("notes.db").display()));
//! # let settings = DatabaseSettings { url, ..DatabaseSettings::default() };
//! # actix_rt::System::new().block_on(async move {
//! let db = Db::connect(&settings, &Telemetry::disabled()).await?;
//! let bodies = db
//!     .write(async move |conn: &mut Conn| -> Result<Vec<String>, DbError> {
//!         query!(conn, c => diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)").execute(c).await)?;
//!         query!(conn, c => diesel::insert_into(notes::table).values(notes::body.eq("hello")).execute(c).await)?;
//!         query!(conn, c => notes::table.select(notes::body).load(c).await)
//!     })
//!     .await?;
//! assert_eq!(bodies, ["hello"]);
//! # Ok::<_, DbError>(())
//! # }).unwrap();
//! ```

#[cfg(any(feature = "cache", feature = "redis"))]
mod commands;
mod comment;
mod conn;
mod db;
mod error;
mod findings;
mod lanes;
mod listen;
#[cfg(feature = "cache")]
mod memcached;
mod migrations;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(feature = "postgres"))]
#[path = "no_postgres.rs"]
mod postgres;
mod query_macro;
mod recorded;
mod recorder;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "no_redis.rs"]
mod redis;
mod redis_info;
mod sqlite;
mod statement;
#[cfg(test)]
mod tests;
mod together;
mod traced;
mod unit;
mod written;

pub use conn::{Backend, Conn, SqliteConn};
pub use db::{CloseReport, Db};
pub use diesel_migrations::{EmbeddedMigrations, embed_migrations};
pub use error::DbError;
pub use listen::{Heard, Listener};
#[cfg(feature = "cache")]
pub use memcached::{Memcached, MemcachedError};
pub use migrations::{MigrationState, Migrations};
#[cfg(feature = "postgres")]
pub use postgres::PgConn;
pub use postgres::Pooled;
pub use query_macro::query;
pub use recorded::{Recorded, RecordedLoad, RecordedRows};
#[cfg(feature = "redis")]
pub use redis::RedisReader;
pub use redis::{Redis, RedisError};
pub use redis_info::RedisInfo;
pub use sqlite::Inline;
pub use traced::{Ending, Traced, TracedTransactions};
