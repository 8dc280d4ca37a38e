use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::time::timeout_at;

use crate::module::OnStop;
use crate::telemetry::{self, panic_message};

/// What all of them get when there is no grace left.
const LAST: Duration = Duration::from_secs(1);

/// What was started and has to be ended by name: extensions, and what modules said to `on_stop`.
#[derive(Default)]
pub(super) struct Stops {
    started: Vec<(&'static str, OnStop)>,
}

impl Stops {
    pub(super) fn push(&mut self, name: &'static str, stop: OnStop) {
        self.started.push((name, stop));
    }

    /// Ends what was started last first, and tells how many did not end in time or panicked.
    pub(super) async fn run(self, deadline: Instant) -> usize {
        let until = deadline.max(Instant::now() + LAST);
        let mut failed = 0;
        for (name, stop) in self.started.into_iter().rev() {
            // The hook may panic before it gives its future, too.
            let stopping = AssertUnwindSafe(async move { stop().await }).catch_unwind();
            let span = telemetry::span("service.stop.hook").attribute("spanbox.name", name);
            match span.run(timeout_at(until.into(), stopping)).await {
                Ok(Ok(())) => continue,
                Ok(Err(panic)) => {
                    tracing::error!(name, panic = panic_message(&*panic), "it panicked at the stop")
                }
                Err(_elapsed) => tracing::warn!(name, "it did not stop within the grace"),
            }
            failed += 1;
        }
        failed
    }
}
