//! Clocks that are wrong. Only the database's counts: on PostgreSQL that is the server's. With SQLite it is the
//! machine's, which all of its processes share.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spanbox::jobs::State;

use crate::child::Assignment;
use crate::ground::{Ground, Transport, Workers, run};
use crate::process::Process;
use crate::size::size;

#[test]
#[cfg_attr(not(all(has_postgres, has_faketime)), ignore = "PostgreSQL or libfaketime is not installed")]
fn workers_whose_clocks_are_wrong_run_each_job_once() {
    run(Transport::Postgres, wrong_clocks);
}

async fn wrong_clocks(ground: Ground) {
    let jobs = size("CLOCK_JOBS", 500, 10_000);
    let workers = Workers { lease: Duration::from_secs(1), ..Workers::default() };
    let Some(library) = option_env!("SPANBOX_FAKETIME") else { panic!("the test is ignored without it") };
    // Some last for three leases: time enough to take them for orphans.
    ground.enqueue_effects(0, 6, 3000).await;
    ground.enqueue_effects(6, jobs - 6, 5).await;
    let mut processes = Vec::new();
    for minutes in [-5, 0, 5] {
        let assignment = Assignment::Work { environment: ground.environment(&workers) };
        let offset = format!("{minutes:+}m");
        // The clock that is wrong is the one that tells the time, not the one that measures it.
        let variables =
            [("LD_PRELOAD", library), ("FAKETIME", &offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        let mut process = Process::start(&ground, &assignment, &variables);
        let told: i64 = process.says("ready").await.parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let wrong_by = told - i64::try_from(now).unwrap();
        assert!((wrong_by - minutes * 60).abs() <= 30, "its clock is wrong by {wrong_by} s");
        processes.push(process);
    }
    ground.completes(jobs).await;
    let again = ground.runs_again("effect").await;
    let crashes = ground.number("SELECT CAST(SUM(crashes) AS BIGINT) AS number FROM spanbox_jobs").await;
    ground.tell(format_args!(
        "clocks wrong by ±5 min: {jobs} jobs, {again} run again, {crashes} taken for orphans"
    ));
    assert_eq!((again, crashes), (0, 0));
    assert_eq!(usize::try_from(ground.count(State::Completed).await).unwrap(), jobs);
    ground.effects_are_exactly_once(jobs).await;
    for process in processes {
        process.stop().await;
    }
}

/// What tells the time of day of a process.
const CLOCKS: [&str; 4] = ["SystemTime::now", "Utc::now", "Local::now", "OffsetDateTime::now"];
/// Spans begin and end by the process's clock, and nothing is decided by it.
const MAY: [&str; 2] = ["run/signals.rs", "run/stream/entry.rs"];

#[test]
fn no_code_of_the_jobs_asks_the_clock_of_its_process() {
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jobs");
    let (mut files, mut asking) = (Vec::new(), Vec::new());
    files_in(&jobs, &mut files);
    let may =
        |file: &PathBuf| MAY.iter().any(|may| file.ends_with(may)) || file.starts_with(jobs.join("tests"));
    assert_eq!(files.iter().filter(|file| MAY.iter().any(|may| file.ends_with(may))).count(), MAY.len());
    for file in files.iter().filter(|file| !may(file)) {
        let text = std::fs::read_to_string(file).unwrap();
        let found = CLOCKS.iter().filter(|clock| text.contains(**clock));
        asking.extend(found.map(|clock| format!("{}: {clock}", file.display())));
    }
    assert!(asking.is_empty(), "only the database's clock counts:\n{}", asking.join("\n"));
}

fn files_in(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { files_in(&path, found) } else { found.push(path) }
    }
}
