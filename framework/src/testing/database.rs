use std::fmt::Debug;
use std::sync::Arc;

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
    /// When this is dropped, the database is gone.
    _place: Box<dyn Debug + Send + Sync>,
}

impl TestDatabase {
    pub(super) fn new(url: String, place: impl Debug + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(Inner { url, _place: Box::new(place) }) }
    }

    /// A new database on the PostgreSQL server that `DATABASE_URL` names, else a SQLite file: so that the same tests
    /// run on both.
    ///
    /// # Panics
    ///
    /// When there is no such server, its user may not create databases, or the feature `postgres` is off.
    pub async fn fresh() -> Self {
        match std::env::var("DATABASE_URL") {
            Ok(url) if url.starts_with("postgres") => Self::on_server(url).await,
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
        Self::new(url, directory)
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

    #[cfg(feature = "postgres")]
    async fn on_server(url: String) -> Self {
        match Self::create(url).await {
            Ok(database) => database,
            Err(error) => panic!("DATABASE_URL names no server that a test can use: {error}"),
        }
    }

    #[cfg(not(feature = "postgres"))]
    async fn on_server(_: String) -> Self {
        let without = crate::config::built_without("postgres", "take DATABASE_URL away");
        panic!("DATABASE_URL names a PostgreSQL, and {without}")
    }
}
