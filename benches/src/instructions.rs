//! What a request costs in instructions of the processor, which are the same however busy the machine is: counted by
//! valgrind's callgrind, in user space, over all threads of the server, from its start to its end. Twice as many requests
//! less the requests themselves, so that start and end do not count.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::connection::Connection;
use crate::figures::{quantile, shown, table};
use crate::hello::{LEAN, NOWHERE, SERVICE};
use crate::machine::{Machine, version_of};
use crate::server::{Server, ServerError, command};
use crate::sink::Sink;

/// Valgrind reads the whole program before it begins, and is fifty times as slow as the processor.
const START: Duration = Duration::from_secs(300);
const STOP: Duration = Duration::from_secs(120);

/// What to count, and how often
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Requests; as many again for the difference
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..))]
    requests: u32,
    /// How often each is counted
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only what has this in its name, e.g. `alone` or `100 %`; bare actix-web is counted in any case
    #[arg(long, default_value = "")]
    only: String,
    /// A directory for what callgrind has counted by function, for `callgrind_annotate`
    #[arg(long)]
    into: Option<PathBuf>,
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstructionsError {
    /// A file or a connection.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The server under valgrind.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server answered something else than hello.
    #[error("{case}: /hello was answered with {status}")]
    Answer {
        /// What was counted.
        case: String,
        /// The status.
        status: u16,
    },
    /// Callgrind did not say how many there were.
    #[error("callgrind counted nothing; it said:\n{0}")]
    NotCounted(String),
    /// There is nothing of that name.
    #[error("nothing that is counted has {0:?} in its name")]
    Nothing(String),
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// How much of a service is around its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    /// Nothing: actix-web.
    Bare,
    /// Telemetry.
    Lean,
    /// All that a service has by default.
    Whole,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    Nothing,
    Tenth,
    TenthKept,
    Traces,
    Metrics,
    Exported,
}

const RECORDED: [Recorded; 6] = [
    Recorded::Nothing,
    Recorded::Tenth,
    Recorded::TenthKept,
    Recorded::Traces,
    Recorded::Metrics,
    Recorded::Exported,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    around: Around,
    recorded: Recorded,
}

const BARE: Case = Case { around: Around::Bare, recorded: Recorded::Nothing };

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        let of = |around| RECORDED.map(|recorded| Self { around, recorded });
        [BARE].into_iter().chain(of(Around::Lean)).chain(of(Around::Whole))
    }

    fn name(self) -> String {
        let around = match self.around {
            Around::Bare => return "bare actix-web".to_owned(),
            Around::Lean => "telemetry alone",
            Around::Whole => "all defaults",
        };
        let recorded = match self.recorded {
            Recorded::Nothing => "disabled",
            Recorded::Tenth => "10 %",
            Recorded::TenthKept => "10 %, keep",
            Recorded::Traces => "100 %",
            Recorded::Metrics => "100 % + metrics",
            Recorded::Exported => "100 % + metrics, over OTLP",
        };
        format!("{around}: {recorded}")
    }

    /// How many instructions more than bare actix-web a request may take.
    fn limit(self) -> Option<f64> {
        match (self.around, self.recorded) {
            (Around::Lean, Recorded::Nothing) => Some(300.0),
            (Around::Lean, Recorded::Tenth) => Some(2_000.0),
            (Around::Lean, Recorded::Traces) => Some(6_000.0),
            (Around::Lean, Recorded::Metrics) => Some(7_500.0),
            _ => None,
        }
    }

    fn set(self, command: &mut Command, sink: &Sink) {
        command.env(SERVICE, if self.around == Around::Bare { "bare" } else { "spanbox" });
        command.envs([
            ("PORT", "0"),
            ("APP_SERVER__WORKERS", "1"),
            ("APP_MANAGEMENT__ENABLED", "false"),
            ("APP_TELEMETRY__KEEP__ENABLED", "false"),
        ]);
        if self.around == Around::Lean {
            command.envs(LEAN);
        }
        match self.recorded {
            Recorded::Nothing => command.env("OTEL_SDK_DISABLED", "true"),
            Recorded::Tenth => command.envs([(NOWHERE, "traces"), ("OTEL_TRACE_SAMPLE_RATE", "0.1")]),
            Recorded::TenthKept => command.envs([
                (NOWHERE, "traces"),
                ("OTEL_TRACE_SAMPLE_RATE", "0.1"),
                ("APP_TELEMETRY__KEEP__ENABLED", "true"),
            ]),
            Recorded::Traces => command.env(NOWHERE, "traces"),
            Recorded::Metrics => command.env(NOWHERE, "traces,metrics"),
            Recorded::Exported => command
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint())
                .envs([("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), ("OTEL_LOGS_EXPORTER", "none")]),
        };
    }
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    valgrind: String,
    requests: u32,
    counts: Vec<Count>,
}

/// Instructions a request.
#[derive(Serialize)]
struct Count {
    case: String,
    instructions: f64,
    /// Each round's.
    samples: Vec<f64>,
    /// More than bare actix-web.
    more: f64,
    limit: Option<f64>,
}

/// Counts, and prints what came of it.
///
/// # Errors
///
/// [`InstructionsError`].
pub fn measure(options: &Options) -> Result<(), InstructionsError> {
    let wanted = options.only.to_lowercase();
    let cases: Vec<Case> =
        Case::all().filter(|case| *case == BARE || case.name().to_lowercase().contains(&wanted)).collect();
    if !wanted.is_empty() && cases.len() == 1 {
        return Err(InstructionsError::Nothing(options.only.clone()));
    }
    let sink = Sink::start()?;
    let mut samples = vec![Vec::new(); cases.len()];
    for round in 1..=options.rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            eprintln!("round {round} of {}: {}", options.rounds, case.name());
            let once = count(*case, options.requests, None, &sink)?;
            let twice = count(*case, 2 * options.requests, options.into.as_deref(), &sink)?;
            samples.push((twice - once) / f64::from(options.requests));
        }
    }
    let bare = samples.first().map_or(f64::NAN, |samples| quantile(samples, 0.5));
    let counts = cases.iter().zip(samples).map(|(case, samples)| {
        let instructions = quantile(&samples, 0.5);
        Count { case: case.name(), instructions, samples, more: instructions - bare, limit: case.limit() }
    });
    let report = Report {
        machine: Machine::now(),
        valgrind: version_of("valgrind", "--version").unwrap_or_default(),
        requests: options.requests,
        counts: counts.collect(),
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(())
}

/// All instructions of a server that answers so many requests.
fn count(case: Case, requests: u32, into: Option<&Path>, sink: &Sink) -> Result<f64, InstructionsError> {
    let directory = tempfile::tempdir()?;
    let file = match into {
        Some(into) => {
            std::fs::create_dir_all(into)?;
            let name = case.name().replace([' ', ':', ',', '+', '%'], "");
            std::path::absolute(into)?.join(format!("callgrind.out.{name}"))
        }
        None => directory.path().join("callgrind.out"),
    };
    let mut valgrind = command(None, "valgrind", directory.path());
    valgrind.args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]);
    valgrind.arg(env::current_exe()?);
    case.set(&mut valgrind, sink);
    let server = Server::start(&mut valgrind, START)?;
    let mut connection = Connection::open(server.address())?;
    for _ in 0..requests {
        let status = connection.get("/hello")?;
        if status != 200 {
            return Err(InstructionsError::Answer { case: case.name(), status });
        }
    }
    drop(connection);
    let log = server.stop(STOP)?;
    collected(&log).ok_or(InstructionsError::NotCounted(log))
}

/// Of a line like `==77== Collected : 1234`.
fn collected(log: &str) -> Option<f64> {
    let line = log.lines().find(|line| line.starts_with("==") && line.contains("Collected :"))?;
    line.split_whitespace().last()?.parse().ok()
}

fn tell(report: &Report) {
    let Report { machine, valgrind, requests, counts } = report;
    println!("{}, {} cores, load {}; {valgrind}", machine.model, machine.cores, machine.load);
    println!("GET /hello, {requests} requests on one connection; user instructions a request\n");
    let mut rows = vec![["", "", "instructions", "more", "limit"].map(str::to_owned).to_vec()];
    for count in counts {
        let verdict = match count.limit {
            Some(limit) if count.more <= limit => "reached",
            Some(_) => "missed",
            None => "",
        };
        rows.push(vec![
            count.case.clone(),
            verdict.to_owned(),
            shown(count.instructions),
            shown(count.more),
            count.limit.map(shown).unwrap_or_default(),
        ]);
    }
    print!("{}", table(&rows));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_off_callgrinds_words() {
        let log = "ready\n==77== Events    : Ir\n==77== Collected : 81234567\n==77== \n";
        assert_eq!(collected(log), Some(81_234_567.0));
        assert_eq!(collected("valgrind: no such program"), None);
    }

    #[test]
    fn each_limit_is_of_one_case() {
        let limits: Vec<f64> = Case::all().filter_map(Case::limit).collect();
        assert_eq!(limits, [300.0, 2_000.0, 6_000.0, 7_500.0]);
    }
}
