//! A backend that is away or silent only slows, and is used again when it is back.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::join_all;

use super::{Ground, MINUTE, becomes, on_servers};
use crate::ext::Installed as _;
use crate::ext::cache::{Cache, Namespace};

on_servers!(
    one_that_is_silent_only_slows_and_is_used_again,
    one_that_is_killed_only_slows_and_is_used_again,
    what_it_was_not_told_of_while_it_was_silent_it_is_told_before_it_is_read,
    commands_that_are_given_up_leave_no_answers_to_others,
);

fn is_open(cache: &Cache) -> bool {
    cache.inner.as_ref().unwrap().breaker.is_open()
}

/// Loads many keys at once, each of which answers with its number.
async fn crowd(things: &Namespace<usize>) {
    let asked = (0..64).map(async |n| {
        let loaded = things.get_or_load(&n.to_string(), MINUTE, async || Ok::<_, ()>(n)).await;
        assert_eq!(loaded, Ok(n));
    });
    join_all(asked).await;
}

/// Uses it until the cache has given the backend up, and then checks that nobody waits for it.
async fn is_given_up(cache: &Cache, things: &Namespace<usize>) {
    let rounds = Rc::new(Cell::new(0));
    while !is_open(cache) {
        crowd(things).await;
        rounds.set(rounds.get() + 1);
        assert!(rounds.get() < 100, "it is never given up");
    }
    let check = cache.check().unwrap();
    let health = crate::web::Health::new([check]).readiness().await;
    let shown = serde_json::to_string(&health).unwrap();
    assert!(shown.contains(r#""status":"ready""#) && shown.contains(r#""status":"degraded""#), "{shown}");
    crowd(things).await;
}

async fn is_used_again(cache: &Cache, things: &Namespace<usize>) {
    let watched = cache.clone();
    let took = becomes("the cache is back", move || {
        let closed = !is_open(&watched);
        Box::pin(async move { closed })
    })
    .await;
    println!("recovered after {took:?}");
    // What another process had begun and not kept may be in the way for as long as a lease.
    things.set("new", &7, MINUTE).await;
    assert_eq!(things.get("new").await, Some(7));
    crowd(things).await;
}

async fn one_that_is_silent_only_slows_and_is_used_again(mut ground: Ground) {
    ground.impatient();
    let things = ground.cache.namespace("things", 1);
    crowd(&things).await;
    ground.pause();
    is_given_up(&ground.cache, &things).await;
    ground.resume();
    is_used_again(&ground.cache, &things).await;
}

async fn one_that_is_killed_only_slows_and_is_used_again(mut ground: Ground) {
    ground.impatient();
    let things = ground.cache.namespace("things", 1);
    crowd(&things).await;
    ground.kill();
    is_given_up(&ground.cache, &things).await;
    ground.start_again();
    is_used_again(&ground.cache, &things).await;
}

async fn what_it_was_not_told_of_while_it_was_silent_it_is_told_before_it_is_read(mut ground: Ground) {
    ground.impatient();
    let things: Namespace<usize> = ground.cache.namespace("things", 1);
    things.set("a", &1, MINUTE).await;
    ground.pause();
    things.invalidate("a");
    is_given_up(&ground.cache, &things).await;
    ground.resume();
    is_used_again(&ground.cache, &things).await;
    assert_eq!(things.get("a").await, None, "it was out of date");
    let there: Namespace<usize> = ground.other().namespace("things", 1);
    assert_eq!(there.get("a").await, None, "for all");
}

async fn commands_that_are_given_up_leave_no_answers_to_others(ground: Ground) {
    let things: Namespace<usize> = ground.cache.namespace("things", 1);
    for n in 0..64 {
        things.set(&n.to_string(), &n, MINUTE).await;
    }
    // Each is asked and dropped before it is answered; what it would have been answered must reach nobody else.
    for round in 0..20 {
        let dropped = (0..64).map(async |n: usize| {
            let key = n.to_string();
            tokio::select! {
                biased;
                value = things.get(&key) => assert_eq!(value, Some(n)),
                () = async { for _ in 0..round { tokio::task::yield_now().await; } } => {}
            }
        });
        join_all(dropped).await;
        let asked = (0..64).map(async |n| things.get(&n.to_string()).await);
        let values = join_all(asked).await;
        assert!(
            values.iter().enumerate().all(|(n, value)| value.is_none_or(|value| value == n)),
            "{values:?}"
        );
    }
    let asked = (0..64).map(async |n| (n, things.get(&n.to_string()).await));
    for (n, value) in join_all(asked).await {
        assert_eq!(value, Some(n));
    }
}
