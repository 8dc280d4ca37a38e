use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::installed::redis_server;
use super::watched::{Watched, free_address};

/// How long the server may take to answer; a busy machine needs a few seconds, and so does a long log.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A private Redis server: its own data in a temporary directory, appended to a log at each write, and a port on the
/// loopback address. It stops when this is dropped, and when the process ends.
///
/// What was answered outlives [`RedisServer::kill`] and [`RedisServer::stop`].
///
/// ```no_run
/// use spanbox::testing::RedisServer;
///
/// let mut server = RedisServer::start()?;
/// println!("{}", server.url());
/// server.kill()?;
/// server.start_again()?;
/// # Ok::<_, spanbox::testing::RedisServerError>(())
/// ```
#[derive(Debug)]
pub struct RedisServer {
    binary: PathBuf,
    directory: TempDir,
    address: SocketAddr,
    running: Option<Watched>,
}

/// Why there is no private Redis server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisServerError {
    /// No `redis-server` in `PATH`.
    #[error("Redis is not installed: `apt-get install redis-server`, or put redis-server into PATH")]
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

impl RedisServer {
    /// Starts a server without data; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`RedisServerError`].
    pub fn start() -> Result<Self, RedisServerError> {
        let binary = redis_server().ok_or(RedisServerError::NotInstalled)?;
        let directory = tempfile::Builder::new()
            .prefix("redis-")
            .tempdir()
            .map_err(|error| failed("making its directory", error))?;
        let address = free_address().map_err(|error| failed("finding a free port", error))?;
        let mut server = Self { binary, directory, address, running: None };
        server.start_again()?;
        Ok(server)
    }

    /// `redis://address:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Where it listens, also while it is stopped.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server in order; its data stays for [`RedisServer::start_again`]. It blocks.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn stop(&mut self) -> Result<(), RedisServerError> {
        const STEP: &str = "stopping the server";
        let running = self.running.take().ok_or_else(|| failed(STEP, "it does not run"))?;
        running.stop().map_err(|error| failed(STEP, error))
    }

    /// Kills the server, as `kill -9` does. It blocks until the process is gone.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn kill(&mut self) -> Result<(), RedisServerError> {
        self.signal("killing the server", Signal::KILL)?;
        self.stop()
    }

    /// Stops the server where it is (SIGSTOP): its connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn pause(&self) -> Result<(), RedisServerError> {
        self.signal("pausing the server", Signal::STOP)
    }

    /// Lets a server that was paused go on.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn resume(&self) -> Result<(), RedisServerError> {
        self.signal("letting the server go on", Signal::CONT)
    }

    /// Starts the server that was stopped or killed, on the same data and port; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it runs.
    pub fn start_again(&mut self) -> Result<(), RedisServerError> {
        if self.running.is_some() {
            return Err(failed("starting the server", "it runs already"));
        }
        let running = Watched::start(&self.binary, self.directory.path(), &self.arguments());
        let running = self.running.insert(running.map_err(|error| failed("starting the server", error))?);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if answers(self.address) {
                return Ok(());
            }
            if Instant::now() > deadline || !running.is_alive() {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                return Err(failed("starting the server", log));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, step: &'static str, signal: Signal) -> Result<(), RedisServerError> {
        let running = self.running.as_ref().ok_or_else(|| failed(step, "it does not run"))?;
        running.signal(signal).map_err(|error| failed(step, error))
    }

    fn arguments(&self) -> Vec<String> {
        let (ip, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let directory = self.directory.path().display().to_string();
        let fixed = ["--appendonly", "yes", "--save", "", "--daemonize", "no"];
        let own = ["--port", &port, "--bind", &ip, "--dir", &directory];
        own.iter().chain(&fixed).map(|word| (*word).to_owned()).collect()
    }
}

/// Whether it answers with what it holds, and not that it still loads it.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, READY_WITHIN)?;
        stream.set_read_timeout(Some(READY_WITHIN))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer == *b"+PONG")
    };
    ask().unwrap_or(false)
}

fn failed(step: &'static str, said: impl std::fmt::Display) -> RedisServerError {
    RedisServerError::Failed { step, said: said.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    /// The first line of the answer.
    fn ask(server: &RedisServer, command: &str, within: Duration) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&server.address(), within)?;
        stream.set_read_timeout(Some(within))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = BufReader::new(stream).lines();
        let first = answer.next().unwrap()?;
        if first.starts_with('$') { answer.next().unwrap() } else { Ok(first) }
    }

    #[test]
    #[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
    fn what_was_written_outlives_a_kill_and_a_stop() {
        let mut server = RedisServer::start().unwrap();
        assert_eq!(ask(&server, "SET first 1", READY_WITHIN).unwrap(), "+OK");
        server.kill().unwrap();
        assert!(ask(&server, "PING", READY_WITHIN).is_err(), "it is gone");
        server.start_again().unwrap();
        assert_eq!(ask(&server, "SET second 2", READY_WITHIN).unwrap(), "+OK");
        server.stop().unwrap();
        server.start_again().unwrap();
        assert_eq!(ask(&server, "GET first", READY_WITHIN).unwrap(), "1");
        assert_eq!(ask(&server, "GET second", READY_WITHIN).unwrap(), "2");
        assert!(server.start_again().is_err(), "it runs");
    }

    #[test]
    #[cfg_attr(not(has_redis), ignore = "Redis is not installed")]
    fn a_server_that_is_paused_is_silent_until_it_goes_on() {
        let server = RedisServer::start().unwrap();
        server.pause().unwrap();
        assert!(ask(&server, "PING", Duration::from_millis(200)).is_err(), "it is paused");
        server.resume().unwrap();
        assert_eq!(ask(&server, "PING", READY_WITHIN).unwrap(), "+PONG");
        // A paused one is stopped all the same.
        server.pause().unwrap();
        let (directory, process) =
            (server.directory.path().to_owned(), server.running.as_ref().unwrap().id());
        drop(server);
        assert!(!directory.exists() && !std::path::Path::new(&format!("/proc/{process}")).exists());
    }
}
