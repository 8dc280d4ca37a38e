use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::installed::memcached;
use super::watched::{Watched, free_address};

/// How long the server may take to answer; a busy machine needs a few seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A private Memcached server with a port on the loopback address. It stops when this is dropped, and when the process
/// ends; what it held is gone then, and after [`MemcachedServer::kill`].
///
/// ```no_run
/// use spanbox::testing::MemcachedServer;
///
/// let mut server = MemcachedServer::start()?;
/// println!("{}", server.url());
/// server.kill()?;
/// server.start_again()?;
/// # Ok::<_, spanbox::testing::MemcachedServerError>(())
/// ```
#[derive(Debug)]
pub struct MemcachedServer {
    binary: PathBuf,
    directory: TempDir,
    address: SocketAddr,
    running: Option<Watched>,
}

/// Why there is no private Memcached server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemcachedServerError {
    /// No `memcached` in `PATH`.
    #[error("Memcached is not installed: `apt-get install memcached`, or put memcached into PATH")]
    NotInstalled,
    /// A step failed.
    #[error("{step} failed: {said}")]
    Failed {
        /// What was tried.
        step: &'static str,
        /// What the program or the system said.
        said: String,
    },
}

impl MemcachedServer {
    /// Starts an empty server; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError`].
    pub fn start() -> Result<Self, MemcachedServerError> {
        let binary = memcached().ok_or(MemcachedServerError::NotInstalled)?;
        let directory = tempfile::Builder::new()
            .prefix("memcached-")
            .tempdir()
            .map_err(|error| failed("making its directory", error))?;
        let address = free_address().map_err(|error| failed("finding a free port", error))?;
        let mut server = Self { binary, directory, address, running: None };
        server.start_again()?;
        Ok(server)
    }

    /// `memcache://address:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcache://{}", self.address)
    }

    /// Where it listens, also while it is stopped.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the server, as `kill -9` does. It blocks until the process is gone.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it does not run.
    pub fn kill(&mut self) -> Result<(), MemcachedServerError> {
        const STEP: &str = "killing the server";
        self.signal(STEP, Signal::KILL)?;
        let running = self.running.take().ok_or_else(|| failed(STEP, "it does not run"))?;
        running.stop().map_err(|error| failed(STEP, error))
    }

    /// Stops the server where it is (SIGSTOP): its connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it does not run.
    pub fn pause(&self) -> Result<(), MemcachedServerError> {
        self.signal("pausing the server", Signal::STOP)
    }

    /// Lets a server that was paused go on.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it does not run.
    pub fn resume(&self) -> Result<(), MemcachedServerError> {
        self.signal("letting the server go on", Signal::CONT)
    }

    /// Starts the server that was killed, empty, on the same port; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it runs.
    pub fn start_again(&mut self) -> Result<(), MemcachedServerError> {
        const STEP: &str = "starting the server";
        if self.running.is_some() {
            return Err(failed(STEP, "it runs already"));
        }
        // As root it refuses to run without being told as whom; to anybody else that says nothing.
        let own = [self.address.ip().to_string(), self.address.port().to_string()];
        let words = ["-l", &own[0], "-p", &own[1], "-U", "0", "-m", "16", "-t", "1", "-u", "root"];
        let words = words.map(str::to_owned);
        let running = Watched::start(&self.binary, self.directory.path(), &words);
        let running = self.running.insert(running.map_err(|error| failed(STEP, error))?);
        let deadline = Instant::now() + READY_WITHIN;
        while !answers(self.address) {
            if Instant::now() > deadline || !running.is_alive() {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                return Err(failed(STEP, log));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn signal(&self, step: &'static str, signal: Signal) -> Result<(), MemcachedServerError> {
        let running = self.running.as_ref().ok_or_else(|| failed(step, "it does not run"))?;
        running.signal(signal).map_err(|error| failed(step, error))
    }
}

fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, READY_WITHIN)?;
        stream.set_read_timeout(Some(READY_WITHIN))?;
        stream.write_all(b"version\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(answer == *b"VERSION")
    };
    ask().unwrap_or(false)
}

fn failed(step: &'static str, said: impl std::fmt::Display) -> MemcachedServerError {
    MemcachedServerError::Failed { step, said: said.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(not(has_memcached), ignore = "Memcached is not installed")]
    fn it_ends_when_it_is_killed_and_serves_again_on_the_same_port() {
        let mut server = MemcachedServer::start().unwrap();
        assert!(server.start_again().is_err(), "it runs");
        server.kill().unwrap();
        assert!(!answers(server.address()), "it is gone");
        server.start_again().unwrap();
        // A paused one is stopped all the same.
        server.pause().unwrap();
        let directory = server.directory.path().to_owned();
        drop(server);
        assert!(!directory.exists());
    }
}
