//! Other queues, for a comparison: apalis on SQLite and on Redis, Celery on Redis. Each runs in a process of its own.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use super::MeasureError;
use super::bare::per_second;
use super::place::Store;
use crate::figures::Figures;
use crate::machine::version_of;

/// Where the peers' sources are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// Another queue. Its jobs do nothing, run at least once, and their ends are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// With WAL and `synchronous = NORMAL`, as ours.
    ApalisSqlite,
    /// With an append-only file that is synced every second.
    ApalisRedis,
    /// The same, with two processes.
    Celery,
}

impl Peer {
    pub(super) const ALL: [Self; 3] = [Self::ApalisSqlite, Self::ApalisRedis, Self::Celery];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ApalisSqlite => "apalis, SQLite",
            Self::ApalisRedis => "apalis, Redis",
            Self::Celery => "Celery, Redis",
        }
    }

    #[allow(clippy::unused_self, reason = "as the others")]
    pub(super) const fn what(self) -> &'static str {
        "run: not traced"
    }

    /// Which of ours it is held against, and how many times faster that is to be.
    pub(super) const fn aim(self) -> (Store, f64) {
        match self {
            Self::ApalisSqlite => (Store::Sqlite, 20.0),
            Self::ApalisRedis => (Store::Redis, 4.0),
            Self::Celery => (Store::Redis, 40.0),
        }
    }

    /// How many jobs it runs in a round. On SQLite apalis gets slower with their number; on Redis it fails from 8,000 on.
    const fn jobs(self) -> usize {
        match self {
            Self::ApalisSqlite | Self::Celery => 2_000,
            Self::ApalisRedis => 5_000,
        }
    }
}

/// What the peers need to be there.
pub(super) struct Peers {
    apalis: PathBuf,
    python: PathBuf,
}

#[derive(Deserialize)]
struct Measured {
    jobs: usize,
    seconds: f64,
    version: String,
}

impl Peers {
    /// Builds apalis' program and installs Celery, both below the directory of this program's build.
    pub(super) fn ready() -> Result<Self, MeasureError> {
        let exe = std::env::current_exe().map_err(|error| failed("finding the build's directory", error))?;
        let Some(target) = exe.ancestors().nth(2) else {
            return Err(failed("finding the build's directory", exe.display()));
        };
        eprintln!("building apalis' program");
        let manifest = Path::new(SOURCES).join("apalis/Cargo.toml");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]).arg(manifest);
        run(cargo.arg("--target-dir").arg(target), "building apalis' program")?;
        let environment = target.join("celery");
        let python = environment.join("bin/python");
        if !python.exists() {
            eprintln!("installing Celery");
            run(
                Command::new("python3").args(["-m", "venv"]).arg(&environment),
                "making an environment for Celery",
            )?;
        }
        let requirements = Path::new(SOURCES).join("celery/requirements.txt");
        run(
            Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements),
            "installing Celery",
        )?;
        Ok(Self { apalis: target.join("release/apalis-peer"), python })
    }

    pub(super) fn measure(&self, peer: Peer, into: &mut Figures) -> Result<(), MeasureError> {
        let measured = match peer {
            Peer::ApalisSqlite => {
                let directory = directory()?;
                let file = directory.path().join("jobs.db");
                self.measured(Command::new(&self.apalis).arg("sqlite").arg(file), peer)?
            }
            Peer::ApalisRedis => {
                let server = RedisServer::start()?;
                let url = format!("redis+unix://{}", server.socket.display());
                self.measured(Command::new(&self.apalis).args(["redis", &url]), peer)?
            }
            Peer::Celery => {
                let server = RedisServer::start()?;
                let broker = format!("redis+socket://{}", server.socket.display());
                let mut python = Command::new(&self.python);
                python.arg("measure.py").env("BROKER", broker).env("PYTHONDONTWRITEBYTECODE", "1");
                self.measured(python.current_dir(Path::new(SOURCES).join("celery")), peer)?
            }
        };
        let took = Duration::from_secs_f64(measured.seconds);
        into.add(peer.name(), peer.what(), "jobs/s", per_second(measured.jobs, took));
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "there is nothing to measure without them")]
    fn measured(&self, command: &mut Command, peer: Peer) -> Result<Measured, MeasureError> {
        let said = run(command.arg(peer.jobs().to_string()), peer.name())?;
        let last = said.lines().last().unwrap_or_default();
        let measured: Measured =
            serde_json::from_str(last).map_err(|error| failed(peer.name(), format!("{error}: {said}")))?;
        eprintln!("{}: {} jobs in {:.2} s", measured.version, measured.jobs, measured.seconds);
        Ok(measured)
    }

    pub(super) fn versions(&self) -> Vec<String> {
        let celery = Command::new(&self.python)
            .args(["-c", "import celery; print('Celery', celery.__version__)"])
            .output()
            .ok()
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let redis = version_of("redis-server", "--version")
            .and_then(|line| Some(format!("Redis {}", line.split_once("v=")?.1.split(' ').next()?)));
        ["apalis 1.0".to_owned()].into_iter().chain(celery).chain(redis).collect()
    }
}

/// A private Redis behind a Unix socket, as durable as Redis is by default with an append-only file.
struct RedisServer {
    process: Child,
    socket: PathBuf,
    _directory: TempDir,
}

impl RedisServer {
    fn start() -> Result<Self, MeasureError> {
        let directory = directory()?;
        let socket = directory.path().join("redis.sock");
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"])
            .arg("--dir")
            .arg(directory.path())
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| failed("starting redis-server", error))?;
        let server = Self { process, socket, _directory: directory };
        let deadline = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(&server.socket).is_err() {
            if Instant::now() > deadline {
                return Err(failed("starting redis-server", "it does not answer"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It is nobody else's, and what it holds goes too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn directory() -> Result<TempDir, MeasureError> {
    tempfile::tempdir().map_err(|error| failed("making a directory", error))
}

/// Runs a program to its end, and returns what it printed.
fn run(command: &mut Command, what: &str) -> Result<String, MeasureError> {
    let output = command.output().map_err(|error| failed(what, error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(what, String::from_utf8_lossy(&output.stderr)))
}

fn failed(what: impl Into<String>, said: impl std::fmt::Display) -> MeasureError {
    MeasureError::Peer { what: what.into(), said: said.to_string() }
}
