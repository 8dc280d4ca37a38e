//! What is recorded of a cache.

use opentelemetry::trace::{FutureExt as _, SpanKind, TraceContextExt as _, Tracer as _};
use opentelemetry_sdk::metrics::InMemoryMetricExporter;

use super::{Ground, MINUTE};
use crate::ext::cache::{Cache, Namespace};
use crate::telemetry::{ServiceInfo, Setup};
use crate::testing::Capture;

/// The commands to a backend, with a caller who is recorded.
async fn spans(ground: &Ground) -> Vec<opentelemetry_sdk::trace::SpanData> {
    let capture = Capture::new();
    let setup = Setup::new(ServiceInfo::new("test", "1")).span_processor(capture.clone());
    let telemetry = setup.build().unwrap();
    let cache = Cache::start("test", &ground.settings, &telemetry).unwrap();
    let mails: Namespace<String> = cache.namespace("mails", 1);
    let root = telemetry.root();
    let cx = root.with_span(telemetry.tracer().unwrap().start_with_context("caller", &root));
    let work = async {
        let load = async || Ok::<_, ()>("ada@example.org".to_owned());
        mails.get_or_load("mail", MINUTE, load).await.unwrap();
        mails.delete("mail").await;
    };
    work.with_context(cx.clone()).await;
    cx.span().end();
    let mut spans: Vec<_> = capture.spans().all().to_vec();
    let caller = spans.iter().position(|span| span.name == "caller").unwrap();
    let caller = spans.remove(caller);
    spans.retain(|span| span.name != "db.pool.wait");
    for span in &spans {
        assert_eq!(span.span_kind, SpanKind::Client, "{span:?}");
        assert_eq!(span.parent_span_id, caller.span_context.span_id(), "{span:?}");
        assert!(!format!("{span:?}").contains("mail"), "{span:?}");
    }
    spans
}

fn attribute(span: &opentelemetry_sdk::trace::SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|a| a.key.as_str() == key).map(|a| a.value.to_string())
}

#[actix::test]
#[cfg_attr(not(has_memcached), ignore = "Memcached is not installed")]
async fn commands_to_memcached_are_client_spans_without_keys_and_values() {
    let ground = Ground::memcached();
    let spans = spans(&ground).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["get", "add", "gets", "cas", "delete"]);
    for span in &spans {
        assert_eq!(attribute(span, "db.system.name").as_deref(), Some("memcached"));
        assert_eq!(attribute(span, "db.operation.name").as_deref(), Some(span.name.as_ref()));
        assert_eq!(attribute(span, "server.address").as_deref(), Some("127.0.0.1"));
    }
}

#[actix::test]
#[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
async fn commands_to_redis_are_client_spans_without_keys_and_values() {
    let spans = spans(&Ground::redis()).await;
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["GET", "SET", "EVAL", "DEL"]);
}

#[actix::test]
async fn memory_makes_no_spans() {
    assert!(spans(&Ground::memory()).await.is_empty());
}

#[actix::test]
async fn hits_and_misses_are_counted_by_namespace() {
    let metrics = InMemoryMetricExporter::default();
    let setup = Setup::new(ServiceInfo::new("test", "1")).metric_exporter(metrics.clone());
    let telemetry = setup.build().unwrap();
    let ground = Ground::memory();
    let cache = Cache::start("test", &ground.settings, &telemetry).unwrap();
    let things: Namespace<u8> = cache.namespace("things", 1);
    for _ in 0..3 {
        things.get_or_load("a", MINUTE, async || Ok::<_, ()>(1)).await.unwrap();
    }
    things.invalidate("a");
    things.get_or_load("a", MINUTE, async || Ok::<_, ()>(1)).await.unwrap();
    telemetry.providers().metrics.as_ref().unwrap().force_flush().unwrap();
    let shown = format!("{:?}", metrics.get_finished_metrics().unwrap());
    for outcome in ["hit", "miss", "bypassed"] {
        assert!(shown.contains(outcome), "{outcome}: {shown}");
    }
    assert!(shown.contains("spanbox.cache.lookups") && shown.contains("things"), "{shown}");
}
