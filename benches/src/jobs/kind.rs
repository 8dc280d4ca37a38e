//! Jobs that do nothing, and what is known of their runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use serde::{Deserialize, Serialize};
use spanbox::data::{Conn, Db};
use spanbox::jobs::{self, Job, JobContext, JobError, JobsError};
use spanbox::telemetry::Telemetry;
use tokio::sync::{Notify, mpsc};

/// Enqueued in one unit of work.
pub(super) const BATCH: usize = 1000;

/// A job that does nothing: what remains is what the queue costs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Noop {
    order_id: usize,
}

impl Noop {
    pub(super) const fn new(order_id: usize) -> Self {
        Self { order_id }
    }
}

impl Job for Noop {
    const NAME: &'static str = "noop";
    const QUEUE: &'static str = "noops";
    type State = Arc<Progress>;

    async fn run(self, progress: Arc<Progress>, _: JobContext) -> Result<(), JobError> {
        progress.ran();
        Ok(())
    }
}

/// How many runs there were.
#[derive(Debug)]
pub(super) struct Progress {
    jobs: usize,
    ran: AtomicUsize,
    all: Notify,
}

impl Progress {
    pub(super) fn of(jobs: usize) -> Arc<Self> {
        Arc::new(Self { jobs, ran: AtomicUsize::new(0), all: Notify::new() })
    }

    fn ran(&self) {
        if self.ran.fetch_add(1, Ordering::Relaxed) + 1 == self.jobs {
            self.all.notify_one();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.ran.load(Ordering::Relaxed)
    }

    /// Waits for the last.
    pub(super) async fn all(&self) {
        self.all.notified().await;
    }
}

/// A job that tells when its run began.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tell;

impl Job for Tell {
    const NAME: &'static str = "tell";
    const QUEUE: &'static str = "noops";
    type State = mpsc::UnboundedSender<Instant>;

    async fn run(self, began: mpsc::UnboundedSender<Instant>, _: JobContext) -> Result<(), JobError> {
        // Whoever measured has enough when nobody listens.
        let _ = began.send(Instant::now());
        Ok(())
    }
}

/// Enqueues so many jobs, each batch in a trace of its own as a request's would be.
pub(super) async fn enqueue(db: &Db, telemetry: &Telemetry, jobs: usize) -> Result<(), JobsError> {
    for first in (0..jobs).step_by(BATCH) {
        let batch = first..jobs.min(first + BATCH);
        let unit = db.write(async move |conn: &mut Conn| {
            jobs::enqueue_many(conn, batch.map(Noop::new)).await.map(drop)
        });
        in_a_trace(telemetry, unit).await?;
    }
    Ok(())
}

/// Does it in a span that is the first of its trace.
pub(super) async fn in_a_trace<T>(telemetry: &Telemetry, work: impl Future<Output = T>) -> T {
    let root = telemetry.root();
    let Some(tracer) = telemetry.tracer() else { return work.with_context(root).await };
    let cx = root.with_span(tracer.start_with_context("POST /orders", &root));
    let done = work.with_context(cx.clone()).await;
    cx.span().end();
    done
}
