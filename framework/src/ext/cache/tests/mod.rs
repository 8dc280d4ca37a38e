//! The cache on each of its backends, with real servers, which are stopped and killed.

mod invalidation;
mod kept;
mod loads;
mod outages;
mod recorded;

use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use tokio::time::{interval, timeout};

use super::{Cache, CacheSettings};
use crate::redact::Secret;
use crate::telemetry::Telemetry;
use crate::testing::{MemcachedServer, RedisServer};

const MINUTE: Duration = Duration::from_secs(60);
/// Long, since nothing but a failing test ever waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes each test once and runs it on all backends.
macro_rules! on_all {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[actix::test] async fn $name() { super::$name(crate::ext::cache::tests::Ground::memory()).await; })+
        }
        mod redis {
            $(
                #[actix::test]
                #[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
                async fn $name() { super::$name(crate::ext::cache::tests::Ground::redis()).await; }
            )+
        }
        mod memcached {
            $(
                #[actix::test]
                #[cfg_attr(not(has_memcached), ignore = "Memcached is not installed")]
                async fn $name() { super::$name(crate::ext::cache::tests::Ground::memcached()).await; }
            )+
        }
    };
}
/// The same on those that are servers.
macro_rules! on_servers {
    ($($name:ident),+ $(,)?) => {
        mod redis {
            $(
                #[actix::test]
                #[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
                async fn $name() { super::$name(crate::ext::cache::tests::Ground::redis()).await; }
            )+
        }
        mod memcached {
            $(
                #[actix::test]
                #[cfg_attr(not(has_memcached), ignore = "Memcached is not installed")]
                async fn $name() { super::$name(crate::ext::cache::tests::Ground::memcached()).await; }
            )+
        }
    };
}
use {on_all, on_servers};

/// A backend of a test's own, and a cache on it.
struct Ground {
    server: Server,
    settings: CacheSettings,
    cache: Cache,
}

enum Server {
    None,
    Redis(RedisServer),
    Memcached(MemcachedServer),
}

impl Ground {
    fn memory() -> Self {
        Self::on(Server::None, "memory://".to_owned())
    }

    fn redis() -> Self {
        let server = RedisServer::start().unwrap();
        let url = server.url();
        Self::on(Server::Redis(server), url)
    }

    fn memcached() -> Self {
        let server = MemcachedServer::start().unwrap();
        let url = server.url();
        Self::on(Server::Memcached(server), url)
    }

    fn on(server: Server, url: String) -> Self {
        // Longer than what a busy machine takes to answer, so that only servers that were stopped are given up.
        let timeout = Duration::from_secs(1);
        let settings = CacheSettings { url: Some(Secret::new(url)), timeout, ..CacheSettings::default() };
        let cache = Cache::start("test", &settings, &Telemetry::disabled()).unwrap();
        Self { server, settings, cache }
    }

    /// Another process with the same backend; the same one when there is nothing to share.
    fn other(&self) -> Cache {
        if let Server::None = self.server {
            return self.cache.clone();
        }
        Cache::start("test", &self.settings, &Telemetry::disabled()).unwrap()
    }

    /// The cache with less patience.
    fn impatient(&mut self) {
        self.settings.timeout = Duration::from_millis(300);
        self.cache = self.other();
    }

    fn pause(&self) {
        match &self.server {
            Server::None => {}
            Server::Redis(server) => server.pause().unwrap(),
            Server::Memcached(server) => server.pause().unwrap(),
        }
    }

    fn resume(&self) {
        match &self.server {
            Server::None => {}
            Server::Redis(server) => server.resume().unwrap(),
            Server::Memcached(server) => server.resume().unwrap(),
        }
    }

    fn kill(&mut self) {
        match &mut self.server {
            Server::None => {}
            Server::Redis(server) => server.kill().unwrap(),
            Server::Memcached(server) => server.kill().unwrap(),
        }
    }

    fn start_again(&mut self) {
        match &mut self.server {
            Server::None => {}
            Server::Redis(server) => server.start_again().unwrap(),
            Server::Memcached(server) => server.start_again().unwrap(),
        }
    }
}

/// Waits until it is so; answers how long that took.
async fn becomes(what: &str, mut so: impl FnMut() -> LocalBoxFuture<'static, bool>) -> Duration {
    let since = Instant::now();
    // What ends with its time tells nobody, so it is asked for.
    let mut again = interval(Duration::from_millis(5));
    let happened = async {
        while !so().await {
            again.tick().await;
        }
    };
    timeout(PATIENCE, happened).await.unwrap_or_else(|_| panic!("it never happened: {what}"));
    since.elapsed()
}
