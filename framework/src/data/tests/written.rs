use diesel::prelude::{BoolExpressionMethods as _, TextExpressionMethods as _};
use diesel::query_builder::{AsQuery as _, QueryBuilder as _, QueryFragment};
use diesel::sqlite::{Sqlite, SqliteQueryBuilder};

use super::*;
use crate::data::recorder::Recorder;
use crate::data::written::{Text, Texts, Written};

on_both!(the_same_query_answers_each_time_by_its_own_values);

/// Statements of one type whose text is held, and of one type whose text is another each time: each time on one connection,
/// recorded and not.
async fn the_same_query_answers_each_time_by_its_own_values(fixture: Fixture) {
    let unrecorded = Db::connect(&fixture.settings, &Telemetry::disabled()).await.unwrap();
    for (round, db) in [&fixture.db, &unrecorded].into_iter().enumerate() {
        let first = i32::try_from(round).unwrap() * 100;
        db.write(async move |conn: &mut Conn| {
            for count in 1..=4 {
                let from = first + count * 10;
                for id in from..from + count {
                    insert(conn, id, &format!("note {id}"), 7).await?;
                }
                for id in from..from + count {
                    let one = notes::table.find(id).select(notes::body);
                    let body = query!(conn, c => one.first::<String>(c).await)?;
                    assert_eq!(body, format!("note {id}"));
                }
                let ids: Vec<_> = (from..from + count).collect();
                let these = notes::table.filter(notes::id.eq_any(ids.clone())).select(notes::id);
                let found = query!(conn, c => these.order(notes::id).load::<i32>(c).await)?;
                assert_eq!(found, ids);
                let changed = diesel::update(notes::table.find(from)).set(notes::amount.eq(i64::from(count)));
                assert_eq!(query!(conn, c => changed.execute(c).await)?, 1);
                let amount = notes::table.find(from).select(notes::amount);
                assert_eq!(query!(conn, c => amount.first::<i64>(c).await)?, i64::from(count));
            }
            Ok::<_, DbError>(())
        })
        .await
        .unwrap();
    }
}

fn sql(query: &impl QueryFragment<Sqlite>) -> String {
    let mut builder = SqliteQueryBuilder::new();
    query.to_sql(&mut builder, &Sqlite).unwrap();
    builder.finish()
}

fn stays(query: &impl QueryFragment<Sqlite>) -> diesel::QueryResult<bool> {
    query.is_safe_to_cache_prepared(&Sqlite)
}

#[test]
fn a_type_of_queries_is_written_once_and_one_without_an_id_by_itself() {
    let (mut texts, recorder) = (Texts::default(), Recorder::disabled());
    let by_key = |id: i32| notes::table.filter(notes::id.eq(id).and(notes::body.like("a%"))).as_query();
    let (first, statement) = texts.of::<Sqlite, _>(&by_key(1), None).unwrap();
    assert!(statement.is_none());
    let (second, statement) = texts.of::<Sqlite, _>(&by_key(2), Some(&recorder)).unwrap();
    assert_eq!(statement.unwrap().summary.as_str(), "SELECT notes");
    assert!(std::sync::Arc::ptr_eq(&first.sql, &second.sql));
    assert_eq!((&*first.sql, first.stays), (&*sql(&by_key(3)), Some(true)));

    let among = |ids: &[i32]| notes::table.filter(notes::id.eq_any(ids.to_vec())).as_query();
    assert!(texts.of::<Sqlite, _>(&among(&[1]), None).is_none());
    for ids in [&[1][..], &[1, 2], &[1]] {
        let (text, _) = texts.of::<Sqlite, _>(&among(ids), Some(&recorder)).unwrap();
        assert_eq!((&*text.sql, text.stays), (&*sql(&among(ids)), None));
    }
}

#[test]
fn a_query_is_sent_by_the_text_that_is_known_of_it() {
    let query = || notes::table.filter(notes::id.eq_any(vec![1, 2])).as_query();
    let unknown = Written { query: query(), text: None };
    assert_eq!(sql(&unknown), sql(&query()));
    assert_eq!(unknown.is_safe_to_cache_prepared(&Sqlite), stays(&query()));
    let known = |stays| Written { query: query(), text: Some(Text { sql: "SELECT 1".into(), stays }) };
    assert_eq!(sql(&known(None)), "SELECT 1");
    for stays in [true, false] {
        assert_eq!(known(Some(stays)).is_safe_to_cache_prepared(&Sqlite), Ok(stays));
    }
}
