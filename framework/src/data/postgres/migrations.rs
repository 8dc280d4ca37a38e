use diesel::connection::SimpleConnection as _;
use diesel::pg::Pg;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use opentelemetry::Context;
use tokio::sync::oneshot;

use super::Postgres;
use super::conn::PgConn;
use crate::data::migrations::{MigrationState, Migrations, Task, carry_out};
use crate::data::traced::Traced;
use crate::data::{Backend, DbError};

/// The key of the advisory lock that PostgreSQL migrations hold; any constant of ours, "spanbox" in ASCII.
const LOCK: i64 = 0x0073_7061_6e62_6f78;

impl Postgres {
    /// diesel's migrations are synchronous, so they get a thread, and on it a connection of its own that the database's
    /// thread drives.
    pub(in crate::data) async fn run_migrations(
        &self,
        migrations: &'static Migrations,
        task: Task,
    ) -> Result<Vec<MigrationState>, DbError> {
        let (target, recorder, handle) = (self.target.clone(), self.recorder.clone(), self.handle.clone());
        let (reply, answer) = oneshot::channel();
        let cx = Context::current();
        let work = move || {
            let _cx = cx.attach();
            let _runtime = handle.enter();
            let connect = |error: diesel::ConnectionError| DbError::Connect {
                server: target.shown.clone(),
                reason: error.to_string(),
            };
            let result = handle.block_on(target.connect()).map_err(connect).and_then(|conn| {
                let mut conn = AsyncConnectionWrapper::<PgConn>::from(Traced::new(conn, recorder));
                if !matches!(task, Task::Status) {
                    // Released when the connection closes, whatever happens here.
                    conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
                }
                let known = migrations.known(Backend::Postgres)?;
                carry_out::<Pg, _>(&mut conn, &known, task, |conn, step| step(conn))
            });
            let _ = reply.send(result);
        };
        let name = "db-migrate".to_owned();
        std::thread::Builder::new()
            .name(name.clone())
            .spawn(work)
            .map_err(|source| DbError::Thread { name, source })?;
        answer.await.unwrap_or(Err(DbError::Closed))
    }
}
