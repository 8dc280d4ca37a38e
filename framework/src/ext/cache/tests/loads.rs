//! However many ask, one loads.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::{Ground, MINUTE, becomes, on_all};
use crate::context;
use crate::ext::cache::Namespace;

on_all!(
    of_64_that_ask_one_loads,
    when_the_one_who_loads_gives_up_or_panics_another_one_loads,
    when_a_load_fails_each_has_an_error_of_its_own,
    what_is_past_its_time_is_given_while_one_loads,
);

const CROWD: usize = 64;

async fn of_64_that_ask_one_loads(ground: Ground) {
    let things: Namespace<usize> = ground.cache.namespace("things", 1);
    let loads = Rc::new(Cell::new(0));
    let asked = (0..CROWD).map(async |_| {
        let load = async || {
            loads.set(loads.get() + 1);
            tokio::task::yield_now().await;
            Ok::<_, ()>(loads.get())
        };
        things.get_or_load("a", MINUTE, load).await
    });
    assert_eq!(join_all(asked).await, vec![Ok(1); CROWD]);
    assert_eq!((loads.get(), things.get("a").await), (1, Some(1)));
}

async fn when_the_one_who_loads_gives_up_or_panics_another_one_loads(ground: Ground) {
    let things: Namespace<String> = ground.cache.namespace("things", 1);
    let loading = Rc::new(Notify::new());
    let (first, begun) = (things.clone(), Rc::clone(&loading));
    let gives_up = context::spawn(async move {
        let load = async || {
            begun.notify_one();
            std::future::pending::<Result<String, ()>>().await
        };
        first.get_or_load("a", MINUTE, load).await
    });
    loading.notified().await;
    let (second, begun) = (things.clone(), Rc::clone(&loading));
    let panics = context::spawn(async move {
        let load = async || -> Result<String, ()> {
            begun.notify_one();
            panic!("the loader panics on purpose")
        };
        std::panic::AssertUnwindSafe(second.get_or_load("a", MINUTE, load)).catch_unwind().await
    });
    // They wait for the first, the one that panics at their head.
    let inner = ground.cache.inner.clone().unwrap();
    let aboard = async |seats: usize| {
        let inner = inner.clone();
        becomes("all are there", move || {
            let there = inner.flights.aboard("test:things.1.1:a") == seats;
            Box::pin(async move { there })
        })
        .await;
    };
    aboard(2).await;
    let waits = (0..CROWD).map(async |n| {
        let load = async || Ok::<_, ()>(format!("of {n}"));
        things.get_or_load("a", MINUTE, load).await.unwrap()
    });
    let crowd = async {
        aboard(2 + CROWD).await;
        gives_up.abort();
        loading.notified().await;
        assert!(panics.await.unwrap().is_err(), "it panicked");
    };
    let (values, ()) = futures_util::future::join(join_all(waits), crowd).await;
    assert!(values.iter().all(|value| *value == values[0]), "one load for all: {values:?}");
    assert_eq!(things.get("a").await.as_ref(), Some(&values[0]), "it is kept under the lease of the first");
}

async fn when_a_load_fails_each_has_an_error_of_its_own(ground: Ground) {
    let things: Namespace<u8> = ground.cache.namespace("things", 1);
    let asked = (0..CROWD).map(async |n| {
        things
            .get_or_load("a", MINUTE, async || {
                tokio::task::yield_now().await;
                Err::<u8, _>(n)
            })
            .await
    });
    let errors: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap_err).collect();
    assert_eq!(errors, (0..CROWD).collect::<Vec<_>>());
    ground.cache.settled().await;
    assert_eq!(things.get_or_load("a", MINUTE, async || Ok::<_, ()>(1)).await, Ok(1));
    assert_eq!(things.get("a").await, Some(1), "the lease of the one that failed is not in the way");
}

async fn what_is_past_its_time_is_given_while_one_loads(ground: Ground) {
    let things: Namespace<u8> = ground.cache.namespace::<u8>("things", 1).stale_for(MINUTE);
    things.set("a", &1, Duration::from_millis(20)).await;
    let asked = things.clone();
    becomes("it is past its time", move || {
        let asked = asked.clone();
        Box::pin(async move { asked.get("a").await.is_none() })
    })
    .await;
    let (loading, go_on) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
    let (first, begun, wait) = (things.clone(), Rc::clone(&loading), Rc::clone(&go_on));
    let one = context::spawn(async move {
        let load = async || {
            begun.notify_one();
            wait.notified().await;
            Ok::<_, ()>(2)
        };
        first.get_or_load("a", MINUTE, load).await
    });
    loading.notified().await;
    let others = (0..CROWD).map(async |_| things.get_or_load("a", MINUTE, async || Err(())).await);
    assert_eq!(join_all(others).await, vec![Ok(1); CROWD], "they have the old one at once");
    go_on.notify_one();
    assert_eq!(one.await.unwrap(), Ok(2));
    assert_eq!(things.get("a").await, Some(2));
}
