use std::net::SocketAddr;

use super::installed::redis_server;
use super::server::{Failed, Server};

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
pub struct RedisServer(Server);

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

impl From<Failed> for RedisServerError {
    fn from(Failed { step, said }: Failed) -> Self {
        Self::Failed { step, said }
    }
}

impl RedisServer {
    /// Starts a server without data; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`RedisServerError`].
    pub fn start() -> Result<Self, RedisServerError> {
        let binary = redis_server().ok_or(RedisServerError::NotInstalled)?;
        let mut server = Self(Server::new(binary, "redis-")?);
        server.start_again()?;
        Ok(server)
    }

    /// `redis://address:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Where it listens, also while it is stopped.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Stops the server in order; its data stays for [`RedisServer::start_again`]. It blocks.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn stop(&mut self) -> Result<(), RedisServerError> {
        Ok(self.0.stop()?)
    }

    /// Kills the server, as `kill -9` does. It blocks until the process is gone.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn kill(&mut self) -> Result<(), RedisServerError> {
        Ok(self.0.kill()?)
    }

    /// Stops the server where it is (SIGSTOP): its connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn pause(&self) -> Result<(), RedisServerError> {
        Ok(self.0.pause()?)
    }

    /// Lets a server that was paused go on.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it does not run.
    pub fn resume(&self) -> Result<(), RedisServerError> {
        Ok(self.0.resume()?)
    }

    /// Starts the server that was stopped or killed, on the same data and port; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Failed`], also when it runs.
    pub fn start_again(&mut self) -> Result<(), RedisServerError> {
        let (ip, port) = (self.address().ip().to_string(), self.address().port().to_string());
        let directory = self.0.directory().display().to_string();
        let fixed = ["--appendonly", "yes", "--save", "", "--daemonize", "no"];
        let own = ["--port", &port, "--bind", &ip, "--dir", &directory];
        let words: Vec<_> = own.iter().chain(&fixed).map(|word| (*word).to_owned()).collect();
        // It answers with what it holds, and not that it still loads it.
        Ok(self.0.start(&words, b"PING\r\n", b"+PONG")?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::super::server::READY_WITHIN;
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
        let (directory, process) = (server.0.directory().to_owned(), server.0.process().unwrap());
        drop(server);
        assert!(!directory.exists() && !std::path::Path::new(&format!("/proc/{process}")).exists());
    }
}
