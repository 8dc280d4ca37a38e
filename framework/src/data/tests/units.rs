use std::sync::Arc;

use diesel::OptionalExtension as _;
use diesel::prelude::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel::{Insertable, Queryable, Selectable};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use futures_util::future::join_all;

use super::*;

on_both!(
    what_a_write_commits_a_read_sees,
    an_error_rolls_everything_back,
    a_panic_rolls_everything_back_and_the_thread_lives_on,
    sums_are_exact_when_many_read_and_then_write,
    readers_and_writers_do_not_get_in_each_others_way,
    a_savepoint_undoes_only_its_own_statements,
    a_statement_refused_and_passed_over_never_commits_half,
    boxed_and_returning_queries_work,
    a_snapshot_does_not_see_later_commits,
    what_follows_a_commit_happens_with_it_and_never_without,
    close_lets_what_has_begun_end,
    close_counts_what_it_abandons,
    a_closed_database_says_so,
);

async fn what_a_write_commits_a_read_sees(fixture: Fixture) {
    fixture.db.write(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await.unwrap();
    assert_eq!(fixture.bodies().await, ["one"]);
}

async fn what_follows_a_commit_happens_with_it_and_never_without(fixture: Fixture) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let happened = Arc::new(AtomicUsize::new(0));
    let unit = |fail: bool| {
        let happened = Arc::clone(&happened);
        fixture.db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
            insert(conn, if fail { 1 } else { 2 }, "one", 1).await?;
            conn.after_commit(|| panic!("this one is logged"));
            conn.after_commit(move || {
                happened.fetch_add(1, Ordering::SeqCst);
            });
            if fail { Err(DbError::Closed) } else { Ok(()) }
        })
    };
    assert!(unit(true).await.is_err());
    assert_eq!(AtomicUsize::load(&happened, Ordering::SeqCst), 0);
    unit(false).await.unwrap();
    assert_eq!(AtomicUsize::load(&happened, Ordering::SeqCst), 1);
    // The connection carries nothing over to the next unit.
    fixture.db.write(async |conn: &mut Conn| insert(conn, 3, "three", 3).await).await.unwrap();
    assert_eq!(AtomicUsize::load(&happened, Ordering::SeqCst), 1);
}

async fn an_error_rolls_everything_back(fixture: Fixture) {
    let result = fixture
        .db
        .write(async |conn: &mut Conn| -> Result<(), DbError> {
            insert(conn, 1, "one", 1).await?;
            Err(DbError::Url { reason: "stands for an error of the service's".to_owned() })
        })
        .await;
    assert!(matches!(result, Err(DbError::Url { .. })));
    assert!(fixture.bodies().await.is_empty());
}

async fn a_panic_rolls_everything_back_and_the_thread_lives_on(fixture: Fixture) {
    for round in 0..10 {
        let result = fixture
            .db
            .write(async move |conn: &mut Conn| -> Result<(), DbError> {
                insert(conn, 1, "one", 1).await?;
                panic!("round {round}");
            })
            .await;
        let Err(DbError::Panicked { message }) = result else { panic!("{result:?}") };
        assert_eq!(message, format!("round {round}"));
    }
    assert!(fixture.bodies().await.is_empty());
    fixture.db.write(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await.unwrap();
    assert_eq!(fixture.bodies().await, ["one"]);
}

async fn sums_are_exact_when_many_read_and_then_write(fixture: Fixture) {
    fixture.db.write(async |conn: &mut Conn| insert(conn, 1, "sum", 0).await).await.unwrap();
    let add = |amount: i64| {
        let db = fixture.db.clone();
        async move {
            db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
                let row = notes::table.find(1);
                let old: i64 = match conn {
                    Conn::Sqlite(c) => row.select(notes::amount).first(c).await?,
                    Conn::Postgres(c) => row.select(notes::amount).for_update().first(c).await?,
                };
                let set = notes::amount.eq(old + amount);
                query!(conn, c => diesel::update(row).set(set).execute(c).await).map(drop)
            })
            .await
        }
    };
    for result in join_all((1..=64).map(add)).await {
        result.unwrap();
    }
    assert_eq!(sum(&fixture.db).await, (1..=64).sum::<i64>());
}

async fn sum(db: &Db) -> i64 {
    db.read(async |conn: &mut Conn| -> Result<i64, DbError> {
        let amounts: Vec<i64> = query!(conn, c => notes::table.select(notes::amount).load(c).await)?;
        Ok(amounts.iter().sum())
    })
    .await
    .unwrap()
}

/// Two handles with threads of their own, as two processes have: locks are met in the file too.
async fn readers_and_writers_do_not_get_in_each_others_way(fixture: Fixture) {
    let other = fixture.reopened(|_| {}).await;
    let writer = |task: i32| {
        let db = if task % 2 == 0 { fixture.db.clone() } else { other.clone() };
        async move {
            for round in 0..25 {
                let id = task * 1000 + round;
                db.write(async move |conn: &mut Conn| insert(conn, id, &id.to_string(), 1).await).await?;
            }
            Ok::<_, DbError>(())
        }
    };
    let reader = |task: i32| {
        let db = if task % 2 == 0 { fixture.db.clone() } else { other.clone() };
        async move {
            for _ in 0..25 {
                db.read(async |conn: &mut Conn| -> Result<i64, DbError> {
                    query!(conn, c => notes::table.count().get_result(c).await)
                })
                .await?;
            }
            Ok::<_, DbError>(())
        }
    };
    let (written, read) = futures_util::join!(join_all((0..32).map(writer)), join_all((0..32).map(reader)));
    for result in written.into_iter().chain(read) {
        result.unwrap();
    }
    assert_eq!(sum(&fixture.db).await, 32 * 25);
}

async fn a_savepoint_undoes_only_its_own_statements(fixture: Fixture) {
    fixture
        .db
        .write(async |conn: &mut Conn| -> Result<(), DbError> {
            insert(conn, 1, "kept", 1).await?;
            let row = (notes::id.eq(1), notes::body.eq("clash"), notes::amount.eq(1));
            let clash = query!(conn, c => c
                .transaction(async |c| diesel::insert_into(notes::table).values(row).execute(c).await)
                .await);
            assert!(clash.unwrap_err().is_unique_violation());
            insert(conn, 2, "kept too", 1).await
        })
        .await
        .unwrap();
    assert_eq!(fixture.bodies().await, ["kept", "kept too"]);
}

/// SQLite undoes the statement alone and commits the rest; PostgreSQL gives the transaction up, and that must not
/// look like a commit.
async fn a_statement_refused_and_passed_over_never_commits_half(fixture: Fixture) {
    let result = fixture
        .db
        .write(async |conn: &mut Conn| -> Result<(), DbError> {
            insert(conn, 1, "one", 1).await?;
            let _ = insert(conn, 1, "clash", 1).await;
            Ok(())
        })
        .await;
    match result {
        Ok(()) => assert_eq!(fixture.bodies().await, ["one"]),
        Err(DbError::Aborted) => assert!(fixture.bodies().await.is_empty()),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(
        matches!(result, Err(DbError::Aborted)),
        fixture.db.backend() == super::super::Backend::Postgres
    );
}

#[derive(Queryable, Selectable, Insertable, Debug, PartialEq, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    body: String,
    amount: i64,
}

async fn boxed_and_returning_queries_work(fixture: Fixture) {
    let note = Note { id: 7, body: "seven".to_owned(), amount: 77 };
    let expected = note.clone();
    fixture
        .db
        .write(async move |conn: &mut Conn| -> Result<(), DbError> {
            let new = &note;
            let returned = query!(conn, c => diesel::insert_into(notes::table)
                .values(new)
                .returning(Note::as_returning())
                .get_result(c)
                .await)?;
            assert_eq!(returned, note);
            let found = query!(conn, c => {
                let mut boxed = notes::table.select(Note::as_select()).into_boxed();
                boxed = boxed.filter(notes::amount.gt(1)).limit(10);
                boxed.load(c).await
            })?;
            assert_eq!(found, std::slice::from_ref(&note));
            let none =
                query!(conn, c => notes::table.find(8).select(Note::as_select()).first(c).await.optional())?;
            assert_eq!(none, None);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(fixture.bodies().await, [expected.body]);
}

async fn a_snapshot_does_not_see_later_commits(fixture: Fixture) {
    let db = fixture.db.clone();
    let (seen, wait) = tokio::sync::oneshot::channel::<()>();
    let (written, go_on) = tokio::sync::oneshot::channel::<()>();
    let counts = fixture.db.snapshot(async move |conn: &mut Conn| -> Result<(i64, i64), DbError> {
        let before = query!(conn, c => notes::table.count().get_result(c).await)?;
        seen.send(()).unwrap();
        go_on.await.unwrap();
        let after = query!(conn, c => notes::table.count().get_result(c).await)?;
        Ok((before, after))
    });
    let write = async {
        wait.await.unwrap();
        db.write(async |conn: &mut Conn| insert(conn, 1, "one", 1).await).await.unwrap();
        written.send(()).unwrap();
    };
    let (counts, ()) = futures_util::join!(counts, write);
    assert_eq!(counts.unwrap(), (0, 0));
}

async fn close_lets_what_has_begun_end(fixture: Fixture) {
    let db = fixture.db.clone();
    let begun = Arc::new(tokio::sync::Notify::new());
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let tell = begun.clone();
    let write = db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
        tell.notify_one();
        wait.await.unwrap();
        insert(conn, 1, "one", 1).await
    });
    let close = async {
        begun.notified().await;
        let close = fixture.db.close(Duration::from_secs(20));
        let (report, ()) = futures_util::join!(close, async { go_on.send(()).unwrap() });
        report
    };
    let (written, report) = futures_util::join!(write, close);
    written.unwrap();
    assert_eq!((report.finished, report.abandoned), (1, 0));
    let again = fixture.reopened(|_| {}).await;
    assert_eq!(sum(&again).await, 1);
}

async fn a_closed_database_says_so(fixture: Fixture) {
    let report = fixture.db.close(Duration::from_secs(20)).await;
    assert_eq!(report.abandoned, 0);
    assert!(matches!(fixture.db.ping().await, Err(DbError::Closed)));
}

async fn close_counts_what_it_abandons(fixture: Fixture) {
    let db = fixture.db.clone();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let write = db.write(async move |conn: &mut Conn| -> Result<(), DbError> {
        begun.send(()).unwrap();
        wait.await.unwrap();
        insert(conn, 1, "one", 1).await
    });
    let close = async {
        has_begun.await.unwrap();
        let report = fixture.db.close(Duration::from_millis(50)).await;
        go_on.send(()).unwrap();
        report
    };
    let (written, report) = futures_util::join!(write, close);
    assert_eq!(report.abandoned, 1);
    // Abandoned is not cut off: it ends by itself as long as the process lives.
    written.unwrap();
}
