//! What jobs cost. All is measured in turns, round after round, so that a noisy machine hits all of it alike.

mod bare;
mod enqueueing;
mod kind;
mod peers;
mod pickup;
mod place;
mod report;
mod running;

use clap::Args;
use spanbox::data::{DbError, RedisError};
use spanbox::jobs::JobsError;
use spanbox::telemetry::TelemetryError;
use spanbox::testing::{PgServerError, RedisServerError};

use crate::figures::Figures;
use crate::machine::Machine;
use peers::{Peer, Peers};
use place::{Places, Store};

/// What to measure, and how often.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Measure other queues beside it: builds and installs them first, which takes minutes and the network
    #[arg(long)]
    peers: bool,
    /// Only what has this in its name, e.g. `sqlite` or `postgres, run`
    #[arg(long, default_value = "")]
    only: String,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The private PostgreSQL server.
    #[error("no PostgreSQL to measure: {0}")]
    Server(#[from] PgServerError),
    /// The private Redis.
    #[error("no Redis to measure: {0}")]
    RedisServer(#[from] RedisServerError),
    /// A socket or a file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A job.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// What records the runs.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Jobs did not end in time, or not all of them.
    #[error("{what}: {done} of {jobs} jobs ended")]
    Incomplete {
        /// What was measured.
        what: &'static str,
        /// How many there were.
        jobs: usize,
        /// How many of them ended.
        done: usize,
    },
    /// Another queue.
    #[error("{what} failed: {said}")]
    Peer {
        /// What was tried.
        what: String,
        /// What the program or the system said.
        said: String,
    },
    /// There is nothing of that name.
    #[error("nothing that is measured has {0:?} in its name")]
    Nothing(String),
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
enum Case {
    /// The store's own limit: jobs claimed and completed, and nothing else.
    Limit(Store),
    /// The same by statements written for it, as a check of ours.
    Plain(Store),
    /// Jobs that are run as a service runs them, traced and measured in full.
    Run(Store),
    /// The same without telemetry.
    Untraced(Store),
    Enqueue(Store),
    Pickup(Store),
    Peer(Peer),
}

impl Case {
    fn all(peers: bool) -> Vec<Self> {
        let mut all = Vec::new();
        for store in Store::ALL {
            if store == Store::Redis {
                // Its jobs are enqueued in the database, and its limit has no statements of ours.
                all.extend([
                    Self::Limit(store),
                    Self::Run(store),
                    Self::Untraced(store),
                    Self::Pickup(store),
                ]);
                continue;
            }
            let of_store = [
                Self::Limit(store),
                Self::Plain(store),
                Self::Run(store),
                Self::Untraced(store),
                Self::Enqueue(store),
                Self::Pickup(store),
            ];
            all.extend(of_store);
        }
        if peers {
            all.extend(Peer::ALL.map(Self::Peer));
        }
        all
    }

    fn name(self) -> String {
        let (of, what) = match self {
            Self::Limit(store) => (store.name(), "limit"),
            Self::Plain(store) => (store.name(), "plain SQL"),
            Self::Run(store) => (store.name(), "run"),
            Self::Untraced(store) => (store.name(), "untraced"),
            Self::Enqueue(store) => (store.name(), "enqueue"),
            Self::Pickup(store) => (store.name(), "pickup"),
            Self::Peer(peer) => (peer.name(), "peer"),
        };
        format!("{of}, {what}")
    }

    async fn measure(
        self,
        places: &Places,
        peers: Option<&Peers>,
        into: &mut Figures,
    ) -> Result<(), MeasureError> {
        match self {
            Self::Limit(Store::Redis) => bare::stream(places, into).await,
            Self::Limit(store) => bare::limit(places, store, into).await,
            Self::Plain(store) => bare::plain(places, store, into).await,
            Self::Run(store) => running::traced(places, store, into).await,
            Self::Untraced(store) => running::untraced(places, store, into).await,
            Self::Enqueue(store) => enqueueing::measure(places, store, into).await,
            Self::Pickup(store) => pickup::measure(places, store, into).await,
            Self::Peer(peer) => match peers {
                Some(peers) => peers.measure(peer, into),
                None => Ok(()),
            },
        }
    }
}

/// Measures and prints.
///
/// # Errors
///
/// [`MeasureError`].
pub async fn measure(options: &Options) -> Result<(), MeasureError> {
    let wanted = options.only.to_lowercase();
    let cases: Vec<Case> = Case::all(options.peers)
        .into_iter()
        .filter(|case| case.name().to_lowercase().contains(&wanted))
        .collect();
    if cases.is_empty() {
        return Err(MeasureError::Nothing(options.only.clone()));
    }
    let before = Machine::now();
    let places = Places::open()?;
    let peers = if options.peers { Some(Peers::ready()?) } else { None };
    let mut figures = Figures::default();
    for round in 1..=options.rounds {
        for case in &cases {
            eprintln!("round {round} of {}: {} (load {})", options.rounds, case.name(), Machine::now().load);
            case.measure(&places, peers.as_ref(), &mut figures).await?;
        }
    }
    let versions =
        places.versions().await?.into_iter().chain(peers.iter().flat_map(Peers::versions)).collect();
    report::print(options, &figures, before, versions)
}
