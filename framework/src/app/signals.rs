use std::io::IsTerminal as _;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a process is asked from outside: to stop, by SIGTERM and SIGINT (Ctrl-C), or to read its configuration again, by
/// SIGHUP. At a terminal SIGHUP says that it is closed, and asks to stop.
///
/// To be made before the service starts: from then on such a request does not kill the process, and none is missed.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    at_terminal: bool,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// By the signal of this name.
    Stop(&'static str),
    Reload,
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
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            at_terminal: std::io::stderr().is_terminal(),
        })
    }

    /// Waits for the next request to stop and gives the signal's name. A request to read the configuration again is
    /// passed over.
    pub async fn next(&mut self) -> &'static str {
        loop {
            if let Request::Stop(name) = self.request().await {
                return name;
            }
        }
    }

    pub(super) async fn request(&mut self) -> Request {
        tokio::select! {
            _ = self.terminate.recv() => Request::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Request::Stop("SIGINT"),
            _ = self.hangup.recv() => if self.at_terminal { Request::Stop("SIGHUP") } else { Request::Reload },
        }
    }
}
