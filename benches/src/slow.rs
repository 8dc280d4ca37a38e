//! What it costs honest clients of the order service that thousands of others send their requests as slowly as they can:
//! latency while they do, beside what it is without them.
//!
//! First they do so to another service, and to this one then: what they cost by themselves on this machine, on which all of
//! it runs, is not what they cost the service.
//!
//! The slow ones have a thread of their own, so that what they cost themselves keeps no honest client waiting, and begin one
//! after another, as attackers do that know nothing of each other. Cut off, each connects again at once.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use spanbox::testing::Process;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use crate::collector::SERVICE;
use crate::figures::quantile;
use crate::load::Load;
use crate::machine::{Machine, memory_of};

/// A head that never ends.
const HEAD: &[u8] = b"GET /api/orders/1 HTTP/1.1\r\nhost: slow\r\nx-slow: ";
/// A body that never comes.
const BODY: &[u8] = b"POST /api/orders/ HTTP/1.1\r\nhost: slow\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
/// How often a slow client sends a byte.
const BYTE: Duration = Duration::from_secs(1);
/// For how long slow clients go on beginning: until those that began first, with a body, are cut off. From then on as many
/// come as go.
const RAMP: Duration = Duration::from_secs(10);

/// How long the service is left alone after they have gone.
const SETTLED: Duration = Duration::from_secs(2);

/// How many and how long
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Connections with a slow head, and as many with a slow body
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// Seconds of each phase
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Rounds of a phase without and one with them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// All slow clients begin in one moment, and so are cut off and come back in one moment
    #[arg(long)]
    at_once: bool,
    /// Honest requests per second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlowError {
    /// A file or a process.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The service took no order.
    #[error("the order service answered: {0}")]
    Order(String),
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Latencies in milliseconds.
#[derive(Debug, Serialize)]
struct Phase {
    requests: usize,
    failed: usize,
    p50: f64,
    p99: f64,
    /// Of the service at the end, in MiB.
    resident: f64,
}

#[derive(Debug, Serialize)]
struct Round {
    alone: Phase,
    /// The slow clients are another service's.
    elsewhere: Phase,
    beside: Phase,
    /// Slow connections that were open at a time, at the most.
    open: usize,
    /// Of the slow connections those that were cut off, most of them with a 408.
    cut: usize,
    answered_408: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    connections: usize,
    at_once: bool,
    rate: f64,
    rounds: Vec<Round>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    most: AtomicUsize,
    cut: AtomicUsize,
    told: AtomicUsize,
}

/// Measures, and prints what came of it.
///
/// # Errors
///
/// When there was nothing to measure.
pub async fn measure(options: &Options) -> Result<(), SlowError> {
    let directories = [tempfile::tempdir()?, tempfile::tempdir()?];
    let [process, other] = [start(directories[0].path())?, start(directories[1].path())?];
    let placed = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"99.99"}"#);
    if !placed.starts_with("HTTP/1.1 201") {
        return Err(SlowError::Order(placed));
    }
    let url = format!("http://{}/api/orders/1", process.address());
    let load = Load { rate: options.rate, connections: 16 };
    let time = Duration::from_secs(options.seconds);
    load.get(&url, time.min(Duration::from_secs(5))).await;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let alone = phase(load, &url, time, &process).await;
        let (elsewhere, _) = among(other.address(), options, load, &url, &process).await;
        let (beside, counts) = among(process.address(), options, load, &url, &process).await;
        let [open, cut, answered_408] = [&counts.most, &counts.cut, &counts.told].map(|it| it.load(Relaxed));
        rounds.push(Round { alone, elsewhere, beside, open, cut, answered_408 });
    }
    let report = Report {
        machine: Machine::now(),
        connections: options.connections,
        at_once: options.at_once,
        rate: options.rate,
        rounds,
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(())
}

fn start(directory: &Path) -> Result<Process, SlowError> {
    Ok(Process::start(
        Command::new(env::current_exe()?)
            .current_dir(directory)
            .env_clear()
            .envs([(SERVICE, "1"), ("PORT", "0"), ("LOG_LEVEL", "info")])
            .stdin(Stdio::null()),
    ))
}

/// What honest clients see while slow ones are at a service, theirs or another.
async fn among(
    slow: SocketAddr,
    options: &Options,
    load: Load,
    url: &str,
    process: &Process,
) -> (Phase, Arc<Counts>) {
    let time = Duration::from_secs(options.seconds);
    let slow = Slow::begin(slow, options, RAMP + time);
    sleep(RAMP).await;
    let phase = phase(load, url, time, process).await;
    let counts = slow.end();
    // What the end of so many costs is not the next one's.
    sleep(SETTLED).await;
    (phase, counts)
}

/// Slow clients on a thread of their own.
struct Slow {
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
}

impl Slow {
    fn begin(address: SocketAddr, options: &Options, time: Duration) -> Self {
        let counts = Arc::<Counts>::default();
        let clients = 2 * options.connections;
        let ramp = if options.at_once { Duration::ZERO } else { RAMP };
        let told = Arc::clone(&counts);
        let thread = thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                let began = Instant::now();
                let all = (0..clients).map(|number| {
                    let request = if number % 2 == 0 { HEAD } else { BODY };
                    let at = began + ramp.mul_f64(number as f64 / clients as f64);
                    be_slow(address, request, at, began + time, &told)
                });
                join_all(all).await;
            });
        });
        Self { counts, thread }
    }

    /// Waits until their time is over, which it is with what was measured beside them.
    fn end(self) -> Arc<Counts> {
        self.thread.join().expect("nothing in it panics");
        self.counts
    }
}

/// Sends a byte now and then, and connects again when it is cut off.
async fn be_slow(address: SocketAddr, request: &[u8], at: Instant, until: Instant, counts: &Counts) {
    sleep_until(at).await;
    while Instant::now() < until {
        let Ok(Ok(mut stream)) = timeout(BYTE * 5, TcpStream::connect(address)).await else { continue };
        counts.most.fetch_max(counts.open.fetch_add(1, Relaxed) + 1, Relaxed);
        if stream.write_all(request).await.is_ok() && trickle(&mut stream, until).await {
            counts.told.fetch_add(1, Relaxed);
        }
        counts.open.fetch_sub(1, Relaxed);
        if Instant::now() < until {
            counts.cut.fetch_add(1, Relaxed);
        }
    }
}

/// Whether the server said 408 before it cut the connection.
async fn trickle(stream: &mut TcpStream, until: Instant) -> bool {
    let mut bytes = interval(BYTE);
    let (mut answer, mut some) = (Vec::new(), [0; 1024]);
    let (mut read, mut write) = stream.split();
    loop {
        tokio::select! {
            got = read.read(&mut some) => match got {
                Ok(0) | Err(_) => return answer.starts_with(b"HTTP/1.1 408"),
                Ok(count) => answer.extend_from_slice(&some[..count]),
            },
            _ = bytes.tick() => {
                if Instant::now() >= until || write.write_all(b"x").await.is_err() {
                    return answer.starts_with(b"HTTP/1.1 408");
                }
            }
        }
    }
}

async fn phase(load: Load, url: &str, time: Duration, process: &Process) -> Phase {
    let answers = load.get(url, time).await;
    Phase {
        requests: answers.millis.len(),
        failed: answers.failed,
        p50: quantile(&answers.millis, 0.5),
        p99: quantile(&answers.millis, 0.99),
        resident: memory_of(process.id()),
    }
}

fn tell(report: &Report) {
    let Report { machine, connections, at_once, rate, rounds } = report;
    println!(
        "{}, {} cores, load {}; {connections} slow heads and {connections} slow bodies{}, {rate} honest requests/s",
        machine.model,
        machine.cores,
        machine.load,
        if *at_once { " in one moment" } else { "" }
    );
    for Round { alone, elsewhere, beside, open, cut, answered_408 } in rounds {
        for (name, phase) in [("alone", alone), ("elsewhere", elsewhere), ("beside", beside)] {
            let Phase { requests, failed, p50, p99, resident } = phase;
            println!(
                "{name:9} {requests} answers, {failed} failed, p50 {p50:.2} ms, p99 {p99:.2} ms, {resident:.1} MiB"
            );
        }
        println!(
            "          p99 × {:.2} of alone, × {:.2} of elsewhere; {open} slow connections at a time, {cut} cut off, {answered_408} with a 408",
            beside.p99 / alone.p99,
            beside.p99 / elsewhere.p99
        );
    }
}
