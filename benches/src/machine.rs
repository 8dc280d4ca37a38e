//! What was measured on, and with what: figures mean little without.

use std::fs;
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
    cpu_time_of(std::process::id())
}

/// The same of another process; none when there is no such process.
#[must_use]
pub fn cpu_time_of(process: u32) -> Duration {
    let stat = read(&format!("/proc/{process}/stat"));
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
