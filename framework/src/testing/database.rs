use std::sync::Arc;

use tempfile::TempDir;

use super::postgres::{PgServerError, create, execute};
use crate::config::DatabaseSettings;
use crate::redact::Secret;

/// A database of one test, empty at first, gone when its last clone is dropped.
///
/// ```
/// use spanbox::testing::TestDatabase;
///
/// let database = TestDatabase::sqlite();
/// assert!(database.url().starts_with("sqlite://"));
/// ```
#[derive(Clone, Debug)]
pub struct TestDatabase {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Directory { _directory: TempDir },
    Server { url: String, name: String },
}

impl TestDatabase {
    fn new(url: String, place: Place) -> Self {
        Self { inner: Arc::new(Inner { url, place }) }
    }

    /// A new database on the PostgreSQL server that `DATABASE_URL` names, else a SQLite file: so that the same tests
    /// run on both.
    ///
    /// # Panics
    ///
    /// When there is no such server, or its user may not create databases.
    pub async fn fresh() -> Self {
        match std::env::var("DATABASE_URL") {
            Ok(url) if url.starts_with("postgres") => match Self::create(url).await {
                Ok(database) => database,
                Err(error) => panic!("DATABASE_URL names no server that a test can use: {error}"),
            },
            _ => Self::sqlite(),
        }
    }

    /// [`TestDatabase::fresh`] for a test without a runtime.
    ///
    /// # Panics
    ///
    /// As [`TestDatabase::fresh`], and inside a runtime, which this would block.
    #[must_use]
    pub fn fresh_blocking() -> Self {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(Self::fresh()),
            Err(error) => panic!("cannot make a runtime to create a test database: {error}"),
        }
    }

    /// A SQLite file in a temporary directory.
    ///
    /// # Panics
    ///
    /// When no temporary directory can be made.
    #[must_use]
    pub fn sqlite() -> Self {
        let directory = match tempfile::tempdir() {
            Ok(directory) => directory,
            Err(error) => panic!("cannot make a temporary directory for a test database: {error}"),
        };
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Self::new(url, Place::Directory { _directory: directory })
    }

    /// A new database on a PostgreSQL server; `server` is the URL of a database there whose user may create others.
    ///
    /// # Errors
    ///
    /// [`PgServerError::Failed`].
    pub async fn create(server: impl Into<String>) -> Result<Self, PgServerError> {
        let server = server.into();
        let name = create(&server).await?;
        Ok(Self::new(with_database(&server, &name), Place::Server { url: server, name }))
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Settings that lead to it; all else is as by default.
    #[must_use]
    pub fn settings(&self) -> DatabaseSettings {
        DatabaseSettings { url: Secret::new(self.inner.url.clone()), ..DatabaseSettings::default() }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Place::Server { url, name } = &self.place else { return };
        let (url, sql) = (url.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        // A drop may happen inside a runtime, where nothing may be waited for; a thread of its own may.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(execute(&url, &sql)))
        });
        // With the server gone, so is the database.
        let _ = dropped.join();
    }
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
