use std::ops::{Deref, DerefMut};

use diesel::backend::Backend as DieselBackend;
use diesel::{QueryResult, sql_query};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, RunQueryDsl as _};

use crate::data::DbError;
use crate::data::conn::{Kind, commit, committed, rollback};
use crate::data::traced::Traced;

/// A connection to PostgreSQL.
pub type PgConn = Traced<AsyncPgConnection>;

/// A connection of the PostgreSQL pool; it dereferences to a [`PgConn`].
pub struct Pooled(pub(super) Object<PgConn>);

impl Deref for Pooled {
    type Target = PgConn;

    fn deref(&self) -> &PgConn {
        &self.0
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut PgConn {
        &mut self.0
    }
}

impl Pooled {
    pub(in crate::data) async fn begin(&mut self, kind: Kind) -> QueryResult<()> {
        let sql = match kind {
            Kind::Plain => return Ok(()),
            Kind::Write => "BEGIN",
            Kind::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.recorded(sql, async |inner| AnsiTransactionManager::begin_transaction_sql(inner, sql).await)
            .await
    }

    pub(in crate::data) async fn commit(&mut self) -> Result<(), DbError> {
        let conn: &mut PgConn = self;
        // PostgreSQL answers the COMMIT of a transaction that it has given up with a ROLLBACK and no error.
        if conn.last_failed() && sql_query("SELECT 1").execute(conn).await.is_err() {
            rollback(conn).await.map_err(DbError::Query)?;
            return Err(DbError::Aborted);
        }
        committed(commit(conn).await)
    }

    pub(in crate::data) async fn rollback(&mut self) -> QueryResult<()> {
        rollback::<PgConn>(self).await
    }

    /// Whether a transaction is open, or the server is gone.
    pub(in crate::data) fn is_broken(&mut self) -> bool {
        PgConn::is_broken(self)
    }
}

impl<C> PoolableConnection for Traced<C>
where
    C: PoolableConnection,
    C::Backend: Default,
    <C::Backend as DieselBackend>::QueryBuilder: Default,
{
    fn is_broken(&mut self) -> bool {
        self.inner().is_broken()
    }
}
