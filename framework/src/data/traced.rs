use std::collections::HashMap;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::backend::Backend;
use diesel::connection::{CacheSize, Instrumentation, LoadConnection as _, TransactionManagerStatus};
use diesel::query_builder::{AsQuery, Query, QueryFragment, QueryId};
use diesel::result::Error as QueryError;
use diesel::sql_types::Untyped;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{ConnectionResult, QueryResult, QueryableByName};
use diesel_async::{AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection, TransactionManager};
use opentelemetry::Context;

use super::comment::{Comment, Commented};
use super::conn::SqliteConn;
use super::error::refused;
use super::recorded::{Recorded, RecordedLoad, RecordedRows};
use super::recorder::{Recorder, Recording};
use super::statement::Statement;
use super::written::{Text, Texts, Written};

/// A connection whose every statement is a span and a measurement.
///
/// This is the only door to a connection, so no statement can go without. It implements what diesel-async asks of a
/// connection, and so takes any diesel query. The span's parent is the span that is current where the statement is
/// first polled.
pub struct Traced<C> {
    inner: C,
    watch: Watch,
}

struct Watch {
    recorder: Arc<Recorder>,
    texts: Texts,
    fixed: HashMap<&'static str, Arc<Statement>>,
    failed: Arc<AtomicBool>,
    hooks: Vec<Hook>,
    /// Where the unit of work that has the connection was asked for.
    site: Option<&'static Location<'static>>,
}

/// What goes with a query.
#[derive(Default)]
struct Beside {
    recording: Option<Box<Recording>>,
    comment: Option<Comment>,
    text: Option<Text>,
}

/// How a unit of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was committed, or had no transaction and went well.
    Committed,
    /// Nothing of it took place.
    RolledBack,
    /// The connection was lost at the COMMIT, which may have taken place.
    Uncertain,
}

/// What is to happen when a unit of work ends.
pub(super) enum Hook {
    /// Once it is committed.
    Committed(Box<dyn FnOnce() + Send>),
    /// However it ends.
    Ended(Box<dyn FnOnce(Ending) + Send>),
    /// Once it is committed, this is said on a channel.
    Announce(&'static str, String),
}

impl Watch {
    fn query<DB, T>(&mut self, query: &T) -> Beside
    where
        DB: Backend + Default,
        DB::QueryBuilder: Default,
        T: QueryFragment<DB> + QueryId,
    {
        let wants = self.recorder.wants();
        let describe = (wants || self.recorder.comments()).then_some(&*self.recorder);
        let Some((text, statement)) = self.texts.of(query, describe) else { return Beside::default() };
        let comment = statement.as_ref().and_then(|statement| self.recorder.comment(statement));
        let recording = statement.filter(|_| wants).map(|it| self.recorder.prepare(it, self.site));
        Beside { recording, comment, text: Some(text) }
    }

    fn fixed(&mut self, sql: &'static str) -> Option<Box<Recording>> {
        if !self.recorder.wants() {
            return None;
        }
        let statement = self.fixed.entry(sql).or_insert_with(|| self.recorder.describe(sql)).clone();
        Some(started(self.recorder.prepare(statement, None)))
    }

    fn end<T>(&self, recording: Option<Box<Recording>>, result: &QueryResult<T>) {
        end(recording, &self.failed, result.as_ref().err(), None);
    }
}

fn started(mut recording: Box<Recording>) -> Box<Recording> {
    recording.start();
    recording
}

/// Ends a statement, with the number of rows that were read if it has any.
pub(super) fn end(
    recording: Option<Box<Recording>>,
    failed: &AtomicBool,
    error: Option<&QueryError>,
    rows: Option<u64>,
) {
    failed.store(error.is_some_and(refused), Ordering::Relaxed);
    if let Some(recording) = recording {
        recording.finish(error, rows);
    }
}

impl<C> Traced<C> {
    pub(super) fn new(inner: C, recorder: Arc<Recorder>) -> Self {
        let watch = Watch {
            recorder,
            texts: Texts::default(),
            fixed: HashMap::new(),
            failed: Arc::new(AtomicBool::new(false)),
            hooks: Vec::new(),
            site: None,
        };
        Self { inner, watch }
    }

    /// The connection itself, past the spans: for what is no statement.
    pub(super) fn inner(&mut self) -> &mut C {
        &mut self.inner
    }

    pub(super) fn hooks(&mut self) -> &mut Vec<Hook> {
        &mut self.watch.hooks
    }

    /// What follows belongs to a unit of work that was asked for there.
    pub(super) fn work_for(&mut self, site: &'static Location<'static>) {
        self.watch.site = Some(site);
    }

    /// Whether the last statement was refused by the database.
    #[cfg(feature = "postgres")]
    pub(super) fn last_failed(&self) -> bool {
        self.watch.failed.load(Ordering::Relaxed)
    }

    /// Begins to record the statement `sql`, if it is recorded in `cx`.
    pub(super) fn begun(&mut self, sql: &'static str, cx: &Context) -> Option<Box<Recording>> {
        let _cx = cx.clone().attach();
        self.watch.fixed(sql)
    }

    pub(super) fn ended<T>(&self, recording: Option<Box<Recording>>, result: &QueryResult<T>) {
        self.watch.end(recording, result);
    }

    /// Runs what sends the statement `sql` by other ways than a query.
    pub(super) async fn recorded<T>(
        &mut self,
        sql: &'static str,
        send: impl AsyncFnOnce(&mut C) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let recording = self.watch.fixed(sql);
        let result = send(&mut self.inner).await;
        self.watch.end(recording, &result);
        result
    }
}

impl SqliteConn {
    /// All rows of a query, each made of its values where SQLite has them.
    ///
    /// What diesel-async loads are copies of all values, for a thread that is not the connection's to read. Here both are
    /// one thread.
    pub(crate) async fn load_in_place<Q, R>(&mut self, query: Q) -> QueryResult<Vec<R>>
    where
        Q: Query<SqlType = Untyped> + QueryFragment<Sqlite> + QueryId + Send + 'static,
        R: QueryableByName<Sqlite> + Send + 'static,
    {
        // Diesel itself finds it by its type, and asks for no text.
        let beside = self.watch.query::<Sqlite, _>(&query);
        let recording = beside.recording.map(started);
        let result = match beside.comment {
            Some(comment) => self.inner.spawn_blocking(|conn| rows(conn, Commented { query, comment })).await,
            None => self.inner.spawn_blocking(|conn| rows(conn, query)).await,
        };
        let read = result.as_ref().ok().and_then(|rows: &Vec<R>| u64::try_from(rows.len()).ok());
        end(recording, &self.watch.failed, result.as_ref().err(), read);
        result
    }
}

fn rows<Q, R>(conn: &mut SqliteConnection, query: Q) -> QueryResult<Vec<R>>
where
    Q: Query<SqlType = Untyped> + QueryFragment<Sqlite> + QueryId,
    R: QueryableByName<Sqlite>,
{
    // Each is dropped before the next is read, which copies one that is still there.
    let row = |row: QueryResult<_>| R::build(&row?).map_err(QueryError::DeserializationError);
    conn.load(query)?.map(row).collect()
}

impl<C: SimpleAsyncConnection + Send> SimpleAsyncConnection for Traced<C> {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let watch = &self.watch;
        let recording = watch
            .recorder
            .wants()
            .then(|| started(watch.recorder.prepare(watch.recorder.describe(query), watch.site)));
        let result = self.inner.batch_execute(query).await;
        self.watch.end(recording, &result);
        result
    }
}

impl<C> AsyncConnectionCore for Traced<C>
where
    C: AsyncConnectionCore,
    C::Backend: Default,
    <C::Backend as Backend>::QueryBuilder: Default,
{
    type ExecuteFuture<'conn, 'query> = Recorded<C::ExecuteFuture<'conn, 'query>>;
    type LoadFuture<'conn, 'query> = RecordedLoad<C::LoadFuture<'conn, 'query>>;
    type Stream<'conn, 'query> = RecordedRows<C::Stream<'conn, 'query>>;
    type Row<'conn, 'query> = C::Row<'conn, 'query>;
    type Backend = C::Backend;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Self::Backend> + QueryId + 'query,
    {
        let query = source.as_query();
        let beside = self.watch.query::<C::Backend, _>(&query);
        let query = Written { query, text: beside.text };
        let load = match beside.comment {
            Some(comment) => self.inner.load(Commented { query, comment }),
            None => self.inner.load(query),
        };
        RecordedLoad::new(load, beside.recording, self.watch.failed.clone())
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Self::Backend> + QueryId + 'query,
    {
        let beside = self.watch.query::<C::Backend, _>(&source);
        let query = Written { query: source, text: beside.text };
        let execute = match beside.comment {
            Some(comment) => self.inner.execute_returning_count(Commented { query, comment }),
            None => self.inner.execute_returning_count(query),
        };
        Recorded::new(execute, beside.recording, self.watch.failed.clone())
    }
}

impl<C> AsyncConnection for Traced<C>
where
    C: AsyncConnection,
    C::Backend: Default,
    <C::Backend as Backend>::QueryBuilder: Default,
{
    type TransactionManager = TracedTransactions<C::TransactionManager>;

    async fn establish(url: &str) -> ConnectionResult<Self> {
        Ok(Self::new(C::establish(url).await?, Arc::new(Recorder::disabled())))
    }

    fn transaction_state(
        &mut self,
    ) -> &mut <Self::TransactionManager as TransactionManager<Self>>::TransactionStateData {
        self.inner.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.inner.set_prepared_statement_cache_size(size);
    }
}

/// The transactions of a [`Traced`] connection: BEGIN, COMMIT, ROLLBACK and savepoints are statements too.
pub struct TracedTransactions<T>(PhantomData<fn() -> T>);

pub(super) fn depth<C: AsyncConnection>(conn: &mut C) -> u32 {
    match C::TransactionManager::transaction_manager_status_mut(conn) {
        TransactionManagerStatus::Valid(status) => status.transaction_depth().map_or(0, u32::from),
        TransactionManagerStatus::InError => 0,
    }
}

impl<C, T> TransactionManager<Traced<C>> for TracedTransactions<T>
where
    C: AsyncConnection<TransactionManager = T>,
    C::Backend: Default,
    <C::Backend as Backend>::QueryBuilder: Default,
    T: TransactionManager<C>,
{
    type TransactionStateData = T::TransactionStateData;

    async fn begin_transaction(conn: &mut Traced<C>) -> QueryResult<()> {
        let sql = if depth(&mut conn.inner) == 0 { "BEGIN" } else { "SAVEPOINT" };
        let recording = conn.watch.fixed(sql);
        let result = T::begin_transaction(&mut conn.inner).await;
        conn.watch.end(recording, &result);
        result
    }

    async fn rollback_transaction(conn: &mut Traced<C>) -> QueryResult<()> {
        let sql = if depth(&mut conn.inner) <= 1 { "ROLLBACK" } else { "ROLLBACK TO SAVEPOINT" };
        let recording = conn.watch.fixed(sql);
        let result = T::rollback_transaction(&mut conn.inner).await;
        conn.watch.end(recording, &result);
        result
    }

    async fn commit_transaction(conn: &mut Traced<C>) -> QueryResult<()> {
        let sql = if depth(&mut conn.inner) <= 1 { "COMMIT" } else { "RELEASE SAVEPOINT" };
        let recording = conn.watch.fixed(sql);
        let result = T::commit_transaction(&mut conn.inner).await;
        conn.watch.end(recording, &result);
        result
    }

    fn transaction_manager_status_mut(conn: &mut Traced<C>) -> &mut TransactionManagerStatus {
        T::transaction_manager_status_mut(&mut conn.inner)
    }

    fn is_broken_transaction_manager(conn: &mut Traced<C>) -> bool {
        T::is_broken_transaction_manager(&mut conn.inner)
    }
}
