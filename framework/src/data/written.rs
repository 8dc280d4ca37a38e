//! Queries whose text is known before they are sent.

use std::any::TypeId;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId};

use super::recorder::Recorder;
use super::statement::Statement;

/// So many texts of statements are held for each connection; when there are as many, all are forgotten.
const MOST_WRITTEN: usize = 256;

/// The longest of them, in bytes: a list of thousands after IN is nothing to hold on to.
const LONGEST_WRITTEN: usize = 4096;

/// So many statements that diesel would prepare anew each time stay prepared, for as long as their connection lives.
const MOST_KEPT: usize = 128;

/// What they begin with. A PRAGMA may act when it is prepared, and what changes tables is not for every day.
const KEPT: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"];

/// What a connection knows of the queries that it has sent.
#[derive(Default)]
pub(super) struct Texts {
    /// By diesel's own id of a query type, the key of its prepared statements too.
    by_type: HashMap<TypeId, Known>,
    /// Those whose type does not say what they are.
    by_text: HashMap<Arc<str>, Known>,
    kept: Kept,
}

struct Known {
    text: Text,
    /// Once it was described.
    statement: Option<Arc<Statement>>,
}

impl Texts {
    /// The text of a query, and its description if somebody is to describe it. None of one that can not be written: it fails
    /// by itself right after this.
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
        let Some(id) = T::query_id() else { return Some(self.written(query, sql(query)?, describe)) };
        let known = match self.by_type.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let stays = query.is_safe_to_cache_prepared(&DB::default()).ok();
                new.insert(Known { text: Text { sql: sql(query)?.into(), stays }, statement: None })
            }
        };
        Some(known.told(describe))
    }

    /// What is written anew each time, and most often as before.
    fn written<DB, T>(
        &mut self,
        query: &T,
        sql: String,
        describe: Option<&Recorder>,
    ) -> (Text, Option<Arc<Statement>>)
    where
        DB: Backend + Default,
        T: QueryFragment<DB>,
    {
        if sql.len() > LONGEST_WRITTEN {
            return Known::new(sql.into()).told(describe);
        }
        if let Some(known) = self.by_text.get_mut(&*sql) {
            if known.text.stays.is_none() {
                known.text.stays = query
                    .is_safe_to_cache_prepared(&DB::default())
                    .ok()
                    .map(|safe| safe || self.kept.keeps(&known.text.sql));
            }
            return known.told(describe);
        }
        if self.by_text.len() == MOST_WRITTEN {
            self.by_text.clear();
        }
        let sql = Arc::<str>::from(sql);
        let new = Known::new(Arc::clone(&sql));
        self.by_text.entry(sql).or_insert(new).told(describe)
    }
}

impl Known {
    const fn new(sql: Arc<str>) -> Self {
        Self { text: Text { sql, stays: None }, statement: None }
    }

    fn told(&mut self, describe: Option<&Recorder>) -> (Text, Option<Arc<Statement>>) {
        let statement = describe
            .map(|recorder| self.statement.get_or_insert_with(|| recorder.describe(&self.text.sql)).clone());
        (self.text.clone(), statement)
    }
}

/// Statements that stay prepared though diesel would not keep them.
///
/// It keeps none of which there may be too many to keep: an UPDATE (a change of a struct leaves out what is `None`), a
/// list after IN, SQL as text. But a service sends the same few again and again, and to prepare one is dear: on SQLite
/// the two UPDATEs of an order were a quarter of all that it took, and on PostgreSQL it is a message there and back. So
/// what a connection is asked a second time stays prepared, up to a number of them.
#[derive(Default)]
struct Kept(HashSet<Arc<str>>);

impl Kept {
    fn keeps(&mut self, sql: &Arc<str>) -> bool {
        if self.0.contains(sql) {
            return true;
        }
        let room = self.0.len() < MOST_KEPT && may_stay(sql);
        room && self.0.insert(Arc::clone(sql))
    }
}

/// PostgreSQL refuses to run what was prepared with a `*` once that stands for other columns.
fn may_stay(sql: &str) -> bool {
    let verb = sql.split(|it: char| !it.is_ascii_alphabetic()).next().unwrap_or_default();
    !sql.replace("(*)", "").contains('*') && KEPT.iter().any(|kept| verb.eq_ignore_ascii_case(kept))
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
