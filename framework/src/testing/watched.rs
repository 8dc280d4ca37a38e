//! Servers that tests start: a process each, with another one that watches over it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

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

/// A server's process, and the one that watches over it. When it is dropped, both end, and the server's data is removed.
#[derive(Debug)]
pub(super) struct Watched {
    watcher: Child,
    server: Pid,
}

impl Watched {
    /// Runs a program in a directory, where its `log` is. Errors are what the system said.
    pub(super) fn start(binary: &Path, directory: &Path, arguments: &[String]) -> Result<Self, String> {
        let mut watcher = Command::new("/bin/sh")
            .args(["-c", WATCHED, "watched"])
            .arg(directory)
            .arg(binary)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut said = String::new();
        if let Some(output) = watcher.stdout.take() {
            BufReader::new(output).read_line(&mut said).map_err(|error| error.to_string())?;
        }
        let server = said.trim().parse().ok().and_then(Pid::from_raw);
        server.map(|server| Self { watcher, server }).ok_or_else(|| format!("the shell said {said:?}"))
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(self.server, signal).map_err(|error| error.to_string())
    }

    /// Stops the server in order and keeps its data.
    pub(super) fn stop(mut self) -> Result<(), String> {
        if let Some(mut input) = self.watcher.stdin.take() {
            input.write_all(b"keep\n").map_err(|error| error.to_string())?;
        }
        self.watcher.wait().map_err(|error| error.to_string()).map(drop)
    }

    /// Whether it is there and no zombie; it stays one until it is stopped, so that nobody else has its id.
    pub(super) fn is_alive(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.server.as_raw_nonzero()));
        status.is_ok_and(|status| !status.rsplit(") ").next().is_some_and(|state| state.starts_with('Z')))
    }

    /// Its process id.
    #[cfg(test)]
    pub(super) fn id(&self) -> i32 {
        self.server.as_raw_nonzero().get()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// An address that nobody listens on.
pub(super) fn free_address() -> Result<SocketAddr, String> {
    let size = u128::from(PORTS.end - PORTS.start);
    for _ in 0..TRIES {
        let offset = u16::try_from(Uuid::new_v4().as_u128() % size).unwrap_or_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + offset));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(format!("none of {TRIES} tried in {PORTS:?} is free"))
}
