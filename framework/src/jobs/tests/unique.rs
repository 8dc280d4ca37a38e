use std::collections::HashMap;

use futures_util::future::join_all;

use super::store::Then;
use super::*;

on_both!(
    sixty_four_clients_make_one_job_of_each_key,
    a_key_is_free_again_when_its_job_is_done,
    a_period_outlives_the_job_and_ends,
    a_unique_job_that_retries_does_not_meet_itself,
    a_batch_meets_itself_and_others,
    keys_of_other_kinds_or_rolled_back_are_free,
    a_dead_job_gives_its_key_up_and_takes_it_back_only_if_it_is_free,
    keys_in_use_are_told_from_those_that_are_free,
);

async fn sixty_four_clients_make_one_job_of_each_key(fixture: Fixture) {
    let client = async |client: usize| {
        let mut ids = HashMap::new();
        for n in 0..100 {
            // Each in an order of its own.
            let key = (n * 37 + client * 11) % 100;
            let stored = fixture.enqueue(note("x").unique(format!("k{key}"), Duration::ZERO)).await;
            ids.insert(key, stored);
        }
        ids
    };
    let all = join_all((0..64).map(client)).await;
    assert_eq!(fixture.number("SELECT COUNT(*) AS number FROM spanbox_jobs").await, 100);
    for key in 0..100 {
        let fresh = all.iter().filter(|ids| ids[&key].fresh).count();
        assert_eq!(fresh, 1, "key {key}");
        assert!(all.iter().all(|ids| ids[&key].id == all[0][&key].id), "key {key}");
    }
}

fn keyed(period: u64) -> Enqueue<Note> {
    note("x").unique("k", Duration::from_secs(period))
}

async fn a_key_is_free_again_when_its_job_is_done(fixture: Fixture) {
    let first = fixture.enqueue(keyed(0)).await;
    let met = fixture.enqueue(keyed(0)).await;
    assert_eq!((met.id, met.fresh), (first.id, false));
    let held = fixture.lease(1).await.remove(0).held();
    assert!(!fixture.enqueue(keyed(0)).await.fresh, "while it runs");
    fixture.complete(vec![held]).await;
    let second = fixture.enqueue(keyed(0)).await;
    assert!(second.fresh && second.id != first.id);
    // However it ends.
    for end in ["give up", "cancel", "crash"] {
        let job = fixture.lease(1).await.remove(0);
        let (id, held) = (job.id, job.held());
        match end {
            "give up" => assert_eq!(fixture.fail(held, Then::GiveUp).await, Some(State::Dead)),
            "cancel" => {
                fixture.write(async move |conn: &mut Conn| Ok(store::cancel(conn, id).await?)).await;
                assert_eq!(fixture.fail(held, Then::GiveBack).await, Some(State::Cancelled));
            }
            _ => {
                fixture.expire().await;
                fixture.write(async |conn: &mut Conn| Ok(store::rescue(conn, 1, 1).await?)).await;
            }
        }
        assert!(fixture.enqueue(keyed(0)).await.fresh, "{end}");
    }
}

async fn a_period_outlives_the_job_and_ends(fixture: Fixture) {
    let first = fixture.enqueue(keyed(600)).await;
    let held = fixture.lease(1).await.remove(0).held();
    fixture.complete(vec![held]).await;
    let met = fixture.enqueue(keyed(600)).await;
    assert_eq!((met.id, met.fresh), (first.id, false));
    // Not forgotten while it holds the key, however old.
    let kept = fixture
        .write(async |conn: &mut Conn| Ok(store::prune(conn, State::Completed, Duration::ZERO, 10).await?))
        .await;
    assert_eq!(kept, 0);
    fixture.sql("UPDATE spanbox_jobs SET unique_until = unique_until - 601000000").await;
    let next = fixture.enqueue(keyed(600)).await;
    assert!(next.fresh && next.id != first.id);
    // A period that is over does not free a key whose job is not done.
    fixture.sql("UPDATE spanbox_jobs SET unique_until = 1").await;
    assert!(!fixture.enqueue(keyed(600)).await.fresh);
}

async fn a_unique_job_that_retries_does_not_meet_itself(fixture: Fixture) {
    let id = fixture.enqueue(keyed(600)).await.id;
    for attempt in 1..=3 {
        let job = fixture.lease(1).await.remove(0);
        assert_eq!((job.id, job.attempt), (id, attempt));
        assert_eq!(fixture.fail(job.held(), Then::RetryIn(Duration::ZERO)).await, Some(State::Available));
        assert!(!fixture.enqueue(keyed(0)).await.fresh);
        fixture.sql("UPDATE spanbox_jobs SET run_at = 0").await;
    }
}

async fn a_batch_meets_itself_and_others(fixture: Fixture) {
    let before = fixture.enqueue(note("x").unique("a", Duration::ZERO)).await;
    let done = fixture.enqueue(note("x").unique("over", Duration::from_secs(1))).await;
    fixture
        .sql(format!(
            "UPDATE spanbox_jobs SET state = 'completed', finished_at = 1, unique_until = 1 WHERE id = {}",
            done.id
        ))
        .await;
    let jobs: Vec<_> = [Some("b"), None, Some("a"), Some("b"), Some("over"), None]
        .into_iter()
        .map(|key| match key {
            Some(key) => note(key).unique(key, Duration::ZERO),
            None => note("none"),
        })
        .collect();
    let stored =
        fixture.write(async move |conn: &mut Conn| crate::jobs::enqueue_many(conn, jobs).await).await;
    let fresh: Vec<_> = stored.iter().map(|stored| stored.fresh).collect();
    assert_eq!(fresh, [true, true, false, false, true, true]);
    assert_eq!((stored[2].id, stored[3].id), (before.id, stored[0].id));
    assert_ne!(stored[4].id, done.id);
    for (n, text) in [(0, "b"), (1, "none"), (4, "over"), (5, "none")] {
        assert_eq!(fixture.get(stored[n].id).await.payload, format!(r#"{{"text":"{text}"}}"#));
    }
}

#[derive(Serialize, Deserialize)]
struct Other;

impl Job for Other {
    const NAME: &'static str = "other";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

async fn keys_of_other_kinds_or_rolled_back_are_free(fixture: Fixture) {
    let rolled_back: Result<(), JobsError> = fixture
        .db
        .write(async |conn: &mut Conn| {
            assert!(keyed(600).enqueue(conn).await?.fresh);
            Err(DbError::Closed.into())
        })
        .await;
    assert!(rolled_back.is_err());
    assert!(fixture.enqueue(keyed(600)).await.fresh);
    let other = Enqueue::new(Other).unique("k", Duration::ZERO);
    assert!(fixture.write(async move |conn: &mut Conn| other.enqueue(conn).await).await.fresh);
}

async fn a_dead_job_gives_its_key_up_and_takes_it_back_only_if_it_is_free(fixture: Fixture) {
    let first = fixture.enqueue(keyed(0)).await.id;
    let held = fixture.lease(1).await.remove(0).held();
    fixture.fail(held, Then::GiveUp).await;
    let retry =
        async || fixture.write(async move |conn: &mut Conn| Ok(store::retry(conn, first).await?)).await;
    let second = fixture.enqueue(keyed(0)).await;
    assert!(second.fresh);
    assert!(!retry().await, "another holds the key");
    let held = fixture.lease(1).await.remove(0).held();
    fixture.complete(vec![held]).await;
    assert!(retry().await);
    assert_eq!(fixture.enqueue(keyed(0)).await, Enqueued { id: first, fresh: false });
}

async fn keys_in_use_are_told_from_those_that_are_free(fixture: Fixture) {
    let used = async |fixture: &Fixture| {
        let mut used: Vec<_> = fixture
            .write(async |conn: &mut Conn| {
                store::keys_in_use(conn, "note", &["a", "b", "c", "d"].map(str::to_owned)).await
            })
            .await
            .into_iter()
            .collect();
        used.sort_unstable();
        used
    };
    let none: [&str; 0] = [];
    assert_eq!(used(&fixture).await, none);
    for (key, period) in [("a", 0), ("b", 3600), ("c", 0)] {
        let _ = fixture.enqueue(note("x").unique(key, Duration::from_secs(period))).await;
    }
    assert_eq!(used(&fixture).await, ["a", "b", "c"], "while they wait");
    let leased = fixture.lease(3).await;
    assert_eq!(used(&fixture).await, ["a", "b", "c"], "while they run");
    fixture.fail(leased[0].held(), Then::GiveUp).await;
    fixture.complete(vec![leased[1].held()]).await;
    fixture.fail(leased[2].held(), Then::Park).await;
    assert_eq!(used(&fixture).await, ["b", "c"], "a is dead, b has an hour, c is parked");
    let other = fixture
        .write(async |conn: &mut Conn| store::keys_in_use(conn, "other", &["b".to_owned()]).await)
        .await;
    assert!(other.is_empty(), "keys are of one kind");
}
