//! What a server has resident: when nobody asks for anything, after load, and for each actor and each connection that it
//! has besides.

mod workers;

use std::env;
use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::collector;
use crate::connection::Connection;
use crate::figures::{Figures, Summary, shown, table};
use crate::hello::{ACTORS, SERVICE};
use crate::machine::{Machine, memory_of};
use crate::overhead::OverheadError;
use crate::server::{Server, ServerError, command};
use crate::sink::Sink;
use crate::wrk::{Wrk, WrkError};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);
/// What a start needs for the moment is given back by then.
const SETTLED: Duration = Duration::from_secs(1);

const ORDER: &str = r#"{"product_name":"Widget","amount":"99.99"}"#;

/// How many and how long
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How often each is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds of load
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Actors that nobody sends anything
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    actors: u32,
    /// Connections that have asked once and are kept alive
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Only workers: 1, 2, 4 and 8 of the order service, and of Flask, which is installed for it
    #[arg(long)]
    flask: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// A file or a connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A server that is measured.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The load.
    #[error(transparent)]
    Wrk(#[from] WrkError),
    /// Flask.
    #[error(transparent)]
    Flask(#[from] OverheadError),
    /// A server did not do what it was asked for.
    #[error("{what} was answered with {status}")]
    Answer {
        /// The request.
        what: &'static str,
        /// The status.
        status: u16,
    },
    /// More connections than this process may have.
    #[error(
        "connection {open} of {wanted} could not be opened: {error}; each takes a file here and one in the server: \
         `ulimit -n {}`, or fewer --connections",
        .wanted + 1000
    )]
    Connections {
        /// The one that failed.
        open: u32,
        /// How many there were to be.
        wanted: u32,
        /// What the system said.
        error: io::Error,
    },
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: u16,
    seconds: u64,
    actors: u32,
    connections: u32,
    figures: Vec<Summary>,
}

/// A server to look at.
#[derive(Clone, Copy)]
enum Program {
    Bare,
    Hello,
    Orders,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "actix-web alone",
            Self::Hello => "hello on spanbox",
            Self::Orders => "orders",
        }
    }

    fn command(self, directory: &tempfile::TempDir) -> io::Result<Command> {
        let mut command = command(None, env::current_exe()?, directory.path());
        match self {
            Self::Bare => command.env(SERVICE, "bare"),
            Self::Hello => command.env(SERVICE, "spanbox"),
            Self::Orders => command.env(collector::SERVICE, "1"),
        };
        command.envs([
            ("PORT", "0"),
            ("APP_SERVER__WORKERS", "1"),
            ("APP_MANAGEMENT__ENABLED", "false"),
            ("LOG_LEVEL", "info"),
            // Longer than all connections take to come.
            ("APP_SERVER__KEEP_ALIVE", "10m"),
        ]);
        Ok(command)
    }
}

/// Measures, and prints what came of it.
///
/// # Errors
///
/// [`MemoryError`].
pub fn measure(options: &Options) -> Result<(), MemoryError> {
    let machine = Machine::now();
    let sink = Sink::start()?;
    let mut figures = Figures::default();
    if options.flask {
        workers::measure(options.rounds, options.seconds, &sink, &mut figures)?;
    }
    for round in (1..=options.rounds).filter(|_| !options.flask) {
        eprintln!("round {round} of {}: the order service", options.rounds);
        load(options, None, &mut figures)?;
        load(options, Some(&sink), &mut figures)?;
        for program in [Program::Bare, Program::Hello] {
            eprintln!("round {round} of {}: {}", options.rounds, program.name());
            let idle = actors(program, options.actors, &mut figures)?;
            connections(program, idle, options.connections, &mut figures)?;
        }
    }
    let report = Report {
        machine,
        rounds: options.rounds,
        seconds: options.seconds,
        actors: options.actors,
        connections: options.connections,
        figures: figures.summaries(),
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(())
}

/// The order service before and after a load of reads, that are recorded for a collector or not at all.
fn load(options: &Options, sink: Option<&Sink>, into: &mut Figures) -> Result<(), MemoryError> {
    let directory = tempfile::tempdir()?;
    let mut command = Program::Orders.command(&directory)?;
    let of = match sink {
        None => {
            command.env("OTEL_SDK_DISABLED", "true");
            "orders, no telemetry"
        }
        Some(sink) => {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint());
            command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
            "orders, traces 100 %, metrics, logs"
        }
    };
    let server = Server::start(&mut command, START)?;
    thread::sleep(SETTLED);
    into.add(of, "idle", "MiB", memory_of(server.id()));
    reads(&server, 32, options.seconds)?;
    into.add(of, "after reads by 32 clients", "MiB", memory_of(server.id()));
    server.stop(STOP)?;
    Ok(())
}

/// An order, and clients that read it.
fn reads(server: &Server, connections: u32, seconds: u64) -> Result<(), MemoryError> {
    let status = Connection::open(server.address())?.post("/api/orders/", ORDER)?;
    if status != 201 {
        return Err(MemoryError::Answer { what: "POST /api/orders/", status });
    }
    let url = format!("http://{}/api/orders/1", server.address());
    Wrk { url, connections, seconds, script: None, headers: Vec::new(), core: None }.run()?;
    Ok(())
}

/// A server with many actors, and what it has without.
fn actors(program: Program, actors: u32, into: &mut Figures) -> Result<f64, MemoryError> {
    let idle = |actors: u32| {
        let directory = tempfile::tempdir()?;
        let mut command = program.command(&directory)?;
        let server = Server::start(command.env(ACTORS, actors.to_string()), START)?;
        thread::sleep(SETTLED);
        let memory = memory_of(server.id());
        server.stop(STOP)?;
        Ok::<_, MemoryError>(memory)
    };
    let (without, with) = (idle(0)?, idle(actors)?);
    into.add(program.name(), "idle", "MiB", without);
    into.add(program.name(), "an idle actor", "bytes", each(with - without, actors));
    Ok(without)
}

/// A server with many connections that have asked once.
fn connections(program: Program, idle: f64, wanted: u32, into: &mut Figures) -> Result<(), MemoryError> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(&mut program.command(&directory)?, START)?;
    let mut kept = Vec::new();
    for open in 1..=wanted {
        let failed = |error| MemoryError::Connections { open, wanted, error };
        let mut connection = Connection::open(server.address()).map_err(failed)?;
        let status = connection.get("/hello").map_err(failed)?;
        if status != 200 {
            return Err(MemoryError::Answer { what: "GET /hello", status });
        }
        kept.push(connection);
    }
    thread::sleep(SETTLED);
    into.add(program.name(), "an idle connection", "bytes", each(memory_of(server.id()) - idle, wanted));
    drop(kept);
    server.stop(STOP)?;
    Ok(())
}

/// Bytes of each, of so many MiB.
fn each(mib: f64, number: u32) -> f64 {
    mib * 1024.0 * 1024.0 / f64::from(number)
}

fn tell(report: &Report) {
    let Report { machine, rounds, seconds, actors, connections, figures } = report;
    println!("{}, {} cores, load {}; {rounds} rounds", machine.model, machine.cores, machine.load);
    println!(
        "one worker, if nothing else is said; {seconds} s of load, {actors} actors, {connections} connections; resident \
         memory\n"
    );
    let mut rows = vec![["", "", "median", "least", "most", "unit"].map(str::to_owned).to_vec()];
    for figure in figures {
        let mut row = vec![figure.of.clone(), figure.what.clone()];
        row.extend([figure.median, figure.least, figure.most].map(shown));
        row.push(figure.unit.to_owned());
        rows.push(row);
    }
    print!("{}", table(&rows));
}
