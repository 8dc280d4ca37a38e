//! The tokio runtimes of a service, one for each worker and arbiter, added up.
//!
//! What tokio tells of tasks and queues is left out: actix runs its tasks in a set of its own, of which tokio knows nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id, RuntimeMetrics};

/// Those that threads of the service are in.
#[derive(Clone, Debug, Default)]
pub(super) struct Runtimes {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// With how many threads have entered.
    entered: HashMap<Id, (RuntimeMetrics, usize)>,
    /// How long those were busy that have ended.
    ended: Duration,
}

/// Keeps a thread's runtime among those of the service.
#[derive(Debug)]
pub(super) struct Entered {
    runtimes: Runtimes,
    id: Id,
}

impl Runtimes {
    /// The calling thread's, if it has one.
    pub(super) fn enter(&self) -> Option<Entered> {
        let handle = Handle::try_current().ok()?;
        let id = handle.id();
        self.inner.lock().entered.entry(id).or_insert_with(|| (handle.metrics(), 0)).1 += 1;
        Some(Entered { runtimes: self.clone(), id })
    }

    /// Makes the instruments.
    pub(super) fn observe(&self, meter: &Meter) {
        let runtimes = self.clone();
        meter
            .f64_observable_counter("spanbox.runtime.busy.time")
            .with_unit("s")
            .with_description(
                "How long the threads of the service's runtimes were busy; divided by them, a share.",
            )
            .with_callback(move |observer| observer.observe(runtimes.busy().as_secs_f64(), &[]))
            .build();
        let runtimes = self.clone();
        meter
            .i64_observable_up_down_counter("spanbox.runtime.threads")
            .with_unit("{thread}")
            .with_description("Threads of the service's runtimes.")
            .with_callback(move |observer| observer.observe(runtimes.threads(), &[]))
            .build();
    }

    fn threads(&self) -> i64 {
        let inner = self.inner.lock();
        let threads: usize = inner.entered.values().map(|(metrics, _)| metrics.num_workers()).sum();
        i64::try_from(threads).unwrap_or(i64::MAX)
    }

    fn busy(&self) -> Duration {
        let inner = self.inner.lock();
        inner.ended + inner.entered.values().map(|(metrics, _)| busy(metrics)).sum::<Duration>()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut inner = self.runtimes.inner.lock();
        let Some((metrics, threads)) = inner.entered.get_mut(&self.id) else { return };
        *threads -= 1;
        if *threads == 0 {
            let busy = busy(metrics);
            inner.ended += busy;
            inner.entered.remove(&self.id);
        }
    }
}

fn busy(metrics: &RuntimeMetrics) -> Duration {
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn each_runtime_counts_once_until_the_last_thread_has_left_and_its_time_stays() {
        let runtimes = Runtimes::default();
        assert!(runtimes.enter().is_none(), "this thread has none");
        let (one, two) = (runtime(), runtime());
        let first = one.block_on(async { runtimes.enter() });
        let again = one.block_on(async { runtimes.enter() });
        let other = two.block_on(async { runtimes.enter() });
        assert_eq!(runtimes.threads(), 2);
        drop((first, other));
        assert_eq!(runtimes.threads(), 1);
        one.block_on(async { tokio::task::yield_now().await });
        let busy = runtimes.busy();
        drop(again);
        assert_eq!(runtimes.threads(), 0);
        assert!(runtimes.busy() >= busy, "time does not go back");
    }
}
