use tokio::signal::unix::{Signal, SignalKind, signal};

/// The requests to stop that a process gets from outside: SIGTERM and SIGINT (Ctrl-C).
///
/// To be made before the service starts: from then on such a request does not kill the process, and none is missed.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for them.
    ///
    /// # Errors
    ///
    /// When the system has no room for another handler.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
