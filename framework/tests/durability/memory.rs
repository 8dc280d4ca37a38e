//! A worker does not grow with what it has done.

use crate::ground::{Ground, Workers, on_each};
use crate::process::Process;
use crate::size::size;
use crate::work::Nothing;

on_each!(a_worker_does_not_grow_with_what_it_has_done);

const MIB: u64 = 1024;
/// What a process may grow by: what the allocator and the database's caches keep at hand.
const MOST: u64 = 32 * MIB;

async fn a_worker_does_not_grow_with_what_it_has_done(ground: Ground) {
    let jobs = size("MEMORY_JOBS", 20_000, 1_000_000);
    for _ in 0..jobs / 1000 {
        ground.enqueue((0..1000).map(|_| Nothing.into()).collect()).await;
    }
    let process = ground.worker(&Workers::default()).await;
    ground.completes(jobs / 5).await;
    let early = resident(&process);
    ground.completes(jobs).await;
    let late = resident(&process);
    ground.tell(format_args!(
        "{jobs} jobs: a worker's memory is {} MiB at a fifth of them and {} MiB at the end",
        early / MIB,
        late / MIB
    ));
    assert!(late <= early + MOST, "it grew from {early} KiB to {late} KiB");
    process.stop().await;
}

/// What of a process is in memory, in KiB.
fn resident(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
