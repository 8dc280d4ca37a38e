//! Jobs that a worker died over, and how fast a queue may go.

use super::store::{Rate, Then};
use super::*;

on_both!(
    a_job_that_was_crashed_over_is_leased_by_itself,
    those_of_so_many_crashes_are_leased_and_no_others,
    what_was_beside_a_suspect_is_not_to_blame,
    what_is_rescued_after_the_suspect_is_not_to_blame_either,
    a_rate_lets_so_many_through_and_no_more,
    a_rate_counts_what_was_leased_and_not_what_was_asked_for,
    a_rate_that_was_raised_holds_at_once,
);

async fn lease_as(fixture: &Fixture, worker: &'static str, limit: usize) -> Vec<Leased> {
    fixture
        .write(async move |conn: &mut Conn| Ok(store::lease(conn, "notes", limit, worker, LEASE).await?))
        .await
}

async fn suspect_as(fixture: &Fixture, worker: &'static str) -> Option<Leased> {
    fixture
        .write(async move |conn: &mut Conn| {
            Ok(store::lease_suspects(conn, "notes", ANY_CRASHES, 1, worker, LEASE).await?)
        })
        .await
        .pop()
}

async fn a_job_that_was_crashed_over_is_leased_by_itself(fixture: Fixture) {
    fixture.enqueue_many(3).await;
    let crashed = lease_as(&fixture, "w1", 2).await;
    fixture.expire().await;
    assert_eq!(fixture.rescue().await.len(), 2);
    assert_eq!(lease_as(&fixture, "w2", 10).await.len(), 1);
    let peek = async || fixture.write(async |conn: &mut Conn| Ok(store::suspect(conn, "notes").await?)).await;
    assert_eq!(peek().await, Some(1));
    let first = suspect_as(&fixture, "w2").await.unwrap();
    assert_eq!((first.id, first.crashes, first.attempt), (crashed[0].id, 1, 2));
    assert_eq!(suspect_as(&fixture, "w2").await.unwrap().id, crashed[1].id);
    assert!(suspect_as(&fixture, "w2").await.is_none());
    assert_eq!(peek().await, None);
    // One that failed for its own reasons, and is due later, is still one.
    fixture.fail(first.held(), Then::RetryIn(Duration::ZERO)).await;
    assert_eq!(lease_as(&fixture, "w3", 10).await.len(), 0);
    assert_eq!(suspect_as(&fixture, "w3").await.unwrap().id, first.id);
}

async fn those_of_so_many_crashes_are_leased_and_no_others(fixture: Fixture) {
    fixture.enqueue_many(5).await;
    fixture.sql("UPDATE spanbox_jobs SET crashes = id - 1").await;
    let lease = async |crashes, limit| {
        let jobs = fixture
            .write(async move |conn: &mut Conn| {
                Ok(store::lease_suspects(conn, "notes", crashes, limit, "w1", LEASE).await?)
            })
            .await;
        jobs.iter().map(|job| job.crashes).collect::<Vec<_>>()
    };
    assert_eq!(lease(0..3, 10).await, [1, 2], "one that nobody died over is not among them");
    assert_eq!(lease(3..u32::MAX, 1).await, [3]);
    assert!(lease(0..4, 10).await.is_empty());
    assert_eq!(lease(3..5, 10).await, [4]);
}

async fn what_was_beside_a_suspect_is_not_to_blame(fixture: Fixture) {
    fixture.enqueue_many(4).await;
    lease_as(&fixture, "w1", 1).await;
    fixture.expire().await;
    fixture.rescue().await;
    let suspect = suspect_as(&fixture, "w2").await.unwrap();
    lease_as(&fixture, "w2", 2).await;
    // Another process dies at the same time, with nothing that anybody died over before.
    let other = lease_as(&fixture, "w3", 1).await.remove(0);
    fixture.expire().await;
    for job in fixture.rescue().await {
        let blamed = job.id == suspect.id || job.id == other.id;
        let record = fixture.get(job.id).await;
        let expected = if job.id == suspect.id { 2 } else { u32::from(blamed) };
        assert_eq!(job.crashes, expected);
        assert_eq!(record.attempt, i64::from(expected), "an attempt counts with the blame");
        assert_eq!(job.state, State::Available);
    }
}

async fn what_is_rescued_after_the_suspect_is_not_to_blame_either(fixture: Fixture) {
    fixture.enqueue_many(2).await;
    lease_as(&fixture, "w1", 1).await;
    fixture.expire().await;
    fixture.rescue().await;
    let suspect = suspect_as(&fixture, "w2").await.unwrap().id;
    lease_as(&fixture, "w2", 1).await;
    fixture.sql(format!("UPDATE spanbox_jobs SET lease_until = 1 WHERE id = {suspect}")).await;
    assert_eq!(fixture.rescue().await[0].crashes, 2);
    fixture.expire().await;
    assert_eq!(fixture.rescue().await[0].crashes, 0);
}

async fn take(fixture: &Fixture, rate: Rate, limit: usize) -> (usize, Option<Duration>) {
    fixture
        .write(async move |conn: &mut Conn| {
            let mut front = store::Front::new("notes");
            let (jobs, wait) = store::take(conn, &mut front, rate, limit, "w1", LEASE).await?;
            Ok((jobs.len(), wait))
        })
        .await
}

async fn a_rate_lets_so_many_through_and_no_more(fixture: Fixture) {
    let rate = Rate { jobs: 6, per: Duration::from_secs(3600) };
    fixture.enqueue_many(20).await;
    assert_eq!(take(&fixture, rate, 4).await, (4, None));
    let (jobs, wait) = take(&fixture, rate, 4).await;
    assert_eq!(jobs, 2);
    let wait = wait.unwrap();
    assert!(wait > Duration::from_secs(500) && wait <= Duration::from_secs(600), "{wait:?}");
    assert_eq!(take(&fixture, rate, 4).await.0, 0);
    // Twenty minutes later there is room for two.
    fixture.sql("UPDATE spanbox_rates SET busy_until = busy_until - 1200000000").await;
    assert_eq!(take(&fixture, rate, 4).await.0, 2);
    // However long nothing happened, no more than six at once.
    fixture.sql("UPDATE spanbox_rates SET busy_until = 0").await;
    assert_eq!(take(&fixture, rate, 20).await.0, 6);
    // A clock that was set back does not stop the queue for longer than the rate does.
    fixture.sql("UPDATE spanbox_rates SET busy_until = busy_until + 360000000000").await;
    let (jobs, wait) = take(&fixture, rate, 4).await;
    assert_eq!(jobs, 0);
    assert!(wait.unwrap() <= Duration::from_secs(600));
    // Nor is it stopped anew by every look: after that time it goes on.
    fixture.sql("UPDATE spanbox_rates SET busy_until = busy_until - 600000000").await;
    assert_eq!(take(&fixture, rate, 4).await.0, 1);
}

async fn a_rate_that_was_raised_holds_at_once(fixture: Fixture) {
    fixture.enqueue_many(20).await;
    let hour = Duration::from_secs(3600);
    assert_eq!(take(&fixture, Rate { jobs: 1, per: hour }, 4).await.0, 1);
    let raised = Rate { jobs: 3_600_000_000, per: hour };
    let mut looks = 0;
    while take(&fixture, raised, 1).await.0 == 0 {
        looks += 1;
        assert!(looks < 10_000, "what was booked under the slower rate stops it");
    }
}

async fn a_rate_counts_what_was_leased_and_not_what_was_asked_for(fixture: Fixture) {
    let rate = Rate { jobs: 3, per: Duration::from_secs(3600) };
    fixture.enqueue_many(1).await;
    assert_eq!(take(&fixture, rate, 3).await, (1, None));
    assert_eq!(take(&fixture, rate, 3).await, (0, None));
    fixture.enqueue_many(5).await;
    assert_eq!(take(&fixture, rate, 3).await.0, 2);
}
