use std::cell::RefCell;
use std::collections::HashSet;

use futures_util::future::join_all;

use super::*;

on_both!(
    the_lowest_priority_number_goes_first_then_what_was_due_first,
    what_is_due_later_waits_and_does_not_hide_what_is_due,
    a_queue_gives_only_its_own,
    two_leasers_never_get_one_job,
    who_goes_on_leasing_gets_what_comes_back_behind_the_front,
    a_heartbeat_prolongs_only_what_is_held,
    a_lease_that_ran_out_is_rescued_and_one_that_is_kept_is_not,
    long_jobs_that_are_kept_do_not_hide_an_orphan,
    a_job_whose_worker_died_three_times_is_dead,
    a_crash_spends_an_attempt,
    a_lease_tells_how_long_the_job_waited,
);

async fn the_lowest_priority_number_goes_first_then_what_was_due_first(fixture: Fixture) {
    let mut expected = Vec::new();
    for (priority, due) in [(9, 1), (5, 3), (5, 2), (0, 4), (1, 9), (5, 2)] {
        let id = fixture.enqueue(note("x").priority(priority)).await.id;
        fixture.sql(format!("UPDATE spanbox_jobs SET run_at = {due} WHERE id = {id}")).await;
        expected.push((priority, due, id));
    }
    expected.sort_unstable();
    let mut got = Vec::new();
    for limit in [1, 2, 2, 9] {
        got.extend(fixture.lease(limit).await.into_iter().map(|job| job.id));
    }
    assert_eq!(got, expected.iter().map(|(_, _, id)| *id).collect::<Vec<_>>());
}

async fn what_is_due_later_waits_and_does_not_hide_what_is_due(fixture: Fixture) {
    let hour = Duration::from_secs(3600);
    let later = fixture.enqueue(note("later").priority(0).delay(hour)).await.id;
    let now = fixture.enqueue(note("now").priority(9)).await.id;
    assert_eq!(fixture.lease(10).await.into_iter().map(|job| job.id).collect::<Vec<_>>(), [now]);
    assert!(fixture.lease(10).await.is_empty());
    fixture.sql("UPDATE spanbox_jobs SET run_at = run_at - 3600000000 WHERE state = 'available'").await;
    assert_eq!(fixture.lease(10).await.into_iter().map(|job| job.id).collect::<Vec<_>>(), [later]);
}

async fn a_queue_gives_only_its_own(fixture: Fixture) {
    let _ = fixture.enqueue(note("other").queue("others")).await;
    assert!(fixture.lease(10).await.is_empty());
    let other =
        fixture.write(async |conn: &mut Conn| Ok(store::lease(conn, "others", 10, "w1", LEASE).await?)).await;
    assert_eq!(other.len(), 1);
}

async fn two_leasers_never_get_one_job(fixture: Fixture) {
    fixture.enqueue_many(1000).await;
    let seen = RefCell::new(HashSet::new());
    let leaser = async |_: usize| {
        loop {
            let batch = fixture.lease(7).await;
            // SKIP LOCKED may pass a row over that its holder then gives up, so nothing is not yet the end.
            if batch.is_empty() && seen.borrow().len() == 1000 {
                return;
            }
            for job in batch {
                assert_eq!((job.attempt, job.token), (1, 1));
                assert!(seen.borrow_mut().insert(job.id), "job {} was leased twice", job.id);
            }
        }
    };
    join_all((0..64).map(leaser)).await;
    assert_eq!(seen.borrow().len(), 1000);
    assert_eq!(fixture.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE token <> 1").await, 0);
}

async fn who_goes_on_leasing_gets_what_comes_back_behind_the_front(fixture: Fixture) {
    let mut ids = Vec::new();
    for due in 1..=8 {
        let id = fixture.enqueue(note("x").priority(if due <= 4 { 0 } else { 5 })).await.id;
        fixture.sql(format!("UPDATE spanbox_jobs SET run_at = {due} WHERE id = {id}")).await;
        ids.push(id);
    }
    let mut front = store::Front::new("notes");
    let mut lease = async |limit: usize, aged: bool| {
        if aged {
            front.age();
        }
        let mut from = front.clone();
        let (jobs, to) = fixture
            .write(async move |conn: &mut Conn| {
                Ok((store::lease_from(conn, &mut from, limit, "w1", LEASE).await?, from))
            })
            .await;
        front = to;
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let comes_back = async |id: i64| {
        let back = "state = 'available', lease_until = NULL, worker = NULL";
        fixture.sql(format!("UPDATE spanbox_jobs SET {back} WHERE id = {id}")).await;
    };
    assert_eq!(lease(2, false).await, ids[..2]);
    assert_eq!(lease(3, false).await, ids[2..5]);
    comes_back(ids[0]).await;
    // Only PostgreSQL has reason not to look for it at once.
    let mut next = [ids[5], ids[0]];
    if fixture.db.backend() == crate::data::Backend::Sqlite {
        next.reverse();
    }
    assert_eq!(lease(1, false).await, next[..1]);
    assert_eq!(lease(1, true).await, next[1..], "it does not wait longer");
    assert_eq!(lease(1, false).await, [ids[6]]);
    comes_back(ids[4]).await;
    assert_eq!(lease(5, false).await, [ids[4], ids[7]], "nor once there is little else");
    assert!(lease(5, false).await.is_empty());
}

async fn a_heartbeat_prolongs_only_what_is_held(fixture: Fixture) {
    fixture.enqueue_many(3).await;
    let jobs = fixture.lease(3).await;
    let held: Vec<_> = jobs.iter().map(Leased::held).collect();
    fixture.complete(vec![held[0]]).await;
    let stale = Held { token: 0, ..held[1] };
    let beat = fixture
        .write(async move |conn: &mut Conn| {
            Ok(store::heartbeat(conn, &[held[0], stale, held[2]], Duration::from_secs(9000)).await?)
        })
        .await;
    assert_eq!(beat, [store::Beat { id: jobs[2].id, cancel_requested: false }]);
    let until = async |n: usize| fixture.get(jobs[n].id).await.lease_until;
    assert_eq!(until(0).await, None);
    assert!(until(2).await > until(1).await);
}

async fn a_lease_that_ran_out_is_rescued_and_one_that_is_kept_is_not(fixture: Fixture) {
    fixture.enqueue_many(2).await;
    let jobs = fixture.lease(2).await;
    fixture.expire().await;
    let kept = jobs[1].held();
    fixture.write(async move |conn: &mut Conn| Ok(store::heartbeat(conn, &[kept], LEASE).await?)).await;
    let rescued = fixture.rescue().await;
    let (queue, state) = ("notes".to_owned(), State::Available);
    let expected = store::Rescued { id: jobs[0].id, queue, state, crashes: 1 };
    assert_eq!(rescued, [expected]);
    let again = fixture.lease(5).await;
    assert_eq!((again[0].id, again[0].attempt, again[0].token, again[0].crashes), (jobs[0].id, 2, 2, 1));
    assert_eq!(again.len(), 1);
    assert!(fixture.get(jobs[0].id).await.error.unwrap().contains("w1"));
}

async fn long_jobs_that_are_kept_do_not_hide_an_orphan(fixture: Fixture) {
    fixture.enqueue_many(10_001).await;
    let jobs = fixture.lease(10_001).await;
    let orphan = jobs[10_000].id;
    fixture.sql(format!("UPDATE spanbox_jobs SET lease_until = 1 WHERE id = {orphan}")).await;
    let rescued = fixture.write(async |conn: &mut Conn| Ok(store::rescue(conn, 1, 3).await?)).await;
    assert_eq!(rescued.iter().map(|job| job.id).collect::<Vec<_>>(), [orphan]);
}

async fn a_job_whose_worker_died_three_times_is_dead(fixture: Fixture) {
    let id = fixture.enqueue(note("poison")).await.id;
    for state in [State::Available, State::Available, State::Dead] {
        assert_eq!(fixture.lease(1).await.len(), 1);
        fixture.expire().await;
        assert_eq!(fixture.rescue().await[0].state, state);
    }
    let record = fixture.get(id).await;
    assert_eq!((record.state().unwrap(), record.crashes, record.attempt), (State::Dead, 3, 3));
    assert!(record.finished_at.is_some());
    assert!(fixture.lease(1).await.is_empty());
}

async fn a_crash_spends_an_attempt(fixture: Fixture) {
    let _ = fixture.enqueue(note("once").max_attempts(1)).await;
    fixture.lease(1).await;
    fixture.expire().await;
    assert_eq!(fixture.rescue().await[0].state, State::Dead);
}

async fn a_lease_tells_how_long_the_job_waited(fixture: Fixture) {
    let id = fixture.enqueue(note("x")).await.id;
    let moved = "run_at = run_at - 5000000, created_at = created_at - 8000000";
    fixture.sql(format!("UPDATE spanbox_jobs SET {moved} WHERE id = {id}")).await;
    let job = fixture.lease(1).await.remove(0);
    assert!((5.0..65.0).contains(&job.waited.as_secs_f64()), "{:?}", job.waited);
    assert_eq!(job.delayed, Duration::from_secs(3));
}
