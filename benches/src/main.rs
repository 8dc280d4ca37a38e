//! Measures spanbox on this machine: `cargo run --release -p benches -- jobs`.

use std::process::ExitCode;

use benches::jobs;
use clap::Parser;

/// Measures spanbox on this machine
#[derive(Parser)]
enum Arguments {
    /// What jobs cost: enqueued, run, picked up; beside their store's limit and other queues
    Jobs(jobs::Options),
}

fn main() -> ExitCode {
    let Arguments::Jobs(options) = Arguments::parse();
    match actix_rt::System::new().block_on(jobs::measure(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
