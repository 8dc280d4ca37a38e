//! What recording costs a service: throughput, latency, processor and memory, beside the same without, and beside bare
//! actix-web and other stacks. The server has one core and the clients another; all variants are measured in turns, round
//! after round, each turn with a process and a database of its own.

mod case;
mod peers;
mod report;
mod turn;

use clap::Args;
use spanbox::testing::{PgServer, PgServerError};

use crate::figures::Figures;
use crate::machine::{self, Machine};
use crate::server::ServerError;
use crate::sink::Sink;
use crate::wrk::{self, WrkError};
use case::{Case, Route};
use turn::Bench;

pub(crate) use case::Recorded;
pub(crate) use peers::{Peer, Peers};

/// What to measure, and how often
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds of load, each time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Connections
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Only what has this in its name, e.g. `hello` or `read, sqlite: traces 100 %`; several are separated by `|`, and what
    /// they are held against is measured in any case
    #[arg(long, default_value = "")]
    only: String,
    /// Measure other stacks beside it, all or some: builds and installs them first, which takes minutes and the network
    #[arg(long, value_enum, num_args = 0.., value_delimiter = ',')]
    peers: Option<Vec<Peer>>,
    /// An `orders` to measure in place of the one that is built into this program
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OverheadError {
    /// A file or a connection.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A server that is measured.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The load.
    #[error(transparent)]
    Wrk(#[from] WrkError),
    /// The private PostgreSQL server.
    #[error("no PostgreSQL to measure: {0}; --only sqlite goes without")]
    PgServer(#[from] PgServerError),
    /// Another stack.
    #[error("{what} failed: {said}")]
    Peer {
        /// What was tried.
        what: String,
        /// What the program or the system said.
        said: String,
    },
    /// An order could not be placed.
    #[error("{case}: an order was answered with {status}")]
    Order {
        /// What was measured.
        case: String,
        /// The status.
        status: u16,
    },
    /// There is nothing of that name.
    #[error("nothing that is measured has {0:?} in its name")]
    Nothing(String),
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Measures, and prints what came of it.
///
/// # Errors
///
/// [`OverheadError`].
pub async fn measure(options: &Options) -> Result<(), OverheadError> {
    let wrk = wrk::version()?;
    let wanted: Vec<Peer> = match &options.peers {
        None => Vec::new(),
        Some(some) if some.is_empty() => Peer::ALL.to_vec(),
        Some(some) => Peer::ALL.into_iter().filter(|peer| some.contains(peer)).collect(),
    };
    let cases = chosen(&options.only, &wanted);
    if cases.is_empty() {
        return Err(OverheadError::Nothing(options.only.clone()));
    }
    let machine = Machine::now();
    let peers = Peers::ready(&wanted)?;
    let postgres = if cases.iter().any(|case| case.route.on_postgres()) {
        Some(PgServer::start_durable()?)
    } else {
        None
    };
    let cores = machine::apart()?;
    let bench = Bench { options, cores, postgres, peers, sink: Sink::start()? };
    let mut figures = Figures::default();
    let mut notes = Vec::new();
    for round in 1..=options.rounds {
        for case in &cases {
            eprintln!("round {round} of {}: {} (load {})", options.rounds, case.name(), Machine::now().load);
            notes.extend(bench.turn(*case, &mut figures).await?);
        }
    }
    notes.sort();
    notes.dedup();
    let mut versions = vec![format!("spanbox {}", env!("CARGO_PKG_VERSION")), wrk];
    versions.extend(bench.peers.versions());
    report::print(options, &cases, &figures, report::Setting { machine, versions, cores, notes })
}

/// What has one of the words in its name, and what that is held against.
fn chosen(only: &str, peers: &[Peer]) -> Vec<Case> {
    let words: Vec<String> = only.split('|').map(|word| word.trim().to_lowercase()).collect();
    let wanted = |case: &Case| words.iter().any(|word| case.name().to_lowercase().contains(word));
    let mut chosen = Vec::new();
    for route in Route::ALL {
        let all = Case::all(route, peers);
        if all.iter().any(wanted) {
            chosen.extend(all.into_iter().filter(|case| *case == Case::baseline(route) || wanted(case)));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_chosen_has_what_it_is_held_against() {
        let names = |only| -> Vec<String> { chosen(only, &[]).into_iter().map(Case::name).collect() };
        assert_eq!(
            names("read, sqlite: traces 10 %, metrics"),
            ["order read, SQLite: no telemetry", "order read, SQLite: traces 10 %, metrics, logs, keep"]
        );
        assert!(names("flask").is_empty());
        assert!(names("hello|write, sqlite").iter().all(|name| !name.contains("PostgreSQL")));
    }
}
