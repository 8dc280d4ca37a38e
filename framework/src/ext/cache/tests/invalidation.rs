//! What is out of date is not read, whoever was just reading it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Ground, MINUTE, on_all};
use crate::config::DatabaseSettings;
use crate::context;
use crate::data::{Conn, Db, DbError};
use crate::ext::cache::Namespace;
use crate::redact::Secret;
use crate::telemetry::Telemetry;
use crate::testing::TestDatabase;

on_all!(
    what_a_slow_loader_read_before_is_not_kept,
    who_asks_afterwards_does_not_wait_for_a_load_from_before,
    after_a_commit_nobody_reads_what_was_before_and_after_a_rollback_it_stays,
    with_many_writers_and_readers_the_last_value_is_the_one_that_is_read,
);

/// Somebody who has read a value, and is slow to hand it over.
struct Slow {
    go_on: Rc<Notify>,
    task: JoinHandle<Result<u32, ()>>,
}

async fn slow(things: &Namespace<u32>, read: u32) -> Slow {
    let (loading, go_on) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
    let (things, begun, wait) = (things.clone(), Rc::clone(&loading), Rc::clone(&go_on));
    let task = context::spawn(async move {
        let load = async || {
            begun.notify_one();
            wait.notified().await;
            Ok(read)
        };
        things.get_or_load("a", MINUTE, load).await
    });
    loading.notified().await;
    Slow { go_on, task }
}

impl Slow {
    async fn ends(self) -> u32 {
        self.go_on.notify_one();
        self.task.await.unwrap().unwrap()
    }
}

async fn what_a_slow_loader_read_before_is_not_kept(ground: Ground) {
    let here: Namespace<u32> = ground.cache.namespace("things", 1);
    let other = ground.other();
    let there: Namespace<u32> = other.namespace("things", 1);
    let slow = slow(&here, 1).await;
    // Another process changes it, and says so.
    there.invalidate("a");
    other.settled().await;
    assert_eq!(slow.ends().await, 1, "who asked before may have what was before");
    assert_eq!((here.get("a").await, there.get("a").await), (None, None), "but it is not kept");
    assert_eq!(here.get_or_load("a", MINUTE, async || Ok::<_, ()>(2)).await, Ok(2));
    assert_eq!(there.get("a").await, Some(2));
}

async fn who_asks_afterwards_does_not_wait_for_a_load_from_before(ground: Ground) {
    let things: Namespace<u32> = ground.cache.namespace("things", 1);
    let slow = slow(&things, 1).await;
    things.invalidate("a");
    assert_eq!(things.get_or_load("a", MINUTE, async || Ok::<_, ()>(2)).await, Ok(2));
    assert_eq!(slow.ends().await, 1);
    ground.cache.settled().await;
    assert_ne!(things.get("a").await, Some(1));
}

async fn database() -> (TestDatabase, Db) {
    let database = TestDatabase::fresh().await;
    let settings =
        DatabaseSettings { url: Secret::new(database.url().to_owned()), ..DatabaseSettings::default() };
    let db = Db::connect(&settings, &Telemetry::disabled()).await.unwrap();
    (database, db)
}

async fn after_a_commit_nobody_reads_what_was_before_and_after_a_rollback_it_stays(ground: Ground) {
    let (_database, db) = database().await;
    let things: Namespace<u32> = ground.cache.namespace("things", 1);
    let announced = things.clone();
    db.on_announced("things", move |key| announced.invalidate(key));
    things.set("a", &1, MINUTE).await;
    things.set("b", &1, MINUTE).await;
    let within = things.clone();
    let failed = db.write(async move |conn: &mut Conn| {
        within.invalidate_after(conn, "a");
        conn.announce("things", "b");
        Err::<(), _>(DbError::Closed)
    });
    assert!(failed.await.is_err());
    assert_eq!((things.get("a").await, things.get("b").await), (Some(1), Some(1)), "it was rolled back");
    let within = things.clone();
    let done = db.write(async move |conn: &mut Conn| {
        within.invalidate_after(conn, "a");
        conn.announce("things", "b");
        Ok::<_, DbError>(())
    });
    done.await.unwrap();
    // At once, whatever the backend knows.
    assert_eq!((things.get("a").await, things.get("b").await), (None, None));
    ground.cache.settled().await;
    let there: Namespace<u32> = ground.other().namespace("things", 1);
    assert_eq!((there.get("a").await, there.get("b").await), (None, None));
}

/// The source is a number. Whoever has raised it to `n` and said so never reads less than `n` from then on.
async fn with_many_writers_and_readers_the_last_value_is_the_one_that_is_read(ground: Ground) {
    const ROUNDS: u32 = 50;
    let source = Arc::new(AtomicU32::new(0));
    let other = ground.other();
    let work = [&ground.cache, &other].map(async |cache| {
        let things: Namespace<u32> = cache.namespace("things", 1);
        for _ in 0..ROUNDS {
            let written = source.fetch_add(1, Ordering::SeqCst) + 1;
            things.invalidate("a");
            let read = async || {
                let value = source.load(Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok::<_, ()>(value)
            };
            let reads = join_all((0..4).map(async |_| things.get_or_load("a", MINUTE, read).await.unwrap()));
            for seen in reads.await {
                assert!(seen >= written, "{seen} was read after {written} was written");
            }
            cache.settled().await;
        }
    });
    join_all(work).await;
    ground.cache.settled().await;
    other.settled().await;
    let there: Namespace<u32> = ground.other().namespace("things", 1);
    let last = there.get_or_load("a", MINUTE, async || Ok::<_, ()>(2 * ROUNDS)).await;
    assert_eq!(last, Ok(2 * ROUNDS), "what is kept at the end is the last value");
}
