//! The proof that jobs are not lost: worker processes are killed, hung and stopped, and so are the servers they need,
//! and then every job and every effect is counted.
//!
//! A worker process is this binary once more, which does what [`child`] says. Each test is written once and runs over
//! each transport of [`ground`]. The usual sizes take less than a minute together; the full ones, which are what is
//! claimed, are run by
//!
//! ```sh
//! DURABILITY=full cargo test --release -p spanbox --all-features --test durability -- --nocapture --test-threads 1
//! ```
//!
//! and each size for itself by its variable, e.g. `DURABILITY_KILLS=50`. Every test prints its figures.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod child;
mod clock;
mod commit;
mod ground;
mod hung;
mod kills;
mod memory;
mod outage;
mod poison;
mod process;
mod size;
mod streams;
mod terminate;
mod unique;
mod work;

/// The way into a worker process. As a test it has nothing to do.
#[test]
fn worker_process() {
    if let Ok(assignment) = std::env::var(child::ASSIGNMENT) {
        child::perform(&assignment);
    }
}
