//! Queries whose text is known before they are sent.

use std::any::TypeId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};

use super::recorder::Recorder;
use super::statement::Statement;

/// So many texts of statements are held for each connection; when there are as many, all are forgotten.
const MOST_WRITTEN: usize = 256;

/// What a connection knows of the queries that it has sent.
#[derive(Default)]
pub(super) struct Texts {
    /// By diesel's own id of a query type, the key of its prepared statements too.
    by_type: HashMap<TypeId, Known>,
    /// Those whose type does not say what they are.
    by_text: HashMap<Arc<str>, Arc<Statement>>,
}

struct Known {
    text: Text,
    /// Once it was described.
    statement: Option<Arc<Statement>>,
}

impl Texts {
    /// The text of a query, and its description if somebody is to describe it. None where nothing is known of it and nobody
    /// wants to, and of one that can not be written: it fails by itself right after this.
    pub(super) fn of<DB, T>(
        &mut self,
        query: &T,
        describe: Option<&Recorder>,
    ) -> Option<(Text, Option<Arc<Statement>>)>
    where
        DB: Backend + Default,
        DB::QueryBuilder: Default,
        T: QueryFragment<DB> + QueryId,
    {
        let Some(id) = T::query_id() else {
            let recorder = describe?;
            return Some(self.written(sql(query)?, recorder));
        };
        let known = match self.by_type.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let stays = query.is_safe_to_cache_prepared(&DB::default()).ok();
                new.insert(Known { text: Text { sql: sql(query)?.into(), stays }, statement: None })
            }
        };
        let statement = describe.map(|recorder| {
            known.statement.get_or_insert_with(|| recorder.describe(&known.text.sql)).clone()
        });
        Some((known.text.clone(), statement))
    }

    /// What is written anew each time, and most often as before.
    fn written(&mut self, sql: String, recorder: &Recorder) -> (Text, Option<Arc<Statement>>) {
        if let Some((sql, known)) = self.by_text.get_key_value(&*sql) {
            return (Text { sql: Arc::clone(sql), stays: None }, Some(known.clone()));
        }
        let statement = recorder.describe(&sql);
        if self.by_text.len() == MOST_WRITTEN {
            self.by_text.clear();
        }
        let sql = Arc::<str>::from(sql);
        self.by_text.insert(Arc::clone(&sql), statement.clone());
        (Text { sql, stays: None }, Some(statement))
    }
}

fn sql<DB, T>(query: &T) -> Option<String>
where
    DB: Backend + Default,
    DB::QueryBuilder: Default,
    T: QueryFragment<DB>,
{
    let mut builder = DB::QueryBuilder::default();
    query.to_sql(&mut builder, &DB::default()).ok()?;
    Some(builder.finish())
}

/// What diesel writes of a query.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) sql: Arc<str>,
    /// Whether it may stay prepared; none if only the query itself knows.
    pub(super) stays: Option<bool>,
}

/// A query and its text. The drivers of diesel-async want the text of each query that they are given, also of one that they
/// have prepared already, and to write it is an eighth of what a row costs that is read by its key.
///
/// A type of queries has one text if it has a static id: diesel finds prepared statements by it.
pub(super) struct Written<Q> {
    pub(super) query: Q,
    /// None: it is written when it is wanted.
    pub(super) text: Option<Text>,
}

impl<Q: QueryId> QueryId for Written<Q> {
    type QueryId = Q::QueryId;

    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: Query> Query for Written<Q> {
    type SqlType = Q::SqlType;
}

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Written<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.query.walk_ast(out)
    }

    fn to_sql(&self, out: &mut DB::QueryBuilder, backend: &DB) -> QueryResult<()> {
        match &self.text {
            Some(text) => {
                out.push_sql(&text.sql);
                Ok(())
            }
            None => self.query.to_sql(out, backend),
        }
    }

    fn is_safe_to_cache_prepared(&self, backend: &DB) -> QueryResult<bool> {
        match self.text.as_ref().and_then(|text| text.stays) {
            Some(stays) => Ok(stays),
            None => self.query.is_safe_to_cache_prepared(backend),
        }
    }
}
