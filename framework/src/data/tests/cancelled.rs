//! Callers that hang up: what the stock SQLite wrapper of diesel-async 0.9 answers with a panic on a current-thread
//! runtime.

use std::collections::HashSet;
use std::task::Poll;

use diesel::ExpressionMethods as _;
use futures_util::FutureExt as _;

use super::*;

const ROUNDS: i32 = 10_000;

on_both!(ten_thousand_dropped_callers_leave_everything_whole, a_unit_that_waits_is_withdrawn_with_its_caller);

/// Each write inserts two rows, so half a write would show. A caller hangs up before its unit begins, between its two
/// statements, right after them, or not at all.
async fn ten_thousand_dropped_callers_leave_everything_whole(fixture: Fixture) {
    for round in 0..ROUNDS {
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let mut tell = Some(tell);
        let hang_up = round % 4;
        let work = async {
            if round % 3 == 0 {
                let read = async move |conn: &mut Conn| -> Result<i64, DbError> {
                    tell.take().map(|tell| tell.send(()));
                    query!(conn, c => notes::table.filter(notes::id.gt(round)).count().get_result(c).await)
                };
                fixture.db.read(read).await.map(drop)
            } else {
                let write = async move |conn: &mut Conn| -> Result<(), DbError> {
                    insert(conn, round * 2, &format!("{round} a"), 1).await?;
                    if hang_up == 1 {
                        tell.take().map(|tell| tell.send(()));
                    }
                    insert(conn, round * 2 + 1, &format!("{round} b"), 1).await?;
                    tell.take().map(|tell| tell.send(()));
                    if round % 5 == 0 {
                        return Err(DbError::Url { reason: "a rollback".to_owned() });
                    }
                    Ok(())
                };
                fixture.db.write(write).await
            }
        };
        match hang_up {
            0 => drop(work.now_or_never()),
            1 | 2 => drop(futures_util::future::select(Box::pin(work), Box::pin(told)).await),
            _ => assert_eq!(work.await.is_ok(), round % 3 == 0 || round % 5 != 0),
        }
    }
    until("all units have ended", async || fixture.db.inner.tally.pending() == 0).await;
    let ids: HashSet<i32> = fixture
        .db
        .read(async |conn: &mut Conn| -> Result<Vec<i32>, DbError> {
            query!(conn, c => notes::table.select(notes::id).load(c).await)
        })
        .await
        .unwrap()
        .into_iter()
        .collect();
    // Two thirds are writes, a quarter of them hangs up at once, a fifth of the rest rolls back.
    assert!(ids.len() > ROUNDS as usize / 2, "hardly any write began: {}", ids.len());
    for id in &ids {
        assert!(ids.contains(&(id ^ 1)), "half of write {} was committed", id / 2);
        assert_ne!(id / 2 % 5, 0, "write {} was to be rolled back", id / 2);
    }
    // Every connection is free and has no transaction open.
    let all = (0..4).map(|_| {
        fixture.db.snapshot(async |conn: &mut Conn| query!(conn, c => sql_query("SELECT 1").execute(c).await))
    });
    for result in futures_util::future::join_all(all).await {
        result.unwrap();
    }
    fixture.db.write(async |conn: &mut Conn| insert(conn, -1, "after", 1).await).await.unwrap();
}

async fn a_unit_that_waits_is_withdrawn_with_its_caller(fixture: Fixture) {
    let db = fixture.reopened(|settings| settings.pool_size = 1).await;
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let first = db.write(async move |_: &mut Conn| -> Result<(), DbError> {
        begun.send(()).unwrap();
        wait.await.unwrap();
        Ok(())
    });
    let second = async {
        has_begun.await.unwrap();
        let mut waiting = Box::pin(db.write(async |conn: &mut Conn| insert(conn, 1, "never", 1).await));
        assert!(std::future::poll_fn(|cx| Poll::Ready(waiting.poll_unpin(cx).is_pending())).await);
        drop(waiting);
        go_on.send(()).unwrap();
    };
    let (first, ()) = futures_util::join!(first, second);
    first.unwrap();
    until("all units have ended", async || db.inner.tally.pending() == 0).await;
    assert!(fixture.bodies().await.is_empty());
}
