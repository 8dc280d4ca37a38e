use super::store::{Count, Then};
use super::*;

on_both!(
    a_waiting_job_is_cancelled_at_once_and_a_running_one_when_it_ends,
    a_running_job_that_completes_was_not_cancelled,
    dead_and_parked_jobs_are_retried_or_discarded_and_others_are_not,
    pruning_forgets_what_is_old_in_bounded_batches_and_nothing_else,
    counts_are_by_queue_and_state_up_to_a_limit,
    the_backlog_tells_what_is_due_and_since_when,
    a_list_is_read_by_pages,
);

async fn cancel(fixture: &Fixture, id: i64) -> Option<State> {
    fixture.write(async move |conn: &mut Conn| Ok(store::cancel(conn, id).await?)).await
}

async fn retry(fixture: &Fixture, id: i64) -> bool {
    fixture.write(async move |conn: &mut Conn| Ok(store::retry(conn, id).await?)).await
}

async fn discard(fixture: &Fixture, id: i64) -> bool {
    fixture.write(async move |conn: &mut Conn| Ok(store::discard(conn, id).await?)).await
}

async fn a_waiting_job_is_cancelled_at_once_and_a_running_one_when_it_ends(fixture: Fixture) {
    let waiting = fixture.enqueue(note("x")).await.id;
    assert_eq!(cancel(&fixture, waiting).await, Some(State::Cancelled));
    assert_eq!(cancel(&fixture, waiting).await, None);
    assert!(fixture.lease(1).await.is_empty());
    for then in [Then::RetryIn(Duration::ZERO), Then::GiveUp, Then::GiveBack, Then::Park] {
        let job = fixture.leased().await;
        let held = job.held();
        assert_eq!(cancel(&fixture, job.id).await, Some(State::Running));
        let beat = fixture
            .write(async move |conn: &mut Conn| Ok(store::heartbeat(conn, &[held], LEASE).await?))
            .await;
        assert!(beat[0].cancel_requested);
        assert_eq!(fixture.fail(held, then).await, Some(State::Cancelled), "{then:?}");
    }
    let orphan = fixture.leased().await;
    cancel(&fixture, orphan.id).await;
    fixture.expire().await;
    assert_eq!(fixture.rescue().await[0].state, State::Cancelled);
}

async fn a_running_job_that_completes_was_not_cancelled(fixture: Fixture) {
    let job = fixture.leased().await;
    cancel(&fixture, job.id).await;
    assert_eq!(fixture.complete(vec![job.held()]).await.len(), 1);
    assert_eq!(fixture.state(job.id).await, State::Completed);
}

async fn dead_and_parked_jobs_are_retried_or_discarded_and_others_are_not(fixture: Fixture) {
    for then in [Then::GiveUp, Then::Park] {
        let job = fixture.leased().await;
        assert!(!retry(&fixture, job.id).await && !discard(&fixture, job.id).await, "while it runs");
        fixture.fail(job.held(), then).await;
        assert!(retry(&fixture, job.id).await);
        assert!(!retry(&fixture, job.id).await, "it is not dead any more");
        let again = fixture.lease(1).await.remove(0);
        assert_eq!((again.id, again.attempt, again.token), (job.id, 1, 2));
        fixture.fail(again.held(), then).await;
        assert!(discard(&fixture, job.id).await);
        assert_eq!(fixture.state(job.id).await, State::Cancelled);
        assert!(!retry(&fixture, job.id).await && !discard(&fixture, job.id).await, "at its end");
    }
}

async fn pruning_forgets_what_is_old_in_bounded_batches_and_nothing_else(fixture: Fixture) {
    fixture.enqueue_many(30).await;
    let jobs = fixture.lease(25).await;
    fixture.complete(jobs[..20].iter().map(Leased::held).collect()).await;
    fixture.fail(jobs[20].held(), Then::GiveUp).await;
    fixture.fail(jobs[21].held(), Then::Park).await;
    // Ten in the same queue and two in another are old.
    let old = "UPDATE spanbox_jobs SET finished_at = finished_at - 7200000000";
    fixture.sql(format!("{old} WHERE id <= {}", jobs[9].id)).await;
    fixture.sql(format!("{old}, queue = 'others' WHERE id IN ({}, {})", jobs[18].id, jobs[19].id)).await;
    let prune = async |state: State, limit: usize| {
        let hour = Duration::from_secs(3600);
        fixture.write(async move |conn: &mut Conn| Ok(store::prune(conn, state, hour, limit).await?)).await
    };
    assert_eq!(prune(State::Completed, 5).await, 5);
    assert_eq!(prune(State::Completed, 6).await, 6);
    assert_eq!(prune(State::Completed, 100).await, 1);
    for state in State::ALL {
        assert_eq!(prune(state, 100).await, 0, "{state}");
    }
    fixture.sql("UPDATE spanbox_jobs SET finished_at = 1 WHERE finished_at IS NOT NULL").await;
    for (state, gone) in [(State::Parked, 0), (State::Available, 0), (State::Running, 0), (State::Dead, 1)] {
        assert_eq!(prune(state, 100).await, gone, "{state}");
    }
    assert_eq!(fixture.number("SELECT COUNT(*) AS number FROM spanbox_jobs").await, 17);
}

async fn counts_are_by_queue_and_state_up_to_a_limit(fixture: Fixture) {
    fixture.enqueue_many(12).await;
    for queue in ["b", "a"] {
        let _ = fixture.enqueue(note("x").queue(queue)).await;
    }
    let jobs = fixture.lease(5).await;
    fixture.complete(vec![jobs[0].held(), jobs[1].held()]).await;
    fixture.fail(jobs[2].held(), Then::GiveUp).await;
    let counts = async |limit: usize| {
        fixture.db.read(async move |conn: &mut Conn| store::counts(conn, limit).await).await.unwrap()
    };
    let expected = |queue: &str, state, jobs| Count { queue: queue.to_owned(), state, jobs };
    assert_eq!(
        counts(100).await,
        [
            expected("a", State::Available, 1),
            expected("b", State::Available, 1),
            expected("notes", State::Available, 7),
            expected("notes", State::Running, 2),
            expected("notes", State::Completed, 2),
            expected("notes", State::Dead, 1),
        ]
    );
    assert!(counts(3).await.contains(&expected("notes", State::Available, 3)));
}

async fn the_backlog_tells_what_is_due_and_since_when(fixture: Fixture) {
    let backlog = async || {
        fixture.db.read(async |conn: &mut Conn| store::backlog(conn, "notes", 100).await).await.unwrap()
    };
    assert_eq!(backlog().await, store::Backlog { due: 0, oldest: None, next_in: None });
    let _ = fixture.enqueue(note("later").delay(Duration::from_secs(1000))).await;
    let later = backlog().await;
    assert_eq!((later.due, later.oldest), (0, None));
    let next = later.next_in.unwrap().as_secs();
    assert!((900..=1000).contains(&next), "{next}");
    for priority in [1, 1, 8] {
        let _ = fixture.enqueue(note("now").priority(priority)).await;
    }
    fixture.sql("UPDATE spanbox_jobs SET run_at = run_at - 40000000 WHERE priority = 8").await;
    let now = backlog().await;
    assert_eq!((now.due, now.next_in), (3, None));
    assert!((40..100).contains(&now.oldest.unwrap().as_secs()), "{now:?}");
}

async fn a_list_is_read_by_pages(fixture: Fixture) {
    fixture.enqueue_many(23).await;
    for priority in [9, 0] {
        let _ = fixture.enqueue(note("x").queue("others").priority(priority)).await;
    }
    let pages = async |state: State, queue: Option<&'static str>| {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = fixture
                .db
                .read(async move |conn: &mut Conn| store::list(conn, state, queue, after, 4).await)
                .await
                .unwrap();
            let Some(last) = page.last() else { return all };
            let text = last.cursor().to_string();
            after = Some(text.parse().unwrap());
            all.extend(page.into_iter().map(|job| (job.priority, job.id)));
        }
    };
    let waiting = pages(State::Available, None).await;
    assert_eq!(waiting.len(), 25);
    assert_eq!((waiting[0].0, waiting[24].0), (0, 9));
    assert!(waiting.is_sorted());
    assert_eq!(pages(State::Available, Some("notes")).await.len(), 23);
    let jobs = fixture.lease(23).await;
    let running = pages(State::Running, Some("notes")).await;
    assert!(running.len() == 23 && running.is_sorted_by(|a, b| a.1 > b.1));
    // Many of one time.
    fixture.complete(jobs.iter().map(Leased::held).collect()).await;
    let completed = pages(State::Completed, None).await;
    assert!(completed.len() == 23 && completed.is_sorted_by(|a, b| a.1 > b.1), "{completed:?}");
    assert!("1.2".parse::<store::Cursor>().is_err() && "x".parse::<store::Cursor>().is_err());
}
