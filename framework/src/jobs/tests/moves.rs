use std::collections::HashMap;

use super::store::Then;
use super::*;

on_both!(a_random_history_only_moves_as_documented);

/// A small generator, so that a seed tells the whole history.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

async fn a_random_history_only_moves_as_documented(fixture: Fixture) {
    for seed in 1..=6 {
        history(&fixture, seed).await;
    }
}

/// Whatever is called in whatever order, with leases that may be stale: between two calls a job moves along the picture
/// at [`State`], its token never falls, and nothing is lost.
async fn history(fixture: &Fixture, seed: u64) {
    fixture.sql("DELETE FROM spanbox_jobs").await;
    let mut chance = Chance(seed);
    let mut known: HashMap<i64, (State, i64)> = HashMap::new();
    let mut leases: Vec<Held> = Vec::new();
    for step in 0..150 {
        let some_id = known.keys().copied().nth(chance.below(known.len().max(1))).unwrap_or(1);
        let some_lease =
            leases.get(chance.below(leases.len().max(1))).copied().unwrap_or(Held { id: 1, token: 1 });
        match chance.below(11) {
            0 | 1 => {
                let mut job = note("x").max_attempts(3);
                if chance.below(2) == 0 {
                    job = job.unique(format!("k{}", chance.below(3)), Duration::ZERO);
                }
                let stored = fixture.enqueue(job).await;
                let new = known.insert(stored.id, (State::Available, 0));
                assert_eq!(new.is_none(), stored.fresh, "seed {seed} step {step}");
                if let Some(before) = new {
                    known.insert(stored.id, before);
                }
            }
            2 | 3 => leases.extend(fixture.lease(2).await.iter().map(Leased::held)),
            4 => drop(fixture.complete(vec![some_lease]).await),
            5 => {
                fixture.fail(some_lease, Then::RetryIn(Duration::ZERO)).await;
            }
            6 => {
                let then = [Then::GiveUp, Then::Park, Then::GiveBack][chance.below(3)];
                fixture.fail(some_lease, then).await;
            }
            7 => {
                fixture.expire().await;
                fixture.rescue().await;
            }
            8 => drop(
                fixture.write(async move |conn: &mut Conn| Ok(store::cancel(conn, some_id).await?)).await,
            ),
            9 => {
                fixture.write(async move |conn: &mut Conn| Ok(store::retry(conn, some_id).await?)).await;
            }
            _ => drop(
                fixture.write(async move |conn: &mut Conn| Ok(store::discard(conn, some_id).await?)).await,
            ),
        }
        for (id, before) in &mut known {
            let record = fixture.get(*id).await;
            let now = (record.state().unwrap(), record.token);
            let moved = before.0 == now.0 || before.0.may_become(now.0);
            assert!(moved && now.1 >= before.1, "seed {seed} step {step} job {id}: {before:?} to {now:?}");
            assert_eq!(
                now.1 > before.1,
                before.0 == State::Available && now.0 == State::Running,
                "seed {seed} step {step}"
            );
            *before = now;
        }
    }
    let held = "SELECT COUNT(*) - COUNT(DISTINCT unique_key) AS number FROM spanbox_jobs WHERE unique_held";
    assert_eq!(fixture.number(held).await, 0);
}
