//! Every statement about users, for both databases.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use spanbox::data::{Conn, DbError, PgConn};
use spanbox::query;

use super::user::{NewUser, User, now};
use crate::schema::users;

/// Stores a user, unless the address is somebody's.
pub(super) async fn insert(conn: &mut Conn, user: NewUser) -> Result<Option<User>, DbError> {
    query!(conn, c => diesel::insert_into(users::table)
        .values(&user)
        .on_conflict(users::email)
        .do_nothing()
        .returning(User::as_returning())
        .get_result(c)
        .await
        .optional())
}

pub(super) async fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<User>, DbError> {
    query!(conn, c => users::table
        .filter(users::email.eq(email))
        .select(User::as_select())
        .first(c)
        .await
        .optional())
}

pub(super) async fn find(conn: &mut Conn, id: i64) -> Result<Option<User>, DbError> {
    query!(conn, c => users::table.find(id).select(User::as_select()).first(c).await.optional())
}

/// The user, if there is one, whom nobody else changes until this unit of work has ended.
pub(super) async fn lock(conn: &mut Conn, id: i64) -> Result<Option<User>, DbError> {
    let user = users::table.find(id);
    match conn {
        // A transaction that writes is alone.
        Conn::Sqlite(conn) => {
            user.select(User::as_select()).first(conn).await.optional().map_err(DbError::from)
        }
        Conn::Postgres(conn) => {
            let conn: &mut PgConn = conn;
            user.select(User::as_select()).for_update().first(conn).await.optional().map_err(DbError::from)
        }
    }
}

pub(super) async fn set_password(conn: &mut Conn, id: i64, hash: String) -> Result<(), DbError> {
    query!(conn, c => diesel::update(users::table.find(id))
        .set((users::password_hash.eq(hash), users::updated_at.eq(now())))
        .execute(c)
        .await)
    .map(drop)
}

/// Whether there was such a user.
pub(super) async fn set_disabled(conn: &mut Conn, id: i64, disabled: bool) -> Result<bool, DbError> {
    let changed = query!(conn, c => diesel::update(users::table.find(id))
        .set((users::disabled_at.eq(disabled.then(now)), users::updated_at.eq(now())))
        .execute(c)
        .await)?;
    Ok(changed == 1)
}
