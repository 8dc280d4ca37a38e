//! Other stacks, for a comparison: actix-web bare and with the middleware that others have written, and Flask. Each runs in
//! a process of its own, on the core that the services of ours have, and exports to nowhere.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use super::OverheadError;
use super::case::Recorded;
use crate::server::command;

/// Where the peers' sources are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// Another stack. Each says hello, shows an order and takes one, in SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Peer {
    /// actix-web, diesel and r2d2, without telemetry
    Actix,
    /// The same with opentelemetry-instrumentation-actix-web
    Official,
    /// The same with tracing-actix-web and tracing-opentelemetry
    Tracing,
    /// Flask, SQLAlchemy and gunicorn, with their official instrumentation
    Flask,
}

impl Peer {
    pub(super) const ALL: [Self; 4] = [Self::Actix, Self::Official, Self::Tracing, Self::Flask];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Actix => "actix-web alone",
            Self::Official => "actix-web, official middleware",
            Self::Tracing => "actix-web, tracing",
            Self::Flask => "Flask",
        }
    }

    /// What it can record.
    pub(super) const fn records(self) -> &'static [Recorded] {
        match self {
            Self::Actix => &[Recorded::Nothing],
            Self::Official => &[Recorded::Tenth, Recorded::Traces, Recorded::Metrics],
            Self::Tracing => &[Recorded::Tenth, Recorded::Traces],
            Self::Flask => &[Recorded::Nothing, Recorded::Tenth, Recorded::Traces],
        }
    }
}

/// What the peers need to be there.
pub(crate) struct Peers {
    wanted: Vec<Peer>,
    actix: PathBuf,
    /// With Flask.
    python: PathBuf,
}

impl Peers {
    /// Builds what is wanted, and installs it below the directory of this program's build.
    pub(crate) fn ready(wanted: &[Peer]) -> Result<Self, OverheadError> {
        let exe = env::current_exe()?;
        let Some(target) = exe.ancestors().nth(2) else {
            return Err(failed("finding the build's directory", exe.display()));
        };
        let peers = Self {
            wanted: wanted.to_vec(),
            actix: target.join("release/actix-peer"),
            python: target.join("flask/bin/python"),
        };
        if wanted.iter().any(|peer| *peer != Peer::Flask) {
            eprintln!("building the program of actix-web");
            let manifest = Path::new(SOURCES).join("actix/Cargo.toml");
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]).arg(manifest);
            run(cargo.arg("--target-dir").arg(target), "building the program of actix-web")?;
        }
        if wanted.contains(&Peer::Flask) {
            if !peers.python.exists() {
                let mut python = Command::new("python3");
                run(
                    python.args(["-m", "venv"]).arg(target.join("flask")),
                    "making an environment for Flask (it takes python3 with venv: apt-get install python3-venv)",
                )?;
            }
            eprintln!("installing Flask");
            let requirements = Path::new(SOURCES).join("flask/requirements.txt");
            let mut pip = Command::new(&peers.python);
            run(pip.args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements), "installing Flask")?;
        }
        Ok(peers)
    }

    /// What starts a peer that records so much, on a core, with its database in a directory. The workers are Flask's; others
    /// have one.
    pub(crate) fn command(
        &self,
        peer: Peer,
        recorded: Recorded,
        core: Option<usize>,
        directory: &Path,
        workers: u16,
    ) -> Result<Command, OverheadError> {
        let mut started = match peer {
            Peer::Actix => command(core, &self.actix, directory),
            Peer::Official => {
                let mut official = command(core, &self.actix, directory);
                official.arg("official");
                official
            }
            Peer::Tracing => {
                let mut tracing = command(core, &self.actix, directory);
                tracing.arg("tracing");
                tracing
            }
            Peer::Flask => {
                let mut gunicorn = command(core, &self.python, directory);
                gunicorn.args(["-m", "gunicorn", "--workers", &workers.to_string()]);
                gunicorn.args(["--bind", "127.0.0.1:0", "--no-control-socket"]);
                gunicorn.arg("--chdir").arg(Path::new(SOURCES).join("flask")).arg("orders:create_app()");
                gunicorn.env("PYTHONDONTWRITEBYTECODE", "1");
                gunicorn
            }
        };
        started.env("DATABASE", std::path::absolute(directory.join("orders.db"))?);
        match recorded {
            Recorded::Nothing => {}
            Recorded::Tenth => {
                started.env("SAMPLED", "0.1");
            }
            Recorded::Metrics => {
                started.envs([("SAMPLED", "1.0"), ("MEASURED", "1")]);
            }
            _ => {
                started.env("SAMPLED", "1.0");
            }
        }
        Ok(started)
    }

    /// What the peers say they are.
    pub(super) fn versions(&self) -> Vec<String> {
        let mut versions = Vec::new();
        if self.wanted.iter().any(|peer| *peer != Peer::Flask) {
            versions.extend(said(Command::new(&self.actix).arg("versions")));
        }
        if self.wanted.contains(&Peer::Flask) {
            let mut python = Command::new(&self.python);
            versions.extend(said(python.arg(Path::new(SOURCES).join("flask/versions.py"))));
        }
        versions
    }
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program to its end.
fn run(command: &mut Command, what: &str) -> Result<(), OverheadError> {
    let output = command.output().map_err(|error| failed(what, error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(what, String::from_utf8_lossy(&output.stderr)))
}

fn failed(what: impl Into<String>, said: impl std::fmt::Display) -> OverheadError {
    OverheadError::Peer { what: what.into(), said: said.to_string() }
}
