//! Databases of tests on a PostgreSQL server (feature `postgres`).

use tokio_postgres::NoTls;
use uuid::Uuid;

use super::TestDatabase;
use super::postgres::{PgServer, PgServerError, failed};

/// A database on a server, which is dropped with this.
#[derive(Debug)]
struct OnServer {
    server: String,
    name: String,
}

impl TestDatabase {
    /// A new database on a PostgreSQL server; `server` is the URL of a database there whose user may create others.
    ///
    /// # Errors
    ///
    /// [`PgServerError::Failed`].
    pub async fn create(server: impl Into<String>) -> Result<Self, PgServerError> {
        let server = server.into();
        let name = create(&server).await?;
        Ok(Self::new(with_database(&server, &name), OnServer { server, name }))
    }
}

impl PgServer {
    /// Makes an empty database and returns its URL. It goes with the server.
    ///
    /// # Errors
    ///
    /// [`PgServerError::Failed`].
    pub async fn create_database(&self) -> Result<String, PgServerError> {
        let name = create(&self.url()).await?;
        Ok(self.url_of(&name))
    }
}

impl Drop for OnServer {
    fn drop(&mut self) {
        let (server, sql) =
            (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // A drop may happen inside a runtime, where nothing may be waited for; a thread of its own may.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(execute(&server, &sql)))
        });
        // With the server gone, so is the database.
        let _ = dropped.join();
    }
}

/// Makes a database with a name of its own.
async fn create(server: &str) -> Result<String, PgServerError> {
    let name = format!("test_{}", Uuid::new_v4().simple());
    // Unlike template1, template0 can be copied by several at once.
    execute(server, &format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    Ok(name)
}

async fn execute(server: &str, sql: &str) -> Result<(), PgServerError> {
    let (client, connection) = tokio_postgres::connect(server, NoTls)
        .await
        .map_err(|error| failed("connecting to the server", error))?;
    let run = async {
        let result = client.batch_execute(sql).await;
        drop(client);
        result
    };
    let (result, _) = futures_util::future::join(run, connection).await;
    result.map_err(|error| failed("running a statement", error))
}

/// Puts another database's name into a URL. By hand, because `postgres://user@/name?host=/directory` has no host, which
/// other parsers refuse.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let path = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &base[..path])
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn the_database_in_a_url_is_replaced() {
        assert_eq!(with_database("postgres://a:b@h:1/x?c=d", "y"), "postgres://a:b@h:1/y?c=d");
        assert_eq!(with_database("postgres://h", "y"), "postgres://h/y");
        assert_eq!(with_database("postgres:///x?host=/tmp/s", "y"), "postgres:///y?host=/tmp/s");
        assert_eq!(with_database("postgres://u@/x?host=/tmp/s", "y"), "postgres://u@/y?host=/tmp/s");
    }
}
