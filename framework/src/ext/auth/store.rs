//! Every statement about sessions and their refresh tokens, for both databases.

use std::time::Duration;

use chrono::Utc;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::data::{Conn, DbError, Migrations, embed_migrations, query};

diesel::table! {
    spanbox_sessions (id) {
        id -> Text,
        subject -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    spanbox_refresh_tokens (hash) {
        hash -> Text,
        session_id -> Text,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(spanbox_sessions, spanbox_refresh_tokens);

/// The tables of sessions and refresh tokens, `spanbox_sessions` and `spanbox_refresh_tokens`, in both databases.
///
/// A service adds them to its own migrations, and those of jobs to these:
///
/// ```ignore
/// static TABLES: Migrations = auth::MIGRATIONS.with(&jobs::MIGRATIONS);
/// static MIGRATIONS: Migrations =
///     Migrations::new(embed_migrations!("../migrations/sqlite"), embed_migrations!("../migrations/postgres"))
///         .with(&TABLES);
/// ```
pub const MIGRATIONS: Migrations = Migrations::new(
    embed_migrations!("migrations/auth/sqlite"),
    embed_migrations!("migrations/auth/postgres"),
);

/// Sessions of one subject that are over, deleted when the next one begins, at most.
const SWEEP: i64 = 100;

/// A session as it is stored.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = spanbox_sessions, treat_none_as_default_value = false)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    pub(super) revoked_at: Option<i64>,
}

impl Session {
    pub(super) const fn is_alive(&self, now: i64) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// A refresh token as it is stored.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = spanbox_refresh_tokens, treat_none_as_default_value = false)]
pub(super) struct RefreshToken {
    pub(super) hash: String,
    pub(super) session_id: String,
    pub(super) expires_at: i64,
    pub(super) used_at: Option<i64>,
}

/// Microseconds since 1970.
pub(super) fn now() -> i64 {
    Utc::now().timestamp_micros()
}

/// So many microseconds.
pub(super) fn micros(span: Duration) -> i64 {
    // A century is as good as for ever, and leaves room to add the time of day.
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
    i64::try_from(span.min(CENTURY).as_micros()).unwrap_or(i64::MAX / 2)
}

/// Stores a session, and deletes what is over of the same subject.
pub(super) async fn open(conn: &mut Conn, session: &Session) -> Result<(), DbError> {
    let over = spanbox_sessions::table
        .filter(spanbox_sessions::subject.eq(session.subject.clone()))
        .filter(spanbox_sessions::expires_at.lt(session.created_at))
        .select(spanbox_sessions::id)
        .limit(SWEEP);
    let over: Vec<String> = query!(&mut *conn, c => over.load(c).await)?;
    if !over.is_empty() {
        let tokens =
            spanbox_refresh_tokens::table.filter(spanbox_refresh_tokens::session_id.eq_any(over.clone()));
        query!(&mut *conn, c => diesel::delete(tokens).execute(c).await)?;
        let sessions = spanbox_sessions::table.filter(spanbox_sessions::id.eq_any(over));
        query!(&mut *conn, c => diesel::delete(sessions).execute(c).await)?;
    }
    query!(conn, c => diesel::insert_into(spanbox_sessions::table).values(session).execute(c).await).map(drop)
}

pub(super) async fn insert_token(conn: &mut Conn, token: &RefreshToken) -> Result<(), DbError> {
    query!(conn, c => diesel::insert_into(spanbox_refresh_tokens::table).values(token).execute(c).await)
        .map(drop)
}

/// Uses a token up. Of many who try at once, one does.
pub(super) async fn use_token(conn: &mut Conn, hash: &str, now: i64) -> Result<bool, DbError> {
    let good = spanbox_refresh_tokens::table
        .find(hash.to_owned())
        .filter(spanbox_refresh_tokens::used_at.is_null())
        .filter(spanbox_refresh_tokens::expires_at.gt(now));
    let used = query!(conn, c => diesel::update(good)
        .set(spanbox_refresh_tokens::used_at.eq(now))
        .execute(c)
        .await)?;
    Ok(used == 1)
}

/// A token with its session.
pub(super) async fn find_token(
    conn: &mut Conn,
    hash: &str,
) -> Result<Option<(RefreshToken, Session)>, DbError> {
    query!(conn, c => spanbox_refresh_tokens::table
        .inner_join(spanbox_sessions::table
            .on(spanbox_sessions::id.eq(spanbox_refresh_tokens::session_id)))
        .filter(spanbox_refresh_tokens::hash.eq(hash))
        .select((RefreshToken::as_select(), Session::as_select()))
        .first(c)
        .await
        .optional())
}

/// Deletes the tokens of a session whose time is over, used or not: they are refused by that alone.
pub(super) async fn forget_expired(conn: &mut Conn, session: &str, now: i64) -> Result<(), DbError> {
    let expired = spanbox_refresh_tokens::table
        .filter(spanbox_refresh_tokens::session_id.eq(session.to_owned()))
        .filter(spanbox_refresh_tokens::expires_at.lt(now));
    query!(conn, c => diesel::delete(expired).execute(c).await).map(drop)
}

pub(super) async fn find_session(conn: &mut Conn, id: &str) -> Result<Option<Session>, DbError> {
    query!(conn, c => spanbox_sessions::table
        .find(id)
        .select(Session::as_select())
        .first(c)
        .await
        .optional())
}

/// Ends a session.
pub(super) async fn revoke(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    let alive = spanbox_sessions::table.find(id.to_owned()).filter(spanbox_sessions::revoked_at.is_null());
    query!(conn, c => diesel::update(alive)
        .set(spanbox_sessions::revoked_at.eq(now()))
        .execute(c)
        .await)
    .map(drop)
}

/// Ends all sessions of a subject, and tells which those are.
pub(super) async fn revoke_all(conn: &mut Conn, subject: &str) -> Result<Vec<String>, DbError> {
    let alive = spanbox_sessions::table
        .filter(spanbox_sessions::subject.eq(subject.to_owned()))
        .filter(spanbox_sessions::revoked_at.is_null());
    query!(conn, c => diesel::update(alive)
        .set(spanbox_sessions::revoked_at.eq(now()))
        .returning(spanbox_sessions::id)
        .get_results(c)
        .await)
}
