//! How soon a service is ready, what it takes while it has nothing to do, and how large its program is: the order service, and
//! one with a single route and nothing else.

mod sections;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use spanbox::app::Service;
use spanbox::module::Module;
use spanbox::testing::Process;

use crate::collector::SERVICE;
use crate::figures::{Figures, Summary, spread};
use crate::machine::{Machine, cpu_of, memory_of};

/// Set in the process that is the service with one route.
const BARE: &str = "BENCHES_BARE";
/// No stop takes longer.
const STOP: Duration = Duration::from_secs(60);
/// What a service may still do after its start.
const SETTLES: Duration = Duration::from_secs(2);
/// How long it is watched while it has nothing to do.
const WATCHED: Duration = Duration::from_secs(3);

/// How often, and which program
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Starts of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Programs whose size is told; unless given, `orders` and `spanbox` beside this one
    #[arg(long)]
    program: Vec<PathBuf>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file or a process.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The service answered something else.
    #[error("the service answered: {0}")]
    Answer(String),
    /// It did not end well.
    #[error("it ended with {0}:\n{1}")]
    Ended(std::process::ExitStatus, String),
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    figures: Vec<Summary>,
}

/// Whether this process is to be the service with one route, and not to measure.
#[must_use]
pub fn is_bare() -> bool {
    env::var_os(BARE).is_some()
}

/// A service with one route: no database, no extension.
pub fn bare(profile: Option<&str>) -> Service {
    async fn hello() -> &'static str {
        "hello"
    }
    Service::new("bare", "1.0.0").profile(profile).module(Module::new("greetings").get("/hello", hello))
}

/// Measures, and prints what came of it.
///
/// # Errors
///
/// [`StartError`].
pub fn measure(options: &Options) -> Result<(), StartError> {
    let mut figures = Figures::default();
    for _ in 0..options.rounds {
        let directory = tempfile::tempdir()?;
        start("one route", BARE, "/hello", directory.path(), &mut figures)?;
        start("orders, first start", SERVICE, "/api/orders/", directory.path(), &mut figures)?;
        start("orders, with its database", SERVICE, "/api/orders/", directory.path(), &mut figures)?;
    }
    let own = env::current_exe()?;
    let beside = |name: &str| own.with_file_name(name);
    let programs = match &options.program[..] {
        [] => ["orders", "spanbox"].map(beside).into_iter().filter(|path| path.exists()).collect(),
        given => given.to_vec(),
    };
    for program in programs {
        sections::tell(&program, &mut figures)?;
    }
    let report = Report { machine: Machine::now(), figures: figures.summaries() };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let Machine { model, cores, load } = &report.machine;
    println!("{model}, {cores} cores, load {load}\n");
    println!("{}", spread(["", ""], &report.figures));
    Ok(())
}

fn start(of: &str, what: &str, route: &str, directory: &Path, into: &mut Figures) -> Result<(), StartError> {
    let began = Instant::now();
    let process = Process::start(
        Command::new(env::current_exe()?)
            .current_dir(directory)
            .env_clear()
            .envs([(what, "1"), ("PORT", "0"), ("LOG_LEVEL", "info")])
            .stdin(Stdio::null()),
    );
    let ready = began.elapsed();
    let answer = process.get(route);
    let answered = began.elapsed();
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(StartError::Answer(answer));
    }
    std::thread::sleep(SETTLES);
    let cpu = cpu_of(process.id());
    std::thread::sleep(WATCHED);
    let idle = cpu_of(process.id()).saturating_sub(cpu);
    into.add(of, "from its start until it says that it is ready", "ms", ready.as_secs_f64() * 1e3);
    into.add(of, "until its first answer is there", "ms", answered.as_secs_f64() * 1e3);
    into.add(of, "memory with nothing to do", "MiB", memory_of(process.id()));
    into.add(of, "CPU with nothing to do", "ms/s", idle.as_secs_f64() * 1e3 / WATCHED.as_secs_f64());
    let began = Instant::now();
    let (status, log) = process.terminate(STOP);
    into.add(of, "from SIGTERM until it has ended", "ms", began.elapsed().as_secs_f64() * 1e3);
    if status.success() { Ok(()) } else { Err(StartError::Ended(status, log)) }
}
