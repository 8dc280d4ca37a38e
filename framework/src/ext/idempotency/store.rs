//! Every statement about answers that are kept, for both databases.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use chrono::Utc;
use diesel::prelude::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, SelectableHelper as _};
use diesel::sql_types::{BigInt, Bool};
use diesel::upsert::excluded;
use diesel::{Insertable, Queryable, QueryableByName, Selectable, sql_query};
use diesel_async::RunQueryDsl as _;

use super::key::KeyId;
use super::reply::Reply;
use crate::data::{Backend, Conn, DbError, Migrations, embed_migrations};
use crate::query;

diesel::table! {
    spanbox_idempotency (id) {
        id -> Text,
        fingerprint -> Text,
        status -> Integer,
        headers -> Text,
        body -> Binary,
        expires_at -> BigInt,
    }
}

/// The table of the answers that are kept, `spanbox_idempotency`, in both databases.
///
/// A service adds it to its own migrations, and those of jobs to it, since a job forgets what has expired:
///
/// ```ignore
/// static TABLES: Migrations = idempotency::MIGRATIONS.with(&jobs::MIGRATIONS);
/// static MIGRATIONS: Migrations =
///     Migrations::new(embed_migrations!("../migrations/sqlite"), embed_migrations!("../migrations/postgres"))
///         .with(&TABLES);
/// ```
pub const MIGRATIONS: Migrations = Migrations::new(
    embed_migrations!("migrations/idempotency/sqlite"),
    embed_migrations!("migrations/idempotency/postgres"),
);

/// An answer as the table holds it.
#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = spanbox_idempotency, treat_none_as_default_value = false)]
pub(super) struct Kept {
    id: String,
    pub(super) fingerprint: String,
    status: i32,
    headers: String,
    body: Vec<u8>,
    expires_at: i64,
}

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

impl Kept {
    /// As it was given; `None` if it is no answer.
    pub(super) fn reply(self) -> Option<Reply> {
        let status = StatusCode::from_u16(u16::try_from(self.status).ok()?).ok()?;
        let pairs: Vec<(String, String)> = serde_json::from_str(&self.headers).ok()?;
        let header = |(name, value): (String, String)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        let headers = pairs.into_iter().map(header).collect::<Option<_>>()?;
        Some(Reply { headers, body: self.body, replayed: true, ..Reply::new(status) })
    }
}

/// Now, in microseconds since 1970.
pub(super) fn now() -> i64 {
    Utc::now().timestamp_micros()
}

/// Keeps other transactions from a key until this one ends. `false`: another has it. On SQLite a transaction that writes is
/// alone.
pub(super) async fn lock(conn: &mut Conn, id: KeyId) -> Result<bool, DbError> {
    if conn.backend() == Backend::Sqlite {
        return Ok(true);
    }
    let lock = sql_query("SELECT pg_try_advisory_xact_lock($1) AS locked").bind::<BigInt, _>(id.lock());
    let locked: Locked = query!(conn, c => lock.get_result(c).await)?;
    Ok(locked.locked)
}

/// What is kept for a key and has not expired.
pub(super) async fn find(conn: &mut Conn, id: KeyId) -> Result<Option<Kept>, DbError> {
    query!(conn, c => spanbox_idempotency::table
        .find(id.to_hex())
        .filter(spanbox_idempotency::expires_at.gt(now()))
        .select(Kept::as_select())
        .first(c)
        .await
        .optional())
}

/// Keeps an answer for so long, in place of one that has expired.
pub(super) async fn keep(
    conn: &mut Conn,
    id: KeyId,
    fingerprint: String,
    reply: &Reply,
    period: Duration,
) -> Result<(), DbError> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let period = i64::try_from(period.as_micros()).unwrap_or(i64::MAX);
    let kept = Kept {
        id: id.to_hex(),
        fingerprint,
        status: i32::from(reply.status.as_u16()),
        headers: serde_json::to_string(&headers).unwrap_or_default(),
        body: reply.body.clone(),
        expires_at: now().saturating_add(period),
    };
    query!(conn, c => diesel::insert_into(spanbox_idempotency::table)
        .values(&kept)
        .on_conflict(spanbox_idempotency::id)
        .do_update()
        .set((
            spanbox_idempotency::fingerprint.eq(excluded(spanbox_idempotency::fingerprint)),
            spanbox_idempotency::status.eq(excluded(spanbox_idempotency::status)),
            spanbox_idempotency::headers.eq(excluded(spanbox_idempotency::headers)),
            spanbox_idempotency::body.eq(excluded(spanbox_idempotency::body)),
            spanbox_idempotency::expires_at.eq(excluded(spanbox_idempotency::expires_at)),
        ))
        .execute(c)
        .await)
    .map(drop)
}

/// Forgets up to so many of those that have expired by a time, and tells how many.
pub(super) async fn prune(conn: &mut Conn, by: i64, limit: i64) -> Result<usize, DbError> {
    let text = match conn {
        Conn::Sqlite(_) => {
            "DELETE FROM spanbox_idempotency WHERE id IN \
             (SELECT id FROM spanbox_idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"
        }
        // What another process prunes at the moment is passed over.
        Conn::Postgres(_) => {
            "DELETE FROM spanbox_idempotency WHERE id IN \
             (SELECT id FROM spanbox_idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 \
              FOR UPDATE SKIP LOCKED)"
        }
    };
    query!(conn, c => sql_query(text).bind::<BigInt, _>(by).bind::<BigInt, _>(limit).execute(c).await)
}
