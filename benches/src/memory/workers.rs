//! What a worker takes: of the order service, where it is a thread, and of Flask below gunicorn, where it is a process.

use super::{MemoryError, Program, START, STOP, reads};
use crate::figures::Figures;
use crate::machine::memory_of_all;
use crate::overhead::{Peer, Peers, Recorded};
use crate::server::Server;
use crate::sink::Sink;

const WORKERS: [u16; 4] = [1, 2, 4, 8];

/// Reads by 16 clients for each worker; then all that the server has resident, by the number of workers. Both record every
/// trace. What processes share counts once.
pub(super) fn measure(rounds: u16, seconds: u64, sink: &Sink, into: &mut Figures) -> Result<(), MemoryError> {
    let peers = Peers::ready(&[Peer::Flask])?;
    for round in 1..=rounds {
        for workers in WORKERS {
            eprintln!("round {round} of {rounds}: {workers} workers");
            let directory = tempfile::tempdir()?;
            let mut ours = Program::Orders.command(&directory)?;
            ours.envs([
                ("APP_SERVER__WORKERS", &*workers.to_string()),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &sink.endpoint()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ]);
            let ours = Server::start(&mut ours, START)?;
            let directory = tempfile::tempdir()?;
            let flask = peers.command(Peer::Flask, Recorded::Traces, None, directory.path(), workers)?;
            for (of, server) in [("orders", ours), ("Flask", Server::start(&mut { flask }, START)?)] {
                reads(&server, 16 * u32::from(workers), seconds)?;
                let all = memory_of_all(server.id());
                let of = format!("{of}, {workers} workers");
                into.add(of.clone(), "all", "MiB", all);
                into.add(of, "each", "MiB", all / f64::from(workers));
                server.stop(STOP)?;
            }
        }
    }
    Ok(())
}
