use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use uuid::Uuid;

use super::installed::redis_server;

/// How long the server may take to answer; a busy machine needs a few seconds, and so does a long log.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Below the range from which the system takes the local ports of connections, so that the port of a server that is
/// stopped is not given to one of them.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const TRIES: usize = 100;

/// Says the server's process id and runs it until standard input ends, which it does when this process does, however
/// it ends, and then removes its data unless told to keep it. A server that was paused has to be let go on to end.
const WATCHED: &str = r#"
    directory=$1; shift
    "$@" </dev/null >>"$directory/log" 2>&1 & server=$!
    echo "$server"
    read -r word
    kill -TERM "$server" 2>/dev/null; kill -CONT "$server" 2>/dev/null; wait "$server"
    [ "$word" = keep ] || rm -rf "$directory"
"#;

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

/// The server's process, and the one that watches over it.
#[derive(Debug)]
struct Watched {
    watcher: Child,
    server: Pid,
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
        let mut server = Self { binary, directory, address: free_address()?, running: None };
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
        let mut running = self.take(STEP)?;
        if let Some(mut input) = running.watcher.stdin.take() {
            input.write_all(b"keep\n").map_err(|error| failed(STEP, error))?;
        }
        running.watcher.wait().map_err(|error| failed(STEP, error))?;
        Ok(())
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
        let running = self.running.insert(serve(&self.binary, self.directory.path(), self.address)?);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if answers(self.address) {
                return Ok(());
            }
            if Instant::now() > deadline || !is_alive(running.server) {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                return Err(failed("starting the server", log));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, step: &'static str, signal: Signal) -> Result<(), RedisServerError> {
        let running = self.running.as_ref().ok_or_else(|| failed(step, "it does not run"))?;
        kill_process(running.server, signal).map_err(|error| failed(step, error))
    }

    fn take(&mut self, step: &'static str) -> Result<Watched, RedisServerError> {
        self.running.take().ok_or_else(|| failed(step, "it does not run"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.watcher.stdin.take());
            let _ = running.watcher.wait();
        }
    }
}

fn serve(binary: &Path, directory: &Path, address: SocketAddr) -> Result<Watched, RedisServerError> {
    const STEP: &str = "starting the server";
    let mut watcher = Command::new("/bin/sh")
        .args(["-c", WATCHED, "redis"])
        .arg(directory)
        .arg(binary)
        .args(["--port", &address.port().to_string(), "--bind", &address.ip().to_string()])
        .arg("--dir")
        .arg(directory)
        .args(["--appendonly", "yes", "--save", "", "--daemonize", "no"])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(STEP, error))?;
    let mut said = String::new();
    if let Some(output) = watcher.stdout.take() {
        BufReader::new(output).read_line(&mut said).map_err(|error| failed(STEP, error))?;
    }
    let server = said.trim().parse().ok().and_then(Pid::from_raw);
    server
        .map(|server| Watched { watcher, server })
        .ok_or_else(|| failed(STEP, format!("the shell said {said:?}")))
}

/// Whether it is there and no zombie; it stays one until it is stopped, so that nobody else has its id.
fn is_alive(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    status.is_ok_and(|status| !status.rsplit(") ").next().is_some_and(|state| state.starts_with('Z')))
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

fn free_address() -> Result<SocketAddr, RedisServerError> {
    let size = u128::from(PORTS.end - PORTS.start);
    for _ in 0..TRIES {
        let offset = u16::try_from(Uuid::new_v4().as_u128() % size).unwrap_or_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + offset));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(failed("finding a free port", format!("none of {TRIES} tried in {PORTS:?} is")))
}

fn failed(step: &'static str, said: impl std::fmt::Display) -> RedisServerError {
    RedisServerError::Failed { step, said: said.to_string() }
}

#[cfg(test)]
mod tests {
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
            (server.directory.path().to_owned(), server.running.as_ref().unwrap().server);
        drop(server);
        assert!(!directory.exists() && !is_alive(process));
    }
}
