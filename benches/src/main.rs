//! Measures spanbox on this machine: `cargo run --release -p benches -- jobs`.

use std::process::ExitCode;

use benches::{collector, jobs, scale, slow, start, streams};
use clap::Parser;

/// Measures spanbox on this machine
#[derive(Parser)]
enum Arguments {
    /// What jobs cost: enqueued, run, picked up; beside their store's limit and other queues
    Jobs(jobs::Options),
    /// What it costs a service that its collector hangs, in latency, in memory and in spans
    Collector(collector::Options),
    /// What grows with rows, jobs that wait, actors, connections and processes, and what does not
    Scale(scale::Options),
    /// How soon a service is ready, what it takes while it has nothing to do, and how large its program is
    Start(start::Options),
    /// What thousands of clients that send as slowly as they can cost honest ones
    Slow(slow::Options),
    /// How soon each of many clients that watch an order has its changes
    Streams(streams::Options),
}

fn main() -> ExitCode {
    if collector::is_service() {
        return spanbox::cli::run(orders::create_app);
    }
    if start::is_bare() {
        return spanbox::cli::run(start::bare);
    }
    let arguments = Arguments::parse();
    let measured: Result<(), Box<dyn std::error::Error>> = actix_rt::System::new().block_on(async {
        match arguments {
            Arguments::Jobs(options) => Ok(jobs::measure(&options).await?),
            Arguments::Collector(options) => Ok(collector::measure(&options).await?),
            Arguments::Scale(options) => Ok(scale::measure(&options).await?),
            Arguments::Start(options) => Ok(start::measure(&options)?),
            Arguments::Slow(options) => Ok(slow::measure(&options).await?),
            Arguments::Streams(options) => Ok(streams::measure(&options).await?),
        }
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
