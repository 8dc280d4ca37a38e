//! One turn: a server of its own, warmed up and loaded.

use std::env;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use spanbox::testing::{PgServer, TestDatabase};

use super::case::{Case, Program, Recorded, Route};
use super::peers::Peers;
use super::{Options, OverheadError};
use crate::collector;
use crate::connection::Connection;
use crate::figures::Figures;
use crate::hello::{LEAN, SERVICE};
use crate::machine::{cpu_of, largest_of};
use crate::server::{Server, command};
use crate::sink::Sink;
use crate::wrk::Wrk;

const START: Duration = Duration::from_secs(60);
/// As long as a service may take, and some more.
const STOP: Duration = Duration::from_secs(60);
/// Until pools are full and code is warm.
const WARM_UP: u64 = 1;

const ORDER: &str = r#"{"product_name":"Widget","amount":"99.99"}"#;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/load/order.lua");

/// Names of what is measured, and their units.
pub(super) const THROUGHPUT: (&str, &str) = ("throughput", "1/s");
pub(super) const P50: (&str, &str) = ("p50", "ms");
pub(super) const P99: (&str, &str) = ("p99", "ms");
pub(super) const CPU: (&str, &str) = ("CPU", "µs/request");
pub(super) const MEMORY: (&str, &str) = ("memory", "MiB");
pub(super) const LOST: (&str, &str) = ("spans lost", "%");

/// The name of a figure of a variant.
pub(super) fn figure(case: Case, what: (&str, &str)) -> String {
    format!("{}; {}", case.variant(), what.0)
}

/// All that turns have in common.
pub(super) struct Bench<'a> {
    pub(super) options: &'a Options,
    /// Of the server, and of everything else.
    pub(super) cores: Option<(usize, usize)>,
    pub(super) postgres: Option<PgServer>,
    pub(super) peers: Peers,
    pub(super) sink: Sink,
}

impl Bench<'_> {
    /// Measures a case once, and answers what there is to be said of it.
    pub(super) async fn turn(&self, case: Case, into: &mut Figures) -> Result<Option<String>, OverheadError> {
        let directory = tempfile::tempdir()?;
        let core = self.cores.map(|(server, _)| server);
        let mut command = match case.program {
            Program::Peer(peer) => self.peers.command(peer, case.recorded, core, directory.path(), 1)?,
            program => {
                let other = self.options.program.as_ref().filter(|_| program == Program::Orders);
                let program = other.map_or_else(env::current_exe, std::path::absolute)?;
                command(core, program, directory.path())
            }
        };
        let database = match &self.postgres {
            Some(server) if case.route.on_postgres() => Some(TestDatabase::create(server.url()).await?),
            _ => None,
        };
        self.set(case, &mut command);
        if let Some(database) = &database {
            command.env("DATABASE_URL", database.url());
        }
        self.sink.hang(case.recorded == Recorded::Hanging);
        let server = Server::start(&mut command, START)?;
        if case.route != Route::Hello {
            let status = Connection::open(server.address())?.post("/api/orders/", ORDER)?;
            if status != 201 {
                return Err(OverheadError::Order { case: case.name(), status });
            }
        }
        let mut wrk = Wrk {
            url: format!("http://{}{}", server.address(), case.route.path()),
            connections: self.options.connections,
            seconds: WARM_UP,
            script: case.route.writes().then(|| SCRIPT.into()),
            headers: case.recorded.headers(),
            core: self.cores.map(|(_, rest)| rest),
        };
        wrk.run()?;
        wrk.seconds = self.options.seconds;
        let cpu = cpu_of(server.id());
        let measured = wrk.run()?;
        let cpu = cpu_of(server.id()).saturating_sub(cpu);
        let memory = largest_of(server.id());
        self.sink.hang(false);
        let log = server.stop(STOP)?;

        let mut add = |what: (&str, &'static str), value: f64| {
            into.add(case.route.name(), figure(case, what), what.1, value);
        };
        add(THROUGHPUT, measured.per_second);
        add(P50, measured.p50);
        add(P99, measured.p99);
        add(CPU, cpu.as_secs_f64() * 1e6 / measured.requests.max(1.0));
        add(MEMORY, memory);
        add(LOST, lost(&log));
        let share = measured.failed / measured.requests.max(1.0) * 100.0;
        Ok((share > 0.0).then(|| format!("{}: {share:.2} % of the requests failed", case.name())))
    }

    fn set(&self, case: Case, command: &mut Command) {
        match case.program {
            Program::Peer(_) => return,
            Program::Bare => command.env(SERVICE, "bare"),
            Program::Lean => command.env(SERVICE, "spanbox").envs(LEAN),
            Program::Whole => command.env(SERVICE, "spanbox"),
            // Jobs that are run meanwhile would be measured, too.
            Program::Orders => command.env(collector::SERVICE, "1").env("APP_JOBS__IN_SERVE", "false"),
        };
        command.envs(case.recorded.environment(&self.sink.endpoint())).envs([
            ("PORT", "0"),
            ("APP_SERVER__WORKERS", "1"),
            ("APP_MANAGEMENT__ENABLED", "false"),
            ("APP_LOG__FORMAT", "json"),
            ("LOG_LEVEL", "info"),
        ]);
    }
}

/// The share of the spans that were lost, in percent: a service says so when it stops.
fn lost(log: &str) -> f64 {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let said = lines.filter_map(|line| Some(line["fields"]["flushed"].as_str()?.to_owned())).next_back();
    let counts = said.as_deref().and_then(|said| said.split(';').next()).unwrap_or_default();
    let counts: Vec<f64> =
        counts.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    match counts[..] {
        [sent, lost] if lost > 0.0 => lost / (sent + lost) * 100.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_it_lost_is_read() {
        let log =
            "not JSON\n{\"fields\":{\"flushed\":\"spans 30 sent, 10 lost; metrics 1 sent, 0 lost; 5 ms\"}}\n";
        assert_eq!(lost(log), 25.0);
        assert_eq!(lost("{\"fields\":{\"message\":\"stopped\"}}"), 0.0);
    }
}
