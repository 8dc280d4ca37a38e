use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use opentelemetry::{Context, ContextGuard};
use pin_project_lite::pin_project;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tracing::Dispatch;
use tracing::dispatcher::DefaultGuard;

/// The thread and runtime that the exporters' connections live on.
///
/// The SDK's batch processors block a plain thread of their own on each export. A client whose connections live on
/// a web worker's runtime would wait for a thread that may itself be waiting for the export, at shutdown surely so;
/// here they wait for nobody but the network. The thread ends when the last exporter that holds it is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    handle: Handle,
    // Dropped with the worker, which tells the thread to end.
    _running: oneshot::Sender<()>,
}

impl Worker {
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (running, stopped) = oneshot::channel();
        std::thread::Builder::new().name("spanbox-otlp".to_owned()).spawn(move || {
            let _silence = Silence::enter();
            // It never gets a message: what ends the wait is that the sender is gone.
            let _ = runtime.block_on(stopped);
            // A name look-up that hangs must not hold the thread.
            runtime.shutdown_background();
        })?;
        Ok(Arc::new(Self { handle, _running: running }))
    }

    /// Runs what makes sockets or timers, so that they belong to this runtime.
    pub(super) fn enter<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.handle.enter();
        make()
    }

    /// Runs it on this thread, where nothing that happens is recorded, for as long as there is a worker.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// The future, to be polled by any executor; its sockets and timers belong to this runtime, and nothing that
    /// happens in it is recorded.
    pub(super) fn drive<F: Future>(&self, future: F) -> Drive<F> {
        Drive { future, handle: self.handle.clone() }
    }
}

pin_project! {
    pub(super) struct Drive<F> {
        #[pin]
        future: F,
        handle: Handle,
    }
}

impl<F: Future> Future for Drive<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.handle.enter();
        let _silence = Silence::enter();
        this.future.poll(cx)
    }
}

/// While it lives, nothing on this thread is recorded: exporting must not make more to export.
struct Silence {
    _spans: ContextGuard,
    _logs: DefaultGuard,
}

impl Silence {
    fn enter() -> Self {
        Self {
            _spans: Context::enter_telemetry_suppressed_scope(),
            _logs: tracing::dispatcher::set_default(&Dispatch::none()),
        }
    }
}
