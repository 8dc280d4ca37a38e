//! What it costs the order service that its collector hangs: latency and memory, while it does, beside what they are
//! while the collector takes everything; and whether the service knows to the span what it could not send.

use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use spanbox::testing::{OtlpReceiver, Process, ReceiverMode};

use crate::figures::quantile;
use crate::load::Load;
use crate::machine::{Machine, memory_of};

/// Set in the process that is the service.
pub(crate) const SERVICE: &str = "BENCHES_ORDERS";
/// No stop takes longer.
const STOP: Duration = Duration::from_secs(60);
/// How long spans may take to flow again.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long and how hard
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Seconds that the collector hangs, and that it is up before, in each round
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How often it hangs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Requests per second
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// Of OTLP: `grpc` or `http/protobuf`
    #[arg(long, default_value = "grpc")]
    protocol: String,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// A file, a process, or the receiver.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The service took no order.
    #[error("the order service answered: {0}")]
    Order(String),
    /// No span came within a minute.
    #[error("no span arrived within {RECOVERY:?} after the collector was up")]
    NoSpans,
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
    up: Phase,
    hanging: Phase,
    /// Seconds until the first span that began after the collector was up again.
    recovered: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    protocol: String,
    rate: f64,
    rounds: Vec<Round>,
    /// Spans that came in.
    received: usize,
    /// What the service said of its telemetry when it stopped; nothing when all had been sent.
    said: String,
}

/// Whether this process is to be the service, and not to measure.
#[must_use]
pub fn is_service() -> bool {
    env::var_os(SERVICE).is_some()
}

/// Measures, and prints what came of it.
///
/// # Errors
///
/// When there was nothing to measure.
pub async fn measure(options: &Options) -> Result<(), CollectorError> {
    let receiver = OtlpReceiver::start()?;
    let endpoint =
        if options.protocol == "grpc" { receiver.grpc_endpoint() } else { receiver.http_endpoint() };
    let directory = tempfile::tempdir()?;
    let process = Process::start(
        Command::new(env::current_exe()?)
            .current_dir(directory.path())
            .env_clear()
            .envs([(SERVICE, "1"), ("PORT", "0"), ("APP_LOG__FORMAT", "json")])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", &options.protocol)
            .stdin(Stdio::null()),
    );
    let placed = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"99.99"}"#);
    if !placed.starts_with("HTTP/1.1 201") {
        return Err(CollectorError::Order(placed));
    }
    let url = format!("http://{}/api/orders/1", process.address());
    let load = Load { rate: options.rate, connections: 16 };
    let time = Duration::from_secs(options.seconds);
    // Until the pools are full and the code is warm.
    load.get(&url, time.min(Duration::from_secs(10))).await;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let up = phase(load, &url, time, &process).await;
        receiver.set_mode(ReceiverMode::Hang);
        let hanging = phase(load, &url, time, &process).await;
        let before = receiver.span_count();
        receiver.set_mode(ReceiverMode::Up);
        let began = Instant::now();
        load.get(&url, Duration::from_secs(1)).await;
        while receiver.span_count() == before {
            if began.elapsed() > RECOVERY {
                return Err(CollectorError::NoSpans);
            }
            load.get(&url, Duration::from_millis(100)).await;
        }
        rounds.push(Round { up, hanging, recovered: began.elapsed().as_secs_f64() });
    }
    let (_, log) = process.terminate(STOP);
    let said = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let said = said.filter_map(|line| Some(line["fields"]["flushed"].as_str()?.to_owned())).next_back();
    let report = Report {
        machine: Machine::now(),
        protocol: options.protocol.clone(),
        rate: options.rate,
        rounds,
        received: receiver.span_count(),
        said: said.unwrap_or_default(),
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(())
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
    let Report { machine, protocol, rate, rounds, received, said } = report;
    println!(
        "{}, {} cores, load {}; OTLP over {protocol}, {rate} requests/s",
        machine.model, machine.cores, machine.load
    );
    for Round { up, hanging, recovered } in rounds {
        for (name, phase) in [("up", up), ("hanging", hanging)] {
            let Phase { requests, failed, p50, p99, resident } = phase;
            println!(
                "{name:8} {requests} answers, {failed} failed, p50 {p50:.2} ms, p99 {p99:.2} ms, {resident:.1} MiB"
            );
        }
        let (p99, memory) = (hanging.p99 / up.p99, hanging.resident - up.resident);
        println!("         p99 × {p99:.2}, memory {memory:+.1} MiB; spans flowed {recovered:.1} s after");
    }
    println!("{received} spans received; {}", if said.is_empty() { "the service lost none" } else { said });
}
