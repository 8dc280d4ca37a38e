use deadpool_redis::redis::{Pipeline, cmd};
use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::trace::SpanData;

use super::metrics::{count, flushed};
use crate::data::{Redis, RedisError};
use crate::redact::Secret;
use crate::telemetry::{ServiceInfo, Setup, Telemetry};
use crate::testing::{Capture, RedisServer};

/// What is recorded of `work` below a span, without the waits for a connection.
async fn recorded<T>(
    telemetry: &Telemetry,
    capture: &Capture,
    work: impl Future<Output = T>,
) -> (T, Vec<SpanData>) {
    let root = telemetry.root();
    let cx = root.with_span(telemetry.tracer().unwrap().start_with_context("caller", &root));
    let result = work.with_context(cx.clone()).await;
    cx.span().end();
    let spans = capture.spans();
    (
        result,
        spans
            .all()
            .iter()
            .filter(|span| !["caller", "db.pool.wait"].contains(&&*span.name))
            .cloned()
            .collect(),
    )
}

fn telemetry() -> (Telemetry, Capture) {
    let capture = Capture::new();
    let setup = Setup::new(ServiceInfo::new("test", "1")).span_processor(capture.clone());
    (setup.build().unwrap(), capture)
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|a| a.value.to_string())
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn every_command_is_a_client_span_without_keys_and_values() {
    let (server, (telemetry, capture)) = (RedisServer::start().unwrap(), telemetry());
    let redis = Redis::new(&Secret::new(server.url()), &telemetry).unwrap();
    let work = async {
        redis.command::<()>("SET", cmd("SET").arg("mail").arg("ada@example.org")).await.unwrap();
        let mut pipeline = Pipeline::new();
        pipeline.cmd("INCR").arg("mail-count").cmd("INCR").arg("mail-count");
        redis.pipeline::<(i64, i64)>("PIPELINE INCR", &pipeline).await.unwrap()
    };
    let (counted, spans) = recorded(&telemetry, &capture, work).await;
    assert_eq!(counted, (1, 2));
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["SET", "PIPELINE INCR"]);
    for span in &spans {
        assert_eq!(span.span_kind, SpanKind::Client);
        assert_eq!(attribute(span, "db.system.name").as_deref(), Some("redis"));
        assert_eq!(attribute(span, "db.namespace").as_deref(), Some("0"));
        assert_eq!(attribute(span, "server.address").as_deref(), Some("127.0.0.1"));
        assert_eq!(attribute(span, "server.port"), Some(server.address().port().to_string()));
        assert!(!format!("{span:?}").contains("mail"), "{span:?}");
    }
    assert_eq!(attribute(&spans[1], "db.operation.batch.size").as_deref(), Some("2"));
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_refused_command_is_an_error_with_the_servers_word_for_it() {
    let (server, (telemetry, capture)) = (RedisServer::start().unwrap(), telemetry());
    let redis = Redis::new(&Secret::new(server.url()), &telemetry).unwrap();
    let work = async {
        redis.command::<()>("SET", cmd("SET").arg("text").arg("x")).await.unwrap();
        redis.command::<i64>("XLEN", cmd("XLEN").arg("text")).await.unwrap_err()
    };
    let (error, spans) = recorded(&telemetry, &capture, work).await;
    assert_eq!(error.code(), Some("WRONGTYPE"));
    assert!(matches!(spans[1].status, Status::Error { .. }), "{:?}", spans[1]);
    assert_eq!(attribute(&spans[1], "error.type").as_deref(), Some("WRONGTYPE"));
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn a_server_that_was_away_is_used_again_when_it_is_back() {
    let mut server = RedisServer::start().unwrap();
    let redis = Redis::new(&Secret::new(server.url()), &Telemetry::disabled()).unwrap();
    let info = redis.info().await.unwrap();
    assert!(info.append_only && info.maxmemory_policy == "noeviction", "{info:?}");
    server.kill().unwrap();
    let error = redis.info().await.unwrap_err();
    assert!(error.to_string().contains(&server.address().to_string()), "{error}");
    server.start_again().unwrap();
    assert_ne!(redis.info().await.unwrap().run_id, info.run_id);
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn its_connections_are_measured_by_the_conventions() {
    let (server, metrics) = (RedisServer::start().unwrap(), InMemoryMetricExporter::default());
    let setup = Setup::new(ServiceInfo::new("test", "1")).metric_exporter(metrics.clone());
    let telemetry = setup.build().unwrap();
    let redis = Redis::new(&Secret::new(format!("{}/3", server.url())), &telemetry).unwrap();
    redis.info().await.unwrap();
    let metrics = flushed(&telemetry, &metrics);
    let pool = ("db.client.connection.pool.name", &*format!("{}/3", server.address()));
    let shown = |name: &str| count(&metrics, &format!("db.client.connection.{name}"), &[pool]);
    assert_eq!(shown("max"), Some(8));
    assert_eq!(shown("pending_requests"), Some(0));
    assert_eq!(shown("wait_time"), Some(1));
    assert_eq!(shown("use_time"), Some(1));
    let idle = [pool, ("db.client.connection.state", "idle")];
    assert_eq!(count(&metrics, "db.client.connection.count", &idle), Some(1));
    assert_eq!(count(&metrics, "db.client.operation.duration", &[("db.operation.name", "INFO")]), Some(1));
}

#[test]
fn a_url_that_is_none_is_told_without_it() {
    let error = Redis::new(&Secret::new("redis://:hunter2@".to_owned()), &Telemetry::disabled()).unwrap_err();
    assert!(matches!(error, RedisError::Url { .. }) && !error.to_string().contains("hunter2"), "{error}");
}
