//! What is kept, for how long, and what counts as not there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Ground, MINUTE, becomes, on_all};
use crate::ext::cache::{Backend, Cache, CacheSettings, Namespace};
use crate::redact::Secret;
use crate::telemetry::Telemetry;

on_all!(
    a_value_is_there_until_it_is_deleted,
    a_value_ends_with_its_time,
    any_text_is_a_key,
    what_is_too_large_is_not_kept,
    garbage_and_what_an_older_version_wrote_is_not_there,
    the_backend_bypassed_for_one_key_serves_the_others,
);

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Thing {
    id: u64,
    name: String,
}

fn thing(id: u64) -> Thing {
    Thing { id, name: "Ada".to_owned() }
}

async fn a_value_is_there_until_it_is_deleted(ground: Ground) {
    let things: Namespace<Thing> = ground.cache.namespace("things", 1);
    assert_eq!(things.get("7").await, None);
    things.set("7", &thing(7), MINUTE).await;
    let there: Namespace<Thing> = ground.other().namespace("things", 1);
    assert_eq!(there.get("7").await, Some(thing(7)));
    let others: Namespace<Thing> = ground.cache.namespace("others", 1);
    assert_eq!(others.get("7").await, None);
    things.delete("7").await;
    assert_eq!((things.get("7").await, there.get("7").await), (None, None));
}

async fn a_value_ends_with_its_time(ground: Ground) {
    let things: Namespace<u8> = ground.cache.namespace("things", 1);
    things.set("short", &1, Duration::from_millis(50)).await;
    things.set("long", &2, MINUTE).await;
    let asked = things.clone();
    becomes("the value ends", move || {
        let asked = asked.clone();
        Box::pin(async move { asked.get("short").await.is_none() })
    })
    .await;
    assert_eq!(things.get("long").await, Some(2));
}

async fn any_text_is_a_key(ground: Ground) {
    let things: Namespace<usize> = ground.cache.namespace("things", 1);
    let long = "x".repeat(10_000);
    let keys = ["", "a b", "a\r\nflush_all\r\n", "ä", "#", "\0", &long, &long[1..], "*"];
    for (n, key) in keys.iter().enumerate() {
        things.set(key, &n, MINUTE).await;
    }
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(things.get(key).await, Some(n), "{key:?}");
    }
}

async fn what_is_too_large_is_not_kept(ground: Ground) {
    let texts: Namespace<String> = ground.cache.namespace("texts", 1);
    let large = "x".repeat(ground.settings.max_value_bytes);
    texts.set("a", &large, MINUTE).await;
    let loaded = texts.get_or_load("a", MINUTE, async || Ok::<_, ()>(large.clone())).await.unwrap();
    assert_eq!((loaded.len(), texts.get("a").await), (large.len(), None));
    // With its quotes it fills what it may.
    let fits = &large[2..];
    texts.set("b", &fits.to_owned(), MINUTE).await;
    assert_eq!(texts.get("b").await.as_deref(), Some(fits));
}

async fn garbage_and_what_an_older_version_wrote_is_not_there(ground: Ground) {
    let things: Namespace<Thing> = ground.cache.namespace("things", 1);
    let backend: Backend = ground.cache.inner.as_ref().unwrap().backend.clone();
    let key = "test:things.1.1:7";
    for garbage in
        [&b""[..], b"{}", b"V", b"\xff\xfe\0", b"V1234567890123456\xff\xff\xff\xff\xff\xff\xff\xff{"]
    {
        backend.put(key, garbage, MINUTE).await.unwrap();
        assert_eq!(things.get("7").await, None, "{garbage:?}");
        backend.put(key, garbage, MINUTE).await.unwrap();
        let loaded = things.get_or_load("7", MINUTE, async || Ok::<_, ()>(thing(7))).await;
        assert_eq!(loaded, Ok(thing(7)), "{garbage:?}");
        assert_eq!(things.get("7").await, Some(thing(7)), "it is in the place of {garbage:?}");
        things.delete("7").await;
    }
    // Another type without another version.
    let older: Namespace<Vec<u8>> = ground.cache.namespace("things", 1);
    older.set("8", &vec![1, 2], MINUTE).await;
    assert_eq!(things.get_or_load("8", MINUTE, async || Ok::<_, ()>(thing(8))).await, Ok(thing(8)));
    // And with one.
    let newer: Namespace<Thing> = ground.cache.namespace("things", 2);
    assert_eq!(newer.get("8").await, None);
}

async fn the_backend_bypassed_for_one_key_serves_the_others(ground: Ground) {
    let things: Namespace<u8> = ground.cache.namespace("things", 1);
    things.set("a", &1, MINUTE).await;
    things.set("b", &2, MINUTE).await;
    things.invalidate("a");
    assert_eq!((things.get("a").await, things.get("b").await), (None, Some(2)));
}

#[actix::test]
async fn memory_is_bounded_by_bytes() {
    let url = Some(Secret::new("memory://".to_owned()));
    let settings = CacheSettings { url, max_memory_bytes: 100_000, ..CacheSettings::default() };
    let cache = Cache::start("test", &settings, &Telemetry::disabled()).unwrap();
    let texts: Namespace<String> = cache.namespace("texts", 1);
    for n in 0..1000 {
        texts.set(&n.to_string(), &"x".repeat(1000), MINUTE).await;
    }
    let mut kept = 0;
    for n in 0..1000 {
        kept += usize::from(texts.get(&n.to_string()).await.is_some());
    }
    assert!((1..=120).contains(&kept), "{kept} of 1000 KB are kept in 100 KB");
}

#[actix::test]
async fn a_cache_that_is_off_loads_each_time() {
    let cache = Cache::start("test", &CacheSettings::default(), &Telemetry::disabled()).unwrap();
    let things: Namespace<u8> = cache.namespace("things", 1);
    things.set("a", &1, MINUTE).await;
    assert!(!cache.is_on() && things.get("a").await.is_none());
    for n in [2, 3] {
        assert_eq!(things.get_or_load("a", MINUTE, async || Ok::<_, ()>(n)).await, Ok(n));
    }
}
