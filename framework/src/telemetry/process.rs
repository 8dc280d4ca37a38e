//! What the operating system says of the process, by the semantic conventions. It is read when metrics are, and nowhere
//! else than on Linux is there any of it.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use opentelemetry_semantic_conventions::attribute::CPU_MODE;
use opentelemetry_semantic_conventions::metric::{
    PROCESS_CPU_TIME, PROCESS_CPU_UTILIZATION, PROCESS_MEMORY_USAGE, PROCESS_MEMORY_VIRTUAL,
    PROCESS_THREAD_COUNT, PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, PROCESS_UPTIME,
};
#[cfg(target_os = "linux")]
use parking_lot::Mutex;

/// Makes the instruments.
#[cfg(target_os = "linux")]
pub(super) fn observe(meter: &Meter) {
    let modes = ["user", "system"].map(|mode| [KeyValue::new(CPU_MODE, mode)]);
    utilization(meter, modes.clone());
    meter
        .f64_observable_counter(PROCESS_CPU_TIME)
        .with_unit("s")
        .with_description("Processor time that the process has used.")
        .with_callback(move |observer| {
            if let Some(stat) = Stat::read() {
                observer.observe(stat.user, &modes[0]);
                observer.observe(stat.system, &modes[1]);
            }
        })
        .build();
    let count = |name: &'static str, unit: &'static str, what: &'static str, read: fn() -> Option<i64>| {
        meter
            .i64_observable_up_down_counter(name)
            .with_unit(unit)
            .with_description(what)
            .with_callback(move |observer| {
                if let Some(value) = read() {
                    observer.observe(value, &[]);
                }
            })
            .build();
    };
    count(PROCESS_MEMORY_USAGE, "By", "Memory of the process that is in use.", || {
        Some(Stat::read()?.resident)
    });
    count(PROCESS_MEMORY_VIRTUAL, "By", "Memory that the process has reserved.", || {
        Some(Stat::read()?.reserved)
    });
    count(PROCESS_THREAD_COUNT, "{thread}", "Threads of the process.", || Some(Stat::read()?.threads));
    count(PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, "{file_descriptor}", "Files that the process has open.", files);
    meter
        .f64_observable_gauge(PROCESS_UPTIME)
        .with_unit("s")
        .with_description("How long the process has been running.")
        .with_callback(|observer| {
            if let Some(uptime) = uptime() {
                observer.observe(uptime, &[]);
            }
        })
        .build();
}

/// How busy the process has been since it was measured before, as a share of all processors that it may use. The system
/// counts in hundredths of a second, so a shorter time than a second is not measured: what was measured last is said again.
#[cfg(target_os = "linux")]
fn utilization(meter: &Meter, modes: [[KeyValue; 1]; 2]) {
    const SHORTEST: f64 = 1.0;

    let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    // The first measurement is of all time since the process started.
    let last = Mutex::new((0.0, [0.0; 2], [0.0; 2]));
    meter
        .f64_observable_gauge(PROCESS_CPU_UTILIZATION)
        .with_unit("1")
        .with_description("Share of the processors that the process has used since the last measurement.")
        .with_callback(move |observer| {
            let (Some(stat), Some(now)) = (Stat::read(), uptime()) else { return };
            let mut last = last.lock();
            let (since, before, _) = *last;
            let used = [stat.user, stat.system];
            if now - since >= SHORTEST || since == 0.0 {
                let time = (now - since).max(f64::EPSILON) * processors;
                let share = |mode: usize| ((used[mode] - before[mode]) / time).clamp(0.0, 1.0);
                *last = (now, used, [share(0), share(1)]);
            }
            for (share, mode) in last.2.iter().zip(&modes) {
                observer.observe(*share, mode);
            }
        })
        .build();
}

/// There is nothing that it could read.
#[cfg(not(target_os = "linux"))]
pub(super) fn observe(_meter: &Meter) {}

/// What `/proc/self/stat` says, see proc_pid_stat(5).
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct Stat {
    /// Seconds.
    user: f64,
    system: f64,
    threads: i64,
    /// Since the system's start, in seconds.
    started: f64,
    /// Bytes.
    reserved: i64,
    resident: i64,
}

#[cfg(target_os = "linux")]
impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The program's name, which stands between parentheses, may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // They count from 1, and the third is the first behind the name.
        let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let seconds = |number| Some(field(number)? as f64 / ticks);
        Some(Self {
            user: seconds(14)?,
            system: seconds(15)?,
            threads: field(20)?,
            started: seconds(22)?,
            reserved: field(23)?,
            resident: field(24)?.checked_mul(rustix::param::page_size().try_into().ok()?)?,
        })
    }
}

/// Less the one that is open to count them.
#[cfg(target_os = "linux")]
fn files() -> Option<i64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(open).ok()?.checked_sub(1)
}

#[cfg(target_os = "linux")]
fn uptime() -> Option<f64> {
    let system = std::fs::read_to_string("/proc/uptime").ok()?;
    let system: f64 = system.split_ascii_whitespace().next()?.parse().ok()?;
    Some((system - Stat::read()?.started).max(0.0))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_moves_nothing() {
        let text = "42 (a) R (b 7) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 9 18 700 4096000 3 0 0";
        let stat = Stat::parse(text).unwrap();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!((stat.user, stat.system, stat.started), (250.0 / ticks, 50.0 / ticks, 700.0 / ticks));
        assert_eq!((stat.threads, stat.reserved), (9, 4_096_000));
        assert_eq!(stat.resident, 3 * i64::try_from(rustix::param::page_size()).unwrap());
        assert!(Stat::parse("42 (short) S 1").is_none());
    }

    #[test]
    fn what_it_says_of_this_process_is_likely() {
        let stat = Stat::read().unwrap();
        assert!(stat.user + stat.system < 1e6 && stat.threads >= 1, "{stat:?}");
        assert!(stat.resident > 1 << 20 && stat.reserved >= stat.resident, "{stat:?}");
        assert!((0.0..1e6).contains(&uptime().unwrap()));
        // Other tests open files, too, so that no exact count holds.
        assert!(files().unwrap() >= 3);
    }
}
