use diesel::prelude::{BoolExpressionMethods as _, TextExpressionMethods as _};
use diesel::query_builder::{AsQuery as _, QueryBuilder as _, QueryFragment};
use diesel::sqlite::{Sqlite, SqliteQueryBuilder};

use super::*;
use crate::data::recorder::Recorder;
use crate::data::written::{Text, Texts, Written};

on_both!(
    the_same_query_answers_each_time_by_its_own_values,
    what_is_sent_again_stays_prepared,
    only_so_much_stays_prepared,
    what_stays_prepared_outlives_a_new_column,
);

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

async fn what_is_sent_again_stays_prepared(fixture: Fixture) {
    let sent = Sent::default();
    let watched = sent.clone();
    fixture
        .db
        .write(async move |conn: &mut Conn| {
            for id in 1..=3 {
                insert(conn, id, &format!("note {id}"), 7).await?;
            }
            watched.watch(conn);
            for id in 1..=3 {
                let change = diesel::update(notes::table.find(id)).set(notes::amount.eq(i64::from(id)));
                assert_eq!(query!(&mut *conn, c => change.execute(c).await)?, 1);
                let among = notes::table.filter(notes::id.eq_any([id, 77])).select(notes::amount);
                assert_eq!(query!(&mut *conn, c => among.load::<i64>(c).await)?, [i64::from(id)]);
                let counted = sql_query(format!("SELECT COUNT(*) FROM notes WHERE amount <= {}", id.min(2)));
                query!(&mut *conn, c => counted.execute(c).await)?;
                query!(&mut *conn, c => sql_query("SELECT * FROM notes").execute(c).await)?;
            }
            Ok::<_, DbError>(())
        })
        .await
        .unwrap();
    let kept = sent.kept.lock();
    let count =
        |begin: &str| kept.iter().filter(|sql| sql.replace(['`', '"'], "").starts_with(begin)).count();
    assert_eq!(count("UPDATE notes SET amount"), 1, "{kept:?}");
    assert_eq!(count("SELECT notes.amount FROM notes WHERE"), 1, "{kept:?}");
    // With `<= 1` it was sent once.
    assert_eq!(count("SELECT COUNT(*) FROM notes WHERE amount <= 2"), 1, "{kept:?}");
    assert_eq!(kept.len(), 3, "{kept:?}");
}

async fn only_so_much_stays_prepared(fixture: Fixture) {
    let sent = Sent::default();
    let watched = sent.clone();
    fixture
        .db
        .write(async move |conn: &mut Conn| {
            insert(conn, 1, "one", 0).await?;
            watched.watch(conn);
            for round in 0..3 {
                for number in 0..150 {
                    let change =
                        format!("UPDATE notes SET amount = amount + 1 WHERE id = 1 AND {number} = {number}");
                    let changed = query!(&mut *conn, c => sql_query(change).execute(c).await)?;
                    assert_eq!(changed, 1, "{number} in round {round}");
                }
                let long = format!("SELECT id FROM notes WHERE body <> '{}'", "x".repeat(4096));
                query!(&mut *conn, c => sql_query(long).execute(c).await)?;
            }
            let amount = notes::table.find(1).select(notes::amount);
            assert_eq!(query!(&mut *conn, c => amount.first::<i64>(c).await)?, 450);
            Ok::<_, DbError>(())
        })
        .await
        .unwrap();
    let kept = sent.kept.lock();
    // Those of the limit, and the one that diesel keeps by itself.
    assert_eq!((kept.len(), kept.iter().filter(|sql| sql.starts_with("UPDATE")).count()), (129, 128));
}

#[derive(diesel::QueryableByName)]
struct Note {
    #[diesel(sql_type = diesel::sql_types::Text)]
    #[expect(dead_code, reason = "is read, and not looked at")]
    body: String,
}

async fn what_stays_prepared_outlives_a_new_column(fixture: Fixture) {
    fixture
        .db
        .write(async move |conn: &mut Conn| {
            insert(conn, 1, "one", 0).await?;
            for column in
                ["", "ALTER TABLE notes ADD COLUMN more INTEGER", "", "ALTER TABLE notes DROP COLUMN more"]
            {
                if !column.is_empty() {
                    query!(&mut *conn, c => sql_query(column).execute(c).await)?;
                }
                for amount in 1..=3 {
                    let change = diesel::update(notes::table.find(1)).set(notes::amount.eq(amount));
                    let changed = change.returning((notes::body, notes::amount));
                    let row = query!(&mut *conn, c => changed.get_result::<(String, i64)>(c).await)?;
                    assert_eq!(row, ("one".to_owned(), amount));
                    let all = sql_query("SELECT * FROM notes");
                    assert_eq!(query!(&mut *conn, c => all.load::<Note>(c).await)?.len(), 1);
                }
            }
            Ok::<_, DbError>(())
        })
        .await
        .unwrap();
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
    for (ids, stays) in [(&[1][..], None), (&[1, 2], None), (&[1], Some(true))] {
        let (text, statement) = texts.of::<Sqlite, _>(&among(ids), None).unwrap();
        assert_eq!((&*text.sql, text.stays), (&*sql(&among(ids)), stays));
        assert!(statement.is_none());
        let (_, statement) = texts.of::<Sqlite, _>(&among(&[0, 1, 2]), Some(&recorder)).unwrap();
        assert_eq!(statement.unwrap().summary.as_str(), "SELECT notes");
    }
    let many: Vec<_> = (0..2_000).collect();
    for describe in [None, None, Some(&recorder)] {
        let (text, statement) = texts.of::<Sqlite, _>(&among(&many), describe).unwrap();
        assert_eq!((text.sql.len(), text.stays), (sql(&among(&many)).len(), None));
        assert_eq!(std::sync::Arc::strong_count(&text.sql), 1, "it is held");
        assert_eq!(statement.is_some(), describe.is_some());
    }
    let pragma = || diesel::sql_query("PRAGMA busy_timeout = 5000");
    for _ in 0..3 {
        let (text, _) = texts.of::<Sqlite, _>(&pragma(), None).unwrap();
        assert_ne!(text.stays, Some(true));
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
