//! The servers that requests are answered without: Redis, for the cache, the limits and the jobs, and Memcached.

use std::time::Instant;

use spanbox::testing::{MemcachedServer, Process, RedisServer, TestDatabase};

use super::{
    Load, MEANWHILE, Outage, Seen, all_are_right, end, newest, place_some, said, serve, unfinished, until,
};
use crate::caching::Server;
use crate::stored::Records;

/// What the service says of Redis, which not all servers are.
const ALONE: &str = "each process counts for itself";
const TOGETHER: &str = "requests are counted in Redis again";

/// Whether the cache is in use, as the service says of its health.
fn cache_is(process: &Process, status: &str) -> bool {
    let health = process.get("/health/ready");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    health.contains(&format!(r#""name":"cache","status":"{status}""#))
}

#[actix::test]
#[cfg_attr(not(has_memcached), ignore = "Memcached is not installed")]
async fn memcached_goes_and_comes_back_and_nobody_is_refused() {
    let mut server = MemcachedServer::start().unwrap();
    let url = Server::url(&server);
    goes_and_comes_back("memcached", &mut server, &[("CACHE_URL", &url)], false).await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn redis_goes_and_comes_back_and_nobody_is_refused_and_no_job_is_lost() {
    let mut server = RedisServer::start().unwrap();
    let url = Server::url(&server);
    let environment = [
        ("CACHE_URL", url.as_str()),
        ("REDIS_URL", &url),
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("APP_JOBS__TRANSPORT", "redis"),
        ("APP_LIMITS__STORE", "redis"),
        ("APP_LIMITS__RULES__EVERYBODY__REQUESTS", "1000000"),
        ("APP_LIMITS__RULES__EVERYBODY__WINDOW", "1m"),
    ];
    goes_and_comes_back("redis", &mut server, &environment, true).await;
}

async fn goes_and_comes_back(
    name: &'static str,
    server: &mut impl Server,
    environment: &[(&str, &str)],
    for_all: bool,
) {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh().await;
    let process = serve(directory.path(), &database, environment);
    let records = Records::open(&database).await;
    place_some(&process);
    let load = Load::start(process.address());
    load.more(MEANWHILE);
    let mut all = Vec::new();
    for outage in [Outage::Silent, Outage::Killed] {
        until("the cache is used", async || cache_is(&process, "ok")).await;
        let (alone, before) = (said(&process, ALONE), load.count());
        match outage {
            Outage::Silent => server.pause(),
            Outage::Killed => server.kill(),
        }
        until("the cache is given up", async || cache_is(&process, "degraded")).await;
        until("the limits are left to this process", async || !for_all || said(&process, ALONE) > alone)
            .await;
        load.more(MEANWHILE);
        let together = said(&process, TOGETHER);
        let last = newest(&records).await;
        match outage {
            Outage::Silent => server.resume(),
            Outage::Killed => server.start_again(),
        }
        let answers = load.since(before);
        let mut seen = Seen { of: name, outage, answers, back: Instant::now(), recovered: Vec::new() };
        until("the cache is used again", async || cache_is(&process, "ok")).await;
        seen.recovers("the cache");
        if for_all {
            until("all count together again", async || said(&process, TOGETHER) > together).await;
            seen.recovers("the limits");
        }
        until("what was placed meanwhile is done", async || unfinished(&records, last).await == 0).await;
        seen.recovers("the orders from meanwhile");
        load.more(MEANWHILE);
        all.push(seen);
    }
    let placed = all_are_right(&load.end());
    until("all orders are done", async || unfinished(&records, i64::MAX).await == 0).await;
    records.are_completed_once(3 + placed).await;
    records.close().await;
    end(process, &all);
}
