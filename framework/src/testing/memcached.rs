use std::net::SocketAddr;

use super::installed::memcached;
use super::server::{Failed, Server};

/// What tells that it is ready.
const QUESTION: &[u8] = b"version\r\n";
const ANSWER: &[u8] = b"VERSION";

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
pub struct MemcachedServer(Server);

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

impl From<Failed> for MemcachedServerError {
    fn from(Failed { step, said }: Failed) -> Self {
        Self::Failed { step, said }
    }
}

impl MemcachedServer {
    /// Starts an empty server; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError`].
    pub fn start() -> Result<Self, MemcachedServerError> {
        let binary = memcached().ok_or(MemcachedServerError::NotInstalled)?;
        let mut server = Self(Server::new(binary, "memcached-")?);
        server.start_again()?;
        Ok(server)
    }

    /// `memcache://address:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcache://{}", self.address())
    }

    /// Where it listens, also while it is stopped.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Kills the server, as `kill -9` does. It blocks until the process is gone.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it does not run.
    pub fn kill(&mut self) -> Result<(), MemcachedServerError> {
        Ok(self.0.kill()?)
    }

    /// Stops the server where it is (SIGSTOP): its connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it does not run.
    pub fn pause(&self) -> Result<(), MemcachedServerError> {
        Ok(self.0.pause()?)
    }

    /// Lets a server that was paused go on.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it does not run.
    pub fn resume(&self) -> Result<(), MemcachedServerError> {
        Ok(self.0.resume()?)
    }

    /// Starts the server that was killed, empty, on the same port; ready when this returns. It blocks.
    ///
    /// # Errors
    ///
    /// [`MemcachedServerError::Failed`], also when it runs.
    pub fn start_again(&mut self) -> Result<(), MemcachedServerError> {
        // As root it refuses to run without being told as whom; to anybody else that says nothing.
        let own = [self.address().ip().to_string(), self.address().port().to_string()];
        let words = ["-l", &own[0], "-p", &own[1], "-U", "0", "-m", "16", "-t", "1", "-u", "root"];
        Ok(self.0.start(&words.map(str::to_owned), QUESTION, ANSWER)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::server::answers;
    use super::*;

    #[test]
    #[cfg_attr(not(has_memcached), ignore = "Memcached is not installed")]
    fn it_ends_when_it_is_killed_and_serves_again_on_the_same_port() {
        let mut server = MemcachedServer::start().unwrap();
        assert!(server.start_again().is_err(), "it runs");
        server.kill().unwrap();
        assert!(!answers(server.address(), QUESTION, ANSWER), "it is gone");
        server.start_again().unwrap();
        // A paused one is stopped all the same.
        server.pause().unwrap();
        let directory = server.0.directory().to_owned();
        drop(server);
        assert!(!directory.exists());
    }
}
