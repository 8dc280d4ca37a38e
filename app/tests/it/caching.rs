//! Orders by way of the cache: never out of date for long, never missed when it is away.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use futures_util::future::{join, join_all};
use orders::create_app;
use serde_json::Value;
use spanbox::testing::{MemcachedServer, RedisServer, TestApp, TestDatabase};

use crate::orders::{becomes, place};
use crate::stored::Records;

/// Writes each test once and runs it with both servers.
macro_rules! with_both {
    ($($name:ident),+ $(,)?) => {
        mod redis {
            $(
                #[actix::test]
                #[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
                async fn $name() { super::$name(spanbox::testing::RedisServer::start().unwrap()).await; }
            )+
        }
        mod memcached {
            $(
                #[actix::test]
                #[cfg_attr(not(has_memcached), ignore = "Memcached is not installed")]
                async fn $name() { super::$name(spanbox::testing::MemcachedServer::start().unwrap()).await; }
            )+
        }
    };
}

with_both!(
    an_order_is_read_from_the_cache_and_shown_as_it_is_after_each_step,
    what_the_jobs_of_another_process_change_is_seen_in_this_one,
    a_server_that_is_stopped_and_killed_under_load_fails_no_request,
);

/// What tests do with a server.
pub(crate) trait Server {
    fn url(&self) -> String;
    fn pause(&self);
    fn resume(&self);
    fn kill(&mut self);
    fn start_again(&mut self);
}

macro_rules! server {
    ($($kind:ty),+) => {$(
        impl Server for $kind {
            fn url(&self) -> String { <$kind>::url(self) }
            fn pause(&self) { <$kind>::pause(self).unwrap(); }
            fn resume(&self) { <$kind>::resume(self).unwrap(); }
            fn kill(&mut self) { <$kind>::kill(self).unwrap(); }
            fn start_again(&mut self) { <$kind>::start_again(self).unwrap(); }
        }
    )+};
}
server!(RedisServer, MemcachedServer);

async fn start(url: &str, more: &[(&str, &str)]) -> TestApp {
    start_on(TestDatabase::fresh().await, url, more).await
}

async fn start_on(database: TestDatabase, url: &str, more: &[(&str, &str)]) -> TestApp {
    let own = [("CACHE_URL", url), ("APP_CACHE__TIMEOUT", "1s")];
    TestApp::start_on(database, create_app, own.iter().chain(more).copied()).await
}

async fn totals(app: &TestApp) -> (i64, i64) {
    let analytics: Value = app.get("/api/orders/analytics").await.json();
    (analytics["total_orders"].as_i64().unwrap(), analytics["pending_orders"].as_i64().unwrap())
}

/// Whether the last `GET` of an order asked the database.
fn asked_the_database(app: &TestApp) -> bool {
    let spans = app.capture().spans();
    let last = spans.named("GET /api/orders/{id}").last().unwrap().span_context.span_id();
    spans.all().iter().any(|span| span.parent_span_id == last && span.name.starts_with("SELECT"))
}

async fn an_order_is_read_from_the_cache_and_shown_as_it_is_after_each_step(server: impl Server) {
    let app = start(&server.url(), &[]).await;
    assert_eq!(totals(&app).await, (0, 0));
    let id = place(&app, "Widget", "9.99").await;
    // It is kept for a minute: who saw it as it was before would see it so until this test has failed.
    let done = becomes(&app, id, "completed").await;
    assert_eq!(totals(&app).await, (1, 0));
    let path = format!("/api/orders/{id}");
    app.eventually("it is read from the cache", async || {
        assert_eq!(app.get(&path).await.json::<Value>(), done);
        (!asked_the_database(&app)).then_some(())
    })
    .await;
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(app.get(&path).await.status, 404);
    assert_eq!(totals(&app).await, (0, 0));
    app.stop().await;
}

async fn what_the_jobs_of_another_process_change_is_seen_in_this_one(server: impl Server) {
    let database = TestDatabase::fresh().await;
    let serves = start_on(database.clone(), &server.url(), &[("APP_JOBS__IN_SERVE", "false")]).await;
    let id = place(&serves, "Widget", "9.99").await;
    let path = format!("/api/orders/{id}");
    for _ in 0..2 {
        assert_eq!(serves.get(&path).await.json::<Value>()["status"], "pending");
    }
    assert_eq!(totals(&serves).await, (1, 1));
    let works = start_on(database, &server.url(), &[]).await;
    becomes(&serves, id, "completed").await;
    // The last step may just be told.
    let seen =
        serves.eventually("the totals follow", async || (totals(&serves).await == (1, 0)).then_some(()));
    seen.await;
    assert_eq!(works.delete(&path).await.status, 204);
    assert_eq!(serves.get(&path).await.status, 404, "its answer came after all were told");
    works.stop().await;
    serves.stop().await;
}

/// Reads all orders again and again; answers how many answers there were. Each has to be the order.
async fn load(app: &TestApp, ids: &[i64], rounds: usize) -> usize {
    let mut answers = 0;
    for _ in 0..rounds {
        for answer in join_all(ids.iter().map(async |id| app.get(&format!("/api/orders/{id}")).await)).await {
            assert_eq!(answer.status, 200, "{answer:?}");
            answers += 1;
        }
        let answer = app.get("/api/orders/analytics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    answers
}

async fn a_server_that_is_stopped_and_killed_under_load_fails_no_request(mut server: impl Server) {
    let app = start(&server.url(), &[("APP_CACHE__TIMEOUT", "50ms")]).await;
    let mut ids = Vec::new();
    for _ in 0..16 {
        ids.push(place(&app, "Widget", "9.99").await);
    }
    for id in &ids {
        becomes(&app, *id, "completed").await;
    }
    load(&app, &ids, 5).await;
    for kill in [false, true] {
        let stops = async { if kill { server.kill() } else { server.pause() } };
        join(load(&app, &ids, 20), stops).await;
        // A write is no slower than the rest, and what it changes is seen although nobody can be told.
        let id = place(&app, "Gadget", "9.99").await;
        becomes(&app, id, "completed").await;
        assert_eq!(app.delete(&format!("/api/orders/{id}")).await.status, 204);
        let health = app.get("/health/ready").await;
        assert_eq!(health.status, 200, "{health:?}");
        assert!(health.text().contains(r#""name":"cache","status":"degraded""#), "{health:?}");
        if kill {
            server.start_again()
        } else {
            server.resume()
        }
        app.eventually("the cache is back", async || {
            app.get("/health/ready").await.text().contains(r#""name":"cache","status":"ok""#).then_some(())
        })
        .await;
        load(&app, &ids, 3).await;
        app.eventually("it is read from the cache", async || {
            app.get(&format!("/api/orders/{}", ids[0])).await;
            (!asked_the_database(&app)).then_some(())
        })
        .await;
    }
    app.stop().await;
}

#[actix::test]
async fn within_one_process_an_order_is_shown_as_it_is_at_once() {
    let app = start("memory://", &[]).await;
    let records = Records::open(app.database()).await;
    let id = place(&app, "Widget", "9.99").await;
    becomes(&app, id, "completed").await;
    let path = format!("/api/orders/{id}");
    app.get(&path).await;
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(app.get(&path).await.status, 404);
    // What others change, of which nobody hears, is seen after a second.
    let id = place(&app, "Widget", "9.99").await;
    becomes(&app, id, "completed").await;
    records.sql(format!("UPDATE orders SET status = 'failed' WHERE id = {id}")).await;
    becomes(&app, id, "failed").await;
    records.close().await;
    app.stop().await;
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn what_can_not_be_read_in_the_cache_is_no_error() {
    let server = RedisServer::start().unwrap();
    let app = start(&server.url(), &[]).await;
    let id = place(&app, "Widget", "9.99").await;
    let done = becomes(&app, id, "completed").await;
    for garbage in ["", "{}", "V", "{\"id\":1}"] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let key = format!("orders:orders.1.1:{id}");
        let command =
            format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{garbage}\r\n", key.len(), garbage.len());
        stream.write_all(command.as_bytes()).unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
        let answer = app.get(&format!("/api/orders/{id}")).await;
        assert_eq!((answer.status.as_u16(), answer.json::<Value>()), (200, done.clone()), "{garbage:?}");
    }
    app.stop().await;
}
