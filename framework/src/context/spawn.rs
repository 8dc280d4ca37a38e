use std::future::Future;

use opentelemetry::trace::FutureExt as _;
use tokio::task::JoinHandle;

/// Starts a task on this thread that runs in the caller's trace context.
///
/// Spans that the task starts are children of the span that is current here, also when that span ends before the
/// task does.
///
/// # Panics
///
/// When called outside an actix `System` (a local set of a tokio runtime).
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    #[allow(clippy::disallowed_methods, reason = "this is the function that the others are forbidden for")]
    actix_rt::spawn(task.with_current_context())
}
