//! A server's program with a directory and a port of its own, started and stopped as a test wants it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::watched::{Watched, free_address};

/// How long a server may take to answer; a busy machine needs a few seconds, and so does a long log.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Server {
    binary: PathBuf,
    directory: TempDir,
    address: SocketAddr,
    running: Option<Watched>,
}

/// A step that failed, and what the program or the system said.
pub(super) struct Failed {
    pub(super) step: &'static str,
    pub(super) said: String,
}

impl Failed {
    fn new(step: &'static str, said: impl std::fmt::Display) -> Self {
        Self { step, said: said.to_string() }
    }
}

impl Server {
    /// One that does not run yet; the directory's name begins with `prefix`.
    pub(super) fn new(binary: PathBuf, prefix: &str) -> Result<Self, Failed> {
        let directory = tempfile::Builder::new().prefix(prefix).tempdir();
        let directory = directory.map_err(|error| Failed::new("making its directory", error))?;
        let address = free_address().map_err(|error| Failed::new("finding a free port", error))?;
        Ok(Self { binary, directory, address, running: None })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process, while it runs.
    #[cfg(test)]
    pub(super) fn process(&self) -> Option<i32> {
        self.running.as_ref().map(Watched::id)
    }

    /// Starts it with these arguments; it is ready when it answers the question so.
    pub(super) fn start(&mut self, words: &[String], question: &[u8], answer: &[u8]) -> Result<(), Failed> {
        const STEP: &str = "starting the server";
        if self.running.is_some() {
            return Err(Failed::new(STEP, "it runs already"));
        }
        let running = Watched::start(&self.binary, self.directory.path(), words);
        let running = self.running.insert(running.map_err(|error| Failed::new(STEP, error))?);
        let deadline = Instant::now() + READY_WITHIN;
        while !answers(self.address, question, answer) {
            if Instant::now() > deadline || !running.is_alive() {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                return Err(Failed::new(STEP, log));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Stops it in order, and waits until it is gone.
    pub(super) fn stop(&mut self) -> Result<(), Failed> {
        const STEP: &str = "stopping the server";
        let running = self.running.take().ok_or_else(|| Failed::new(STEP, "it does not run"))?;
        running.stop().map_err(|error| Failed::new(STEP, error))
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(super) fn kill(&mut self) -> Result<(), Failed> {
        self.signal("killing the server", Signal::KILL)?;
        self.stop()
    }

    pub(super) fn pause(&self) -> Result<(), Failed> {
        self.signal("pausing the server", Signal::STOP)
    }

    pub(super) fn resume(&self) -> Result<(), Failed> {
        self.signal("letting the server go on", Signal::CONT)
    }

    fn signal(&self, step: &'static str, signal: Signal) -> Result<(), Failed> {
        let running = self.running.as_ref().ok_or_else(|| Failed::new(step, "it does not run"))?;
        running.signal(signal).map_err(|error| Failed::new(step, error))
    }
}

/// Whether a server answers a question, and begins so.
pub(super) fn answers(address: SocketAddr, question: &[u8], expected: &[u8]) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, READY_WITHIN)?;
        stream.set_read_timeout(Some(READY_WITHIN))?;
        stream.write_all(question)?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer == expected)
    };
    ask().unwrap_or(false)
}
