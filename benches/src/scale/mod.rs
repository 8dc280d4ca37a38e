//! What grows with the service, and what does not: the cost of each operation with ever more rows, of jobs with a backlog, of
//! actors and idle connections by the thousand; and what more processes add.

mod actors;
mod backlog;
mod connections;
mod growth;
mod processes;
mod report;
mod store;

use clap::Args;
use spanbox::data::DbError;
use spanbox::jobs::JobsError;
use spanbox::module::BoxError;
use spanbox::telemetry::TelemetryError;
use spanbox::testing::{PgServer, PgServerError};

use crate::figures::Figures;
use crate::machine::Machine;
use store::Store;

/// What to measure, and how much of it
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print how the databases read each list in the largest table
    #[arg(long)]
    plans: bool,
    /// Rows of the largest table: the others have a tenth each, down to 1,000. Ten million take 10 GB of $TMPDIR
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1_000..))]
    rows: i64,
    /// How often all is measured, 60 calls of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=8))]
    rounds: u16,
    /// Jobs that wait
    #[arg(long, default_value_t = 1_000_000)]
    backlog: i64,
    /// Actors at a time
    #[arg(long, default_value_t = 10_000)]
    actors: usize,
    /// Idle connections to the order service
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Seconds of load on each number of workers and processes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only what has this in its name: `rows sqlite`, `rows postgresql`, `backlog`, `actors`, `connections`, `processes`
    #[arg(long, default_value = "")]
    only: String,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScaleError {
    /// The private PostgreSQL server.
    #[error("no PostgreSQL to measure: {0}")]
    Server(#[from] PgServerError),
    /// A database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// An order.
    #[error("an order could not be placed, or taken further: {0}")]
    Order(BoxError),
    /// A job.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// What records messages.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A process, or a connection.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Something else was read than what is measured.
    #[error("{what} gave {rows} rows, which is not what is measured")]
    Rows {
        /// What was read.
        what: &'static str,
        /// How many there were.
        rows: usize,
    },
    /// An order that was put there is not there.
    #[error("order {0} is gone")]
    Gone(i64),
    /// Actors did not answer.
    #[error("only {0} messages were answered")]
    Unanswered(usize),
    /// The service answered something else.
    #[error("the order service answered: {0}")]
    Answer(String),
    /// There is nothing of that name.
    #[error("nothing that is measured has {0:?} in its name")]
    Nothing(String),
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Clone, Copy)]
enum Part {
    Rows(Store),
    Backlog(Store),
    Actors,
    Connections,
    Processes,
}

impl Part {
    fn all() -> Vec<Self> {
        let of_stores = [Self::Rows as fn(Store) -> Self, Self::Backlog];
        let of_stores = of_stores.into_iter().flat_map(|part| Store::ALL.map(part));
        of_stores.chain([Self::Actors, Self::Connections, Self::Processes]).collect()
    }

    fn name(self) -> String {
        match self {
            Self::Rows(store) => format!("rows {}", store.name().to_lowercase()),
            Self::Backlog(store) => format!("backlog {}", store.name().to_lowercase()),
            Self::Actors => "actors".to_owned(),
            Self::Connections => "connections".to_owned(),
            Self::Processes => "processes".to_owned(),
        }
    }
}

/// Measures and prints.
///
/// # Errors
///
/// [`ScaleError`].
pub async fn measure(options: &Options) -> Result<(), ScaleError> {
    let wanted = options.only.to_lowercase();
    let parts: Vec<Part> = Part::all().into_iter().filter(|part| part.name().contains(&wanted)).collect();
    if parts.is_empty() {
        return Err(ScaleError::Nothing(options.only.clone()));
    }
    let before = Machine::now();
    let server = PgServer::start_durable()?;
    let (mut growth, mut plans, mut figures) = (Vec::new(), Vec::new(), Figures::default());
    let Options { rows, rounds, .. } = *options;
    for part in parts {
        match part {
            Part::Rows(store) => {
                let (of_store, its_plans) =
                    growth::measure(store, &server, rows, rounds, options.plans).await?;
                growth.extend(of_store);
                plans.extend(its_plans);
            }
            Part::Backlog(store) => {
                backlog::measure(store, &server, options.backlog, rounds, &mut figures).await?;
            }
            Part::Actors => actors::measure(options.actors, rounds, &mut figures).await?,
            Part::Connections => connections::measure(options.connections, &mut figures).await?,
            Part::Processes => processes::measure(&server, options.seconds, &mut figures).await?,
        }
    }
    report::print(options, before, &growth, &plans, &figures)
}
