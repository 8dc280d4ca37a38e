use tokio::time::timeout;

use super::stage::SOON;
use super::store::{Then, Unfinished};
use super::*;

on_both!(
    a_stale_token_changes_no_row,
    a_completion_before_a_rescue_wins,
    a_completion_after_a_rescue_changes_nothing,
    a_failure_is_due_again_after_its_delay_and_dead_without_attempts,
    giving_up_is_final,
    what_is_given_back_spends_no_attempt,
    what_is_parked_is_visible_and_not_run,
    a_batch_settles_each_by_its_own,
    a_run_that_completes_in_the_callers_transaction_does_so_with_it,
    errors_are_kept_within_bounds,
);

async fn a_stale_token_changes_no_row(fixture: Fixture) {
    let first = fixture.leased().await;
    fixture.expire().await;
    fixture.rescue().await;
    let stale = first.held();
    let touch = async || {
        let before = fixture.get(first.id).await;
        assert!(fixture.complete(vec![stale]).await.is_empty());
        for then in [Then::RetryIn(Duration::ZERO), Then::GiveUp, Then::Park, Then::GiveBack] {
            assert_eq!(fixture.fail(stale, then).await, None);
        }
        fixture
            .write(async move |conn: &mut Conn| {
                assert_eq!(store::heartbeat(conn, &[stale], LEASE).await?, []);
                assert_eq!(store::release(conn, &[stale]).await?, []);
                Ok(())
            })
            .await;
        assert_eq!(fixture.get(first.id).await, before);
    };
    // While it waits, while another has it, and when that one is done.
    touch().await;
    let second = fixture.lease(1).await.remove(0);
    assert_eq!((second.id, second.token), (first.id, first.token + 1));
    touch().await;
    assert_eq!(fixture.complete(vec![second.held()]).await, [first.id]);
    touch().await;
    // And a job that is completed can not be completed again.
    assert!(fixture.complete(vec![second.held()]).await.is_empty());
}

async fn a_completion_before_a_rescue_wins(fixture: Fixture) {
    let job = fixture.leased().await;
    fixture.expire().await;
    let (held, db) = (job.held(), fixture.db.clone());
    fixture
        .write(async move |conn: &mut Conn| {
            assert_eq!(store::complete(conn, &[held]).await?.len(), 1);
            // On PostgreSQL another connection looks for what ran out while the row is held; SQLite has one writer.
            if db.backend() == crate::data::Backend::Postgres {
                let rescued = db.write(async |conn: &mut Conn| store::rescue(conn, 10, 3).await).await?;
                assert_eq!(rescued, []);
            }
            Ok(())
        })
        .await;
    assert_eq!(fixture.rescue().await, []);
    let record = fixture.get(job.id).await;
    assert_eq!((record.state().unwrap(), record.crashes), (State::Completed, 0));
}

async fn a_completion_after_a_rescue_changes_nothing(fixture: Fixture) {
    let job = fixture.leased().await;
    fixture.expire().await;
    let held = job.held();
    let (rescued, now) = tokio::sync::oneshot::channel();
    let rescue = fixture.write(async move |conn: &mut Conn| {
        assert_eq!(store::rescue(conn, 10, 3).await?.len(), 1);
        rescued.send(()).unwrap();
        // On PostgreSQL the completion gets as far as the row; SQLite has one writer.
        let waited_for = async {
            while let Conn::Postgres(_) = conn {
                let waits = sql_query("SELECT COUNT(*) AS number FROM pg_locks WHERE NOT granted");
                if query!(&mut *conn, c => waits.get_result::<Number>(c).await)?.number > 0 {
                    break;
                }
            }
            Ok(())
        };
        timeout(SOON, waited_for).await.expect("the completion never gets as far as the row")
    });
    let complete = async {
        now.await.unwrap();
        fixture.complete(vec![held]).await
    };
    let ((), late) = tokio::join!(rescue, complete);
    assert!(late.is_empty());
    assert_eq!(fixture.state(job.id).await, State::Available);
}

async fn a_failure_is_due_again_after_its_delay_and_dead_without_attempts(fixture: Fixture) {
    let id = fixture.enqueue(note("x").max_attempts(2)).await.id;
    let first = fixture.lease(1).await.remove(0);
    let before = fixture.clock().await;
    assert_eq!(
        fixture.fail(first.held(), Then::RetryIn(Duration::from_secs(30))).await,
        Some(State::Available)
    );
    assert!(fixture.lease(1).await.is_empty());
    let record = fixture.get(id).await;
    assert!(record.run_at >= before + 29_000_000 && record.run_at <= before + 60_000_000);
    assert_eq!((record.error.as_deref(), record.attempt), (Some("it broke"), 1));
    fixture.sql("UPDATE spanbox_jobs SET run_at = 0").await;
    let second = fixture.lease(1).await.remove(0);
    assert_eq!(second.attempt, 2);
    assert_eq!(fixture.fail(second.held(), Then::RetryIn(Duration::ZERO)).await, Some(State::Dead));
    assert!(fixture.get(id).await.finished_at.is_some());
}

async fn giving_up_is_final(fixture: Fixture) {
    let job = fixture.leased().await;
    assert_eq!(fixture.fail(job.held(), Then::GiveUp).await, Some(State::Dead));
    assert!(fixture.lease(1).await.is_empty());
}

async fn what_is_given_back_spends_no_attempt(fixture: Fixture) {
    let id = fixture.enqueue(note("x").max_attempts(1)).await.id;
    for round in 1..=50 {
        let job = fixture.lease(1).await.remove(0);
        assert_eq!((job.id, job.attempt, job.token), (id, 1, round));
        let held = job.held();
        let settled =
            fixture.write(async move |conn: &mut Conn| Ok(store::release(conn, &[held]).await?)).await;
        assert_eq!(settled, [store::Settled { id, state: State::Available }]);
    }
    let record = fixture.get(id).await;
    assert_eq!((record.attempt, record.crashes, record.error), (0, 0, None));
}

async fn what_is_parked_is_visible_and_not_run(fixture: Fixture) {
    let job = fixture.leased().await;
    assert_eq!(fixture.fail(job.held(), Then::Park).await, Some(State::Parked));
    assert!(fixture.lease(10).await.is_empty());
    let parked = fixture
        .db
        .read(async |conn: &mut Conn| store::list(conn, State::Parked, None, None, 10).await)
        .await
        .unwrap();
    assert_eq!((parked[0].id, parked[0].error.as_deref(), parked[0].attempt), (job.id, Some("it broke"), 0));
}

async fn a_batch_settles_each_by_its_own(fixture: Fixture) {
    fixture.enqueue_many(5).await;
    let jobs = fixture.lease(5).await;
    let thens =
        [Then::RetryIn(Duration::from_secs(9)), Then::GiveUp, Then::Park, Then::GiveBack, Then::GiveUp];
    let mut runs: Vec<_> = jobs
        .iter()
        .zip(thens)
        .map(|(job, then)| Unfinished {
            held: job.held(),
            then,
            error: Some(format!("job {}", job.id)),
            trace_id: Some(format!("{:032x}", job.id)),
        })
        .collect();
    runs[4].held.token = 7;
    let mut settled = fixture.write(async move |conn: &mut Conn| Ok(store::settle(conn, &runs).await?)).await;
    settled.sort_unstable_by_key(|settled| settled.id);
    let states: Vec<_> = settled.iter().map(|settled| settled.state).collect();
    assert_eq!(states, [State::Available, State::Dead, State::Parked, State::Available]);
    let record = fixture.get(jobs[1].id).await;
    assert_eq!(record.error, Some(format!("job {}", jobs[1].id)));
    assert_eq!(record.trace_id, Some(format!("{:032x}", jobs[1].id)));
    assert_eq!(fixture.state(jobs[4].id).await, State::Running);
}

async fn a_run_that_completes_in_the_callers_transaction_does_so_with_it(fixture: Fixture) {
    fixture.sql("CREATE TABLE effects (id BIGINT)").await;
    let job = fixture.leased().await;
    let run = async |ctx: JobContext, commits: bool| {
        fixture
            .db
            .write(async move |conn: &mut Conn| -> Result<(), JobError> {
                query!(&mut *conn, c => sql_query("INSERT INTO effects VALUES (1)").execute(c).await)?;
                ctx.complete_in(conn).await?;
                if commits { Ok(()) } else { Err(JobError::retry("something else")) }
            })
            .await
    };
    let ctx = JobContext::new(&job, &fixture.db);
    assert!(run(ctx.clone(), false).await.is_err());
    assert_eq!(fixture.state(job.id).await, State::Running);
    run(ctx, true).await.unwrap();
    assert_eq!(fixture.state(job.id).await, State::Completed);
    // A run whose lease was lost leaves no effect.
    let lost = fixture.leased().await;
    fixture.expire().await;
    fixture.rescue().await;
    let error = run(JobContext::new(&lost, &fixture.db), true).await.unwrap_err();
    assert!(error.is_lost_lease());
    assert_eq!(fixture.number("SELECT COUNT(*) AS number FROM effects").await, 1);
}

async fn errors_are_kept_within_bounds(fixture: Fixture) {
    let job = fixture.leased().await;
    let held = job.held();
    let long = format!("nul \0 {}", "é".repeat(4000));
    let run = Unfinished { held, then: Then::GiveUp, error: Some(long), trace_id: None };
    fixture.write(async move |conn: &mut Conn| Ok(store::settle(conn, &[run]).await?)).await;
    let error = fixture.get(job.id).await.error.unwrap();
    assert!(error.len() <= 4100 && error.starts_with("nul \u{fffd} é"), "{}", error.len());
}
