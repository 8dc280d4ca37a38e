//! A server that is measured, as a process of its own.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A server that has said where it listens. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// Why a server does not serve, or does not stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// There is no such program, or it may not be run.
    #[error("{program} can not be started: {error}{}", hint(.program))]
    Start {
        /// Which one.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It ended, or said nothing for too long.
    #[error("{program} did not say within {within:?} where it listens; it said:\n{log}")]
    NotReady {
        /// Which one.
        program: String,
        /// How long it was waited for.
        within: Duration,
        /// What it said instead.
        log: String,
    },
    /// It went on after SIGTERM.
    #[error("the server did not end well within {within:?} of SIGTERM; it said:\n{log}")]
    Stop {
        /// How long it was waited for.
        within: Duration,
        /// All that it said.
        log: String,
    },
}

/// What to do about a program that is not there.
fn hint(program: &str) -> &'static str {
    match program {
        "valgrind" => "; apt-get install valgrind",
        "taskset" => "; apt-get install util-linux",
        _ => "",
    }
}

impl Server {
    /// Starts it, and waits until its log says `ready` or `Listening`, and where.
    ///
    /// # Errors
    ///
    /// [`ServerError::Start`] and [`ServerError::NotReady`].
    pub fn start(command: &mut Command, within: Duration) -> Result<Self, ServerError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let piped = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            piped.spawn().map_err(|error| ServerError::Start { program: program.clone(), error })?;
        let (found, address) = channel();
        let log = Arc::<Mutex<String>>::default();
        let (stderr, written) = (child.stderr.take(), Arc::clone(&log));
        let reader = thread::spawn(move || {
            let Some(stderr) = stderr else { return };
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = address_in(&line) {
                    let _ = found.send(address);
                }
                let mut log = written.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        // Who ends early closes the log, and is not waited for.
        if let Ok(address) = address.recv_timeout(within) {
            return Ok(Self { child, address, log, reader: Some(reader) });
        }
        let _ = child.kill();
        let _ = child.wait();
        let _ = reader.join();
        let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(ServerError::NotReady { program, within, log })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM, waits for the end, and answers all that it logged.
    ///
    /// # Errors
    ///
    /// [`ServerError::Stop`], also when it ended with a failure.
    pub fn stop(mut self, within: Duration) -> Result<String, ServerError> {
        let _ = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        let deadline = Instant::now() + within;
        let mut ended = None;
        while ended.is_none() && Instant::now() < deadline {
            ended = self.child.try_wait().ok().flatten();
            thread::sleep(Duration::from_millis(5));
        }
        if ended.is_some()
            && let Some(reader) = self.reader.take()
        {
            let _ = reader.join();
        }
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if ended.is_some_and(|status| status.success()) {
            return Ok(log);
        }
        Err(ServerError::Stop { within, log })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command on one core, if there is one to keep it on, that sees nothing of this process's environment but `PATH`.
#[must_use]
pub fn command(core: Option<usize>, program: impl AsRef<OsStr>, directory: &Path) -> Command {
    let mut command = match core {
        None => Command::new(program),
        Some(core) => {
            let mut pinned = Command::new("taskset");
            pinned.args(["--cpu-list", &core.to_string()]).arg(program);
            pinned
        }
    };
    command.current_dir(directory).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    command
}

/// What the log of a server of ours says when it listens, or of gunicorn.
fn address_in(line: &str) -> Option<SocketAddr> {
    if !line.contains("ready") && !line.contains("Listening") {
        return None;
    }
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']')));
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_server_listens_is_read_off_its_log() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 4321)));
        assert_eq!(address_in("ready on http://127.0.0.1:4321"), address);
        assert_eq!(address_in("[INFO] Listening at: http://127.0.0.1:4321 (77)"), address);
        assert_eq!(address_in("starting on http://127.0.0.1:4321"), None);
    }

    #[test]
    fn a_program_that_ends_early_tells_what_it_said() {
        let mut command = command(None, "sh", Path::new("/"));
        let failed = Server::start(command.args(["-c", "echo no port >&2"]), Duration::from_secs(60));
        assert!(failed.unwrap_err().to_string().contains("no port"));
    }
}
