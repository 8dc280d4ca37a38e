//! The cache's own task: it tells the backend what is out of date, and looks whether one that was away is back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use opentelemetry::trace::FutureExt as _;

use super::Inner;

/// How often a backend that is away is asked whether it is back.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Keys that are deleted side by side.
const BATCH: usize = 16;

/// Runs until it is dropped.
pub(super) async fn keep(inner: Arc<Inner>) {
    loop {
        tokio::select! {
            () = inner.breaker.opened() => recover(&inner).await,
            () = inner.pending.arrived() => {
                if !tell(&inner).await && !inner.breaker.is_open() {
                    // A hiccup so far; the third one in a row opens the breaker.
                    tokio::time::sleep(PROBE_EVERY / 20).await;
                }
            }
        }
    }
}

/// Waits until the backend answers and knows of everything that is out of date; only then it is read again.
async fn recover(inner: &Inner) {
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        let back = inner.backend.ping().await.is_ok() && tell(inner).await;
        if !back {
            continue;
        }
        if let Some(since) = inner.breaker.close() {
            let away_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(backend = inner.shown, away_ms, "the cache is back");
        }
        return;
    }
}

/// Deletes all keys that are out of date; tells whether the backend did so.
async fn tell(inner: &Inner) -> bool {
    loop {
        let batch = inner.pending.some(BATCH);
        if batch.is_empty() {
            return true;
        }
        let deleted = join_all(batch.into_iter().map(async |(key, number, cx)| {
            let deleting = async { inner.heard(inner.backend.delete(&key).await) };
            let deleted = deleting.with_context(cx).await.is_some();
            if deleted {
                inner.pending.done(&key, number);
            }
            deleted
        }));
        if deleted.await.contains(&false) {
            return false;
        }
    }
}
