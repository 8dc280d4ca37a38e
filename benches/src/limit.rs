//! What SQLite takes at most of the rows of an order placed, and how much of that the order service reaches over HTTP: a loop on
//! a thread inserts the same rows into the same tables, without anything else, and the service places orders of 32 clients.
//! Loop and service have one core each time, and the clients another; jobs are not run.

use std::env;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, ExpressionMethods as _, RunQueryDsl as _, SqliteConnection, insert_into};
use serde::Serialize;
use spanbox::data::{Db, DbError};
use spanbox::telemetry::Telemetry;
use spanbox::testing::TestDatabase;

use crate::collector;
use crate::figures::{Figures, Summary, shown, spread};
use crate::machine::{self, Machine, cpu_of, cpu_time};
use crate::server::{Server, ServerError, command};
use crate::sink::Sink;
use crate::wrk::{Wrk, WrkError};

use rows::{orders, spanbox_jobs};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/load/order.lua");
/// Orders in a transaction of the loop.
const BATCHES: [usize; 2] = [64, 1];
/// What the database waits for: the system when it commits, or the disk.
const SYNCHRONOUS: [&str; 2] = ["normal", "full"];
/// As diesel stores it.
const NOW: &str = "2026-11-28 12:05:58.947285";
/// The share of the loop in batches that is aimed for.
const AIM: f64 = 0.5;

/// The columns that the service sets.
mod rows {
    #![allow(missing_docs, reason = "the names of the columns say it")]

    diesel::table! {
        orders (id) {
            id -> BigInt,
            product_name -> Text,
            amount_minor -> BigInt,
            currency -> Text,
            created_at -> Text,
            updated_at -> Text,
            version -> BigInt,
            user_id -> Nullable<BigInt>,
            status -> Text,
            payment_method -> Text,
            line_count -> Integer,
        }
    }

    diesel::table! {
        spanbox_jobs (id) {
            id -> BigInt,
            queue -> Text,
            kind -> Text,
            payload -> Text,
            state -> Text,
            priority -> Integer,
            run_at -> BigInt,
            max_attempts -> Integer,
            unique_key -> Nullable<Text>,
            unique_until -> BigInt,
            unique_held -> Bool,
            created_at -> BigInt,
        }
    }
}

/// How long and how often
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How often each is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Clients
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// An `orders` to measure in place of the one that is built into this program
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// A file, or a process.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The database of the loop.
    #[error(transparent)]
    Db(#[from] DbError),
    /// It can not be opened.
    #[error(transparent)]
    Open(#[from] diesel::ConnectionError),
    /// The service.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The load.
    #[error(transparent)]
    Wrk(#[from] WrkError),
    /// Requests failed.
    #[error("{failed} of {requests} orders were not placed")]
    Failed {
        /// How many.
        failed: f64,
        /// Of so many.
        requests: f64,
    },
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<diesel::result::Error> for LimitError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: u16,
    seconds: u64,
    connections: u32,
    figures: Vec<Summary>,
}

/// Measures, and prints what came of it.
///
/// # Errors
///
/// [`LimitError`].
pub async fn measure(options: &Options) -> Result<(), LimitError> {
    let machine = Machine::now();
    let cores = machine::apart()?;
    let sink = Sink::start()?;
    let mut figures = Figures::default();
    for round in 1..=options.rounds {
        for synchronous in SYNCHRONOUS {
            eprintln!("round {round} of {}: synchronous = {synchronous}", options.rounds);
            for batch in BATCHES {
                let (per_second, cpu) =
                    bare(synchronous, batch, Duration::from_secs(options.seconds)).await?;
                figures.add(synchronous, loop_of(batch), "orders/s", per_second);
                figures.add(synchronous, format!("{}: CPU", loop_of(batch)), "µs/order", cpu);
            }
            for (what, traced) in SERVICE {
                let (per_second, cpu) = served(options, synchronous, traced.then_some(&sink), cores)?;
                figures.add(synchronous, what, "orders/s", per_second);
                figures.add(synchronous, format!("{what}: CPU"), "µs/order", cpu);
            }
        }
    }
    print(options, machine, &figures)
}

/// What is measured of the service, and whether all is recorded.
const SERVICE: [(&str, bool); 2] =
    [("over HTTP, no telemetry", false), ("over HTTP, all traces and metrics", true)];

fn loop_of(batch: usize) -> String {
    format!("a loop, {batch} in a transaction")
}

/// Inserts for so long, and answers orders a second, and the processor's time for each in microseconds.
async fn bare(synchronous: &str, batch: usize, time: Duration) -> Result<(f64, f64), LimitError> {
    let database = TestDatabase::sqlite();
    let db = Db::connect(&database.settings(), &Telemetry::disabled()).await?;
    db.migrate(::orders::measured::migrations()).await?;
    let _ = db.close(STOP).await;
    let url = database.settings().url.expose().to_owned();
    let mut conn = SqliteConnection::establish(url.trim_start_matches("sqlite://"))?;
    conn.batch_execute(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY"
    ))?;
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut placed = 0;
    while start.elapsed() < time {
        conn.batch_execute("BEGIN IMMEDIATE")?;
        for id in placed..placed + batch {
            insert(&mut conn, id + 1)?;
        }
        conn.batch_execute("COMMIT")?;
        placed += batch;
    }
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let placed = placed as f64;
    Ok((placed / start.elapsed().as_secs_f64(), (cpu_time() - cpu).as_secs_f64() * 1e6 / placed))
}

/// The rows of an order as the service places it, and of its job.
fn insert(conn: &mut SqliteConnection, id: usize) -> diesel::QueryResult<()> {
    insert_into(orders::table)
        .values((
            orders::product_name.eq("Widget"),
            orders::amount_minor.eq(9_999),
            orders::currency.eq("USD"),
            orders::created_at.eq(NOW),
            orders::updated_at.eq(NOW),
            orders::version.eq(1),
            orders::user_id.eq(None::<i64>),
            orders::status.eq("pending"),
            orders::payment_method.eq("credit_card"),
            orders::line_count.eq(0),
        ))
        .execute(conn)?;
    insert_into(spanbox_jobs::table)
        .values((
            spanbox_jobs::queue.eq("orders"),
            spanbox_jobs::kind.eq("process_order"),
            spanbox_jobs::payload.eq(format!("{{\"order_id\":{id}}}")),
            spanbox_jobs::state.eq("available"),
            spanbox_jobs::priority.eq(5),
            spanbox_jobs::run_at.eq(1_795_867_558_948_000),
            spanbox_jobs::max_attempts.eq(1_000),
            spanbox_jobs::unique_key.eq(format!("process_order:{id}")),
            spanbox_jobs::unique_until.eq(0),
            spanbox_jobs::unique_held.eq(true),
            spanbox_jobs::created_at.eq(1_795_867_558_948_000),
        ))
        .execute(conn)
        .map(drop)
}

/// Orders a second over HTTP, and the processor's time of the service for each in microseconds.
fn served(
    options: &Options,
    synchronous: &str,
    sink: Option<&Sink>,
    cores: Option<(usize, usize)>,
) -> Result<(f64, f64), LimitError> {
    let directory = tempfile::tempdir()?;
    let program = options.program.as_ref().map_or_else(env::current_exe, std::path::absolute)?;
    let mut command = command(cores.map(|(server, _)| server), program, directory.path());
    command.envs([
        (collector::SERVICE, "1"),
        ("PORT", "0"),
        ("APP_JOBS__IN_SERVE", "false"),
        ("APP_SERVER__WORKERS", "1"),
        ("APP_MANAGEMENT__ENABLED", "false"),
        ("APP_LOG__FORMAT", "json"),
        ("LOG_LEVEL", "info"),
        ("APP_DATABASE__SYNCHRONOUS", synchronous),
    ]);
    match sink {
        None => command.env("OTEL_SDK_DISABLED", "true"),
        Some(sink) => command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .env("OTEL_LOGS_EXPORTER", "none"),
    };
    let server = Server::start(&mut command, START)?;
    let mut wrk = Wrk {
        url: format!("http://{}/api/orders/", server.address()),
        connections: options.connections,
        seconds: 1,
        script: Some(Path::new(SCRIPT).to_owned()),
        headers: Vec::new(),
        core: cores.map(|(_, rest)| rest),
    };
    wrk.run()?;
    wrk.seconds = options.seconds;
    let cpu = cpu_of(server.id());
    let measured = wrk.run()?;
    let cpu = cpu_of(server.id()).saturating_sub(cpu);
    server.stop(STOP)?;
    if measured.failed > 0.0 {
        return Err(LimitError::Failed { failed: measured.failed, requests: measured.requests });
    }
    Ok((measured.per_second, cpu.as_secs_f64() * 1e6 / measured.requests.max(1.0)))
}

fn print(options: &Options, machine: Machine, figures: &Figures) -> Result<(), LimitError> {
    let summaries = figures.summaries();
    if options.json {
        let Options { rounds, seconds, connections, .. } = *options;
        let report = Report { machine, rounds, seconds, connections, figures: summaries };
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!(
        "{}, {} cores, load {}; {} rounds\n",
        machine.model, machine.cores, machine.load, options.rounds
    );
    println!("{}", spread(["synchronous", ""], &summaries));
    let limit = loop_of(BATCHES[0]);
    for synchronous in SYNCHRONOUS {
        for (what, _) in SERVICE {
            if let Some(share) = figures.ratio((synchronous, what), (synchronous, &limit)) {
                let reached = if share >= AIM { "reached" } else { "missed" };
                println!("{synchronous}: {what} ÷ {limit}: {} (aim {AIM}: {reached})", shown(share));
            }
        }
    }
    Ok(())
}
