//! Units that are committed together. SQLite alone: PostgreSQL's server does it by itself.

use std::sync::Arc;

use diesel_async::AsyncConnection as _;
use futures_util::future::join_all;
use opentelemetry::trace::FutureExt as _;
use tokio::sync::{Mutex, oneshot};

use super::*;
use crate::data::Ending;

/// Holds the writer until all of `units` wait for it, so that they are committed together as far as they may be.
async fn behind_one_another<T>(db: &Db, units: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let (begun, has_begun) = oneshot::channel();
    let (go_on, wait) = oneshot::channel::<()>();
    let first = db.write(async move |_: &mut Conn| -> Result<(), DbError> {
        begun.send(()).unwrap();
        wait.await.unwrap();
        Ok(())
    });
    let rest = async {
        has_begun.await.unwrap();
        let mut units = Box::pin(join_all(units));
        assert!(futures_util::poll!(&mut units).is_pending());
        go_on.send(()).unwrap();
        units.await
    };
    let (first, rest) = futures_util::join!(first, rest);
    first.unwrap();
    rest
}

fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Fixture) -> F) {
    run(sqlite(), test);
}

fn names(spans: &[SpanData]) -> Vec<&str> {
    let mut spans: Vec<_> = spans.iter().filter(|span| span.name != "db.pool.wait").collect();
    spans.sort_by_key(|span| span.start_time);
    spans.iter().map(|span| span.name.as_ref()).collect()
}

/// Ten units in their own spans; which of them are committed in one transaction is seen by when their COMMITs are.
#[test]
fn who_waits_at_the_same_time_is_committed_together() {
    on_sqlite(|fixture| async move {
        let tracer = fixture.telemetry.tracer().unwrap();
        fixture.spans.reset();
        let units = (0..10).map(|id| {
            let cx = Context::new().with_span(tracer.start("caller"));
            let unit =
                fixture.db.write(async move |conn: &mut Conn| insert(conn, id, &id.to_string(), 1).await);
            async move {
                let result = unit.await;
                Context::current().span().end();
                result
            }
            .with_context(cx)
        });
        for result in behind_one_another(&fixture.db, units).await {
            result.unwrap();
        }
        let spans = fixture.spans.get_finished_spans().unwrap();
        let mut commits = Vec::new();
        for caller in spans.iter().filter(|span| span.name == "caller") {
            let trace = caller.span_context.trace_id();
            let own: Vec<_> = spans
                .iter()
                .filter(|span| span.span_context.trace_id() == trace && span.name != "caller")
                .cloned()
                .collect();
            assert_eq!(names(&own), ["BEGIN", "INSERT notes", "COMMIT"]);
            let commit = own.iter().find(|span| span.name == "COMMIT").unwrap();
            assert!(commit.end_time <= caller.end_time);
            commits.push((commit.start_time, commit.end_time));
        }
        assert_eq!(commits.len(), 10);
        commits.sort();
        assert!(
            commits.windows(2).all(|two| two[1].0 < two[0].1),
            "some had a transaction of their own: {commits:?}"
        );
        let mut ids = fixture.bodies().await;
        ids.sort();
        assert_eq!(ids, (0..10).map(|id| id.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn who_finds_the_writer_free_has_a_transaction_of_its_own() {
    on_sqlite(|fixture| async move {
        for id in 0..3 {
            let write =
                fixture.db.write(async move |conn: &mut Conn| insert(conn, id, &id.to_string(), 1).await);
            let (result, _, spans) = fixture.in_span(write).await;
            result.unwrap();
            assert_eq!(names(&spans), ["BEGIN", "INSERT notes", "COMMIT"]);
        }
    });
}

/// A unit returns an error, is refused a statement, panics, panics in a savepoint of its own, or leaves one open.
#[test]
fn one_that_fails_undoes_nothing_of_the_others() {
    on_sqlite(|fixture| async move {
        for fails_as in 0..5 {
            let ended = Arc::new(Mutex::new(Vec::new()));
            let units = (0..10).map(|unit| {
                let ended = ended.clone();
                let id = fails_as * 100 + unit;
                fixture.db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
                    let end = ended.clone();
                    conn.at_end(move |ending| end.try_lock().unwrap().push((unit, ending)));
                    insert(conn, id, &id.to_string(), 1).await?;
                    if unit % 3 != 1 {
                        return Ok(());
                    }
                    insert(conn, -id, &format!("half of {id}"), 1).await?;
                    let Conn::Sqlite(raw) = &mut *conn else { unreachable!() };
                    match fails_as {
                        0 => Err(DbError::Closed),
                        1 => insert(conn, id, "clash", 1).await,
                        2 => panic!("{unit}"),
                        3 => raw.transaction(async |_| -> Result<(), DbError> { panic!("{unit}") }).await,
                        _ => {
                            use diesel_async::TransactionManager as _;
                            type Savepoints = <crate::data::SqliteConn as diesel_async::AsyncConnection>::TransactionManager;
                            Ok(Savepoints::begin_transaction(raw).await?)
                        }
                    }
                })
            });
            let results = behind_one_another(&fixture.db, units).await;
            for (unit, result) in results.iter().enumerate() {
                assert_eq!(result.is_ok(), unit % 3 != 1, "{fails_as}, {unit}: {result:?}");
            }
            let panics =
                results.iter().filter(|result| matches!(result, Err(DbError::Panicked { .. }))).count();
            assert_eq!(panics, if fails_as == 2 || fails_as == 3 { 3 } else { 0 });
            let mut ended = ended.lock().await.clone();
            ended.sort_by_key(|(unit, _)| *unit);
            let expected = |unit| if unit % 3 == 1 { Ending::RolledBack } else { Ending::Committed };
            assert_eq!(ended, (0..10).map(|unit| (unit, expected(unit))).collect::<Vec<_>>());
        }
        let mut kept = fixture.bodies().await;
        kept.sort();
        let mut expected: Vec<_> = (0..5)
            .flat_map(|way| {
                (0..10).filter(|unit| unit % 3 != 1).map(move |unit| (way * 100 + unit).to_string())
            })
            .collect();
        expected.sort();
        assert_eq!(kept, expected);
    });
}

/// What follows a commit sees it from another connection.
#[test]
fn nobody_is_told_before_the_commit() {
    on_sqlite(|fixture| async move {
        let other = fixture.reopened(|_| {}).await;
        let units = (0..10).map(|id| {
            let (db, other) = (fixture.db.clone(), other.clone());
            async move {
                db.write(async move |conn: &mut Conn| insert(conn, id, &id.to_string(), 1).await)
                    .await
                    .unwrap();
                let found = other.read(async move |conn: &mut Conn| -> Result<i64, DbError> {
                    query!(conn, c => notes::table.filter(notes::id.eq(id)).count().get_result(c).await)
                });
                assert_eq!(found.await.unwrap(), 1);
            }
        });
        behind_one_another(&fixture.db, units).await;
    });
}

/// A unit that waits for another one that waits for it is undone; the next time it is committed alone, and may.
#[test]
fn one_that_waits_for_another_of_its_transaction_is_undone_once() {
    on_sqlite(|fixture| async move {
        let db = fixture.reopened(|settings| settings.acquire_timeout = Duration::from_millis(300)).await;
        for round in 0..2 {
            let (told, tell) = oneshot::channel::<()>();
            let first = async {
                let written = db.write(async move |conn: &mut Conn| {
                    insert(conn, round * 10, &format!("{round} first"), 1).await
                });
                written.await.unwrap();
                let _ = told.send(());
                Ok(())
            };
            let second = waits_for(&db, tell, round);
            let units: [futures_util::future::LocalBoxFuture<'_, Result<(), DbError>>; 2] =
                [Box::pin(first), Box::pin(second)];
            let results = behind_one_another(&db, units).await;
            assert!(results[0].is_ok());
            match (&results[1], round) {
                (Err(error @ DbError::Stalled { .. }), 0) => {
                    assert!(error.is_transient());
                    assert!(error.to_string().contains("together.rs"), "{error}");
                }
                (Ok(()), 1) => {}
                (other, _) => panic!("round {round}: {other:?}"),
            }
        }
        assert_eq!(fixture.bodies().await, ["0 first", "1 first", "1 second"]);
    });
}

async fn waits_for(db: &Db, told: oneshot::Receiver<()>, round: i32) -> Result<(), DbError> {
    db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
        insert(conn, round * 10 + 1, &format!("{round} second"), 1).await?;
        let _ = told.await;
        Ok(())
    })
    .await
}

/// A trigger that makes SQLite roll back the transaction, whether the unit passes over the error or not.
#[test]
fn all_are_told_when_sqlite_rolls_back_all() {
    on_sqlite(|fixture| async move {
        let trigger = "CREATE TRIGGER bad BEFORE INSERT ON notes WHEN NEW.body = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
        fixture
            .db
            .write(async move |conn: &mut Conn| {
                query!(conn, c => sql_query(trigger).execute(c).await).map(drop)
            })
            .await
            .map_err(|error: DbError| error)
            .unwrap();
        for pass_over in [false, true] {
            let units = (0..6).map(|unit| {
                fixture.db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
                    let body = if unit == 3 { "bad".to_owned() } else { format!("{pass_over} {unit}") };
                    let written = insert(conn, unit + if pass_over { 10 } else { 0 }, &body, 1).await;
                    if pass_over && unit == 3 { Ok(()) } else { written }
                })
            });
            let results = behind_one_another(&fixture.db, units).await;
            assert!(results[3].is_err());
            let bodies = fixture.bodies().await;
            for (unit, result) in results.iter().enumerate() {
                let there = bodies.contains(&format!("{pass_over} {unit}"));
                assert_eq!(result.is_ok(), there, "{unit}: {result:?}");
                if let Err(DbError::Together { units, .. }) = result {
                    assert!(*units > 0);
                }
            }
            // Those after it have a new transaction.
            assert!(results[5].is_ok(), "{:?}", results[5]);
        }
    });
}

#[test]
fn constraints_that_commit_looks_at_are_its_own_for_each() {
    on_sqlite(|fixture| async move {
        let child = "CREATE TABLE children (id INTEGER PRIMARY KEY, \
                     note INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)";
        fixture
            .db
            .write(async move |conn: &mut Conn| {
                query!(conn, c => sql_query(child).execute(c).await).map(drop)
            })
            .await
            .map_err(|error: DbError| error)
            .unwrap();
        let db = fixture.reopened(|_| {}).await;
        let units = (0..10).map(|id: i32| {
            db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
                let orphan = format!("INSERT INTO children (id, note) VALUES ({id}, 4711)");
                insert(conn, id, &id.to_string(), 1).await?;
                if id % 3 == 1 {
                    query!(conn, c => sql_query(orphan).execute(c).await)?;
                }
                Ok(())
            })
        });
        for (id, result) in behind_one_another(&db, units).await.iter().enumerate() {
            match result {
                Ok(()) => assert_ne!(id % 3, 1),
                Err(error) => {
                    assert_eq!(id % 3, 1, "{error}");
                    assert!(error.is_foreign_key_violation(), "{error}");
                }
            }
        }
    });
}
