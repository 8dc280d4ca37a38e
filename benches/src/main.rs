//! Measures spanbox on this machine: `cargo run --release -p benches -- jobs`.

use std::process::ExitCode;

use benches::{collector, hello, instructions, jobs, limit, memory, overhead, scale, slow, start, streams};
use clap::Parser;

/// Measures spanbox on this machine
#[derive(Parser)]
enum Arguments {
    /// What jobs cost: enqueued, run, picked up; beside their store's limit and other queues
    Jobs(jobs::Options),
    /// What recording costs requests: throughput, latency, processor, memory; beside bare actix-web and other stacks
    Overhead(overhead::Options),
    /// What recording costs a request in instructions of the processor, by valgrind
    Instructions(instructions::Options),
    /// What SQLite takes of orders at most, and how much of that is reached over HTTP
    Limit(limit::Options),
    /// What a service has resident: idle, after load, for each actor and each connection
    Memory(memory::Options),
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
        return orders::commands().run();
    }
    if let Some(ended) = hello::serve() {
        return ended;
    }
    if start::is_bare() {
        return spanbox::cli::run(start::bare);
    }
    let arguments = Arguments::parse();
    let measured: Result<(), Box<dyn std::error::Error>> = actix_rt::System::new().block_on(async {
        match arguments {
            Arguments::Jobs(options) => Ok(jobs::measure(&options).await?),
            Arguments::Overhead(options) => Ok(overhead::measure(&options).await?),
            Arguments::Instructions(options) => Ok(instructions::measure(&options)?),
            Arguments::Limit(options) => Ok(limit::measure(&options).await?),
            Arguments::Memory(options) => Ok(memory::measure(&options)?),
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
