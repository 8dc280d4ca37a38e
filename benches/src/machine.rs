//! What was measured on, and with what: figures mean little without.

use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

/// The machine, as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Of the processor.
    pub model: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The load averages of the last 1, 5 and 15 minutes.
    pub load: String,
}

impl Machine {
    /// What the system tells; empty where it does not.
    #[must_use]
    pub fn now() -> Self {
        let model = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map(|(_, model)| model.to_owned())
            .unwrap_or_default();
        let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
        Self { model, cores: std::thread::available_parallelism().map_or(1, usize::from), load }
    }
}

/// The processor's time that this process has used. The system counts it in hundredths of a second.
#[must_use]
pub fn cpu_time() -> Duration {
    cpu_in(&read("/proc/self/stat"))
}

/// The same of a process and of those that it started and that still run; none when there is no such process.
#[must_use]
pub fn cpu_of(process: u32) -> Duration {
    family(process).into_iter().map(|process| cpu_in(&read(&format!("/proc/{process}/stat")))).sum()
}

/// What the largest of a process and of those that it started has resident, in MiB: of a server with one worker, that is
/// the worker.
#[must_use]
pub fn largest_of(process: u32) -> f64 {
    family(process).into_iter().map(memory_of).fold(0.0, f64::max)
}

/// The cores that this process may use, by number.
#[must_use]
pub fn cores() -> Vec<usize> {
    let status = read("/proc/self/status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    list.trim().split(',').flat_map(range).collect()
}

/// `2`, or `0-3`.
fn range(text: &str) -> std::ops::RangeInclusive<usize> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => first..=last,
        #[allow(clippy::reversed_empty_ranges, reason = "none")]
        _ => 1..=0,
    }
}

/// A process and all below it.
fn family(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut next = 0;
    while let Some(process) = all.get(next) {
        let children = read(&format!("/proc/{process}/task/{process}/children"));
        all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        next += 1;
    }
    all
}

fn cpu_in(stat: &str) -> Duration {
    // The name of the program, in brackets, may hold spaces. After it the 12th and 13th are the user's and the system's.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// What a process has resident, in MiB; 0 when there is none.
#[must_use]
pub fn memory_of(process: u32) -> f64 {
    let status = read(&format!("/proc/{process}/status"));
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<f64> = resident.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or_default() / 1024.0
}

/// What a process and those that it started have resident, in MiB; what several share counts once.
#[must_use]
pub fn memory_of_all(process: u32) -> f64 {
    let kib = |process| {
        let memory = read(&format!("/proc/{process}/smaps_rollup"));
        let share = memory.lines().find_map(|line| line.strip_prefix("Pss:"));
        share.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default()
    };
    family(process).into_iter().map(kib).sum::<f64>() / 1024.0
}

/// The first line that a program says of its version.
#[must_use]
pub fn version_of(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}
/// A core for the server and one for everything else, on which this process is kept from now on; none of either where there
/// is only one.
///
/// # Errors
///
/// `taskset` can not be run, or may not.
pub fn apart() -> io::Result<Option<(usize, usize)>> {
    let cores = cores();
    let (Some(first), Some(last)) = (cores.first(), cores.last()) else { return Ok(None) };
    if first == last {
        return Ok(None);
    }
    let mut taskset = Command::new("taskset");
    taskset.args(["-a", "-c", "-p", &last.to_string(), &std::process::id().to_string()]);
    let pinned = taskset.output().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("taskset can not be started: {error}; apt-get install util-linux"),
        )
    })?;
    if !pinned.status.success() {
        let said = String::from_utf8_lossy(&pinned.stderr);
        return Err(io::Error::other(format!("keeping this process to one core failed: {said}")));
    }
    Ok(Some((*first, *last)))
}
