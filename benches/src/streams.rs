//! How many clients can watch one order: whether every change reaches each of them, how soon, and what they cost in memory.

use std::env;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use spanbox::testing::{Process, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::collector::SERVICE;
use crate::figures::{quantile, shown, table};
use crate::machine::{Machine, memory_of};

/// No change takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// No stop takes longer.
const STOP: Duration = Duration::from_secs(60);

/// How many, and how often
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Clients that watch, half by server-sent events and half by WebSocket
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Clients besides that read nothing
    #[arg(long, default_value_t = 50)]
    deaf: usize,
    /// Changes of the order, one after another
    #[arg(long, default_value_t = 200)]
    changes: i64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamsError {
    /// A process, or a connection.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The service answered something else.
    #[error("the order service answered: {0}")]
    Answer(String),
    /// The figures can not be told.
    #[error("the figures can not be written: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    clients: usize,
    deaf: usize,
    changes: i64,
    /// Seconds until all were there.
    connected: f64,
    /// How many of the changes came to how many clients, of so many.
    received: usize,
    expected: usize,
    /// Milliseconds from before a change was asked for until a client had it.
    p50: f64,
    p99: f64,
    longest: f64,
    /// Of the service in MiB: before there were clients, with all of them, and after the changes.
    alone: f64,
    watched: f64,
    after: f64,
    /// Seconds from SIGTERM to the end.
    stopped: f64,
}

/// Measures, and prints what came of it.
///
/// # Errors
///
/// When there was nothing to measure.
pub async fn measure(options: &Options) -> Result<(), StreamsError> {
    let directory = tempfile::tempdir()?;
    let process = Process::start(
        Command::new(env::current_exe()?)
            .current_dir(directory.path())
            .env_clear()
            .envs([(SERVICE, "1"), ("PORT", "0"), ("APP_JOBS__IN_SERVE", "false"), ("LOG_LEVEL", "info")])
            .stdin(Stdio::null()),
    );
    let placed = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"99.99"}"#);
    if !placed.starts_with("HTTP/1.1 201") {
        return Err(StreamsError::Answer(placed));
    }
    let address = process.address();
    let alone = memory_of(process.id());
    let began = Instant::now();
    let clients =
        join_all((0..options.clients).map(|number| Client::connect(address, number % 2 == 1))).await;
    let clients = clients.into_iter().collect::<Result<Vec<_>, _>>()?;
    let deaf = join_all((0..options.deaf).map(|_| Client::connect(address, false))).await;
    let connected = began.elapsed().as_secs_f64();
    let watched = memory_of(process.id());

    let last = options.changes + 1;
    let listening = join_all(clients.into_iter().map(|client| client.listen(last)));
    let changing = async {
        let mut asked = Vec::new();
        for number in 0..options.changes {
            asked.push(Instant::now());
            revise(address, number).await?;
        }
        Ok::<_, StreamsError>(asked)
    };
    let (heard, asked) = futures_util::join!(listening, changing);
    let (asked, after) = (asked?, memory_of(process.id()));
    drop(deaf);

    let mut millis = Vec::new();
    for (version, at) in heard.into_iter().flatten() {
        // A version is that of the change before it, counted from 2.
        let Some(asked) = usize::try_from(version - 2).ok().and_then(|change| asked.get(change)) else {
            continue;
        };
        millis.push(at.saturating_duration_since(*asked).as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    let stopping = Instant::now();
    let (status, log) = process.terminate(STOP);
    if !status.success() {
        return Err(StreamsError::Answer(log));
    }
    let report = Report {
        machine: Machine::now(),
        clients: options.clients,
        deaf: options.deaf,
        changes: options.changes,
        connected,
        received: millis.len(),
        expected: options.clients * usize::try_from(options.changes).unwrap_or_default(),
        p50: quantile(&millis, 0.5),
        p99: quantile(&millis, 0.99),
        longest: millis.last().copied().unwrap_or_default(),
        alone,
        watched,
        after,
        stopped: stopping.elapsed().as_secs_f64(),
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(())
}

fn tell(report: &Report) {
    let Report { machine, clients, deaf, changes, received, expected, .. } = report;
    println!(
        "{}, {} cores, load {}; {clients} clients and {deaf} that read nothing, {changes} changes",
        machine.model, machine.cores, machine.load
    );
    println!("{} of {} came to whom they were for\n", shown(*received as f64), shown(*expected as f64));
    let figures = [
        ("a change until a client has it, p50", "ms", report.p50),
        ("the same, p99", "ms", report.p99),
        ("the longest", "ms", report.longest),
        ("until all clients were there", "s", report.connected),
        ("memory of the service without clients", "MiB", report.alone),
        ("with all of them", "MiB", report.watched),
        ("after the changes", "MiB", report.after),
        ("from SIGTERM to the end", "s", report.stopped),
    ];
    let rows = figures.map(|(what, unit, value)| vec![what.to_owned(), unit.to_owned(), shown(value)]);
    print!("{}", table(&rows));
}

async fn revise(address: SocketAddr, number: i64) -> Result<(), StreamsError> {
    let body = format!(r#"{{"product_name":"Widget {number}"}}"#);
    let request = format!(
        "PATCH /api/orders/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(address, request.as_bytes(), PATIENCE).await;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(StreamsError::Answer(answer)) }
}

/// A client whose stream has begun.
struct Client {
    stream: TcpStream,
}

impl Client {
    async fn connect(address: SocketAddr, websocket: bool) -> Result<Self, StreamsError> {
        let mut stream = TcpStream::connect(address).await?;
        let upgrade = if websocket {
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        } else {
            ""
        };
        let request = format!("GET /api/orders/1/events HTTP/1.1\r\nhost: x\r\n{upgrade}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut client = Self { stream };
        // What the order is now.
        client.until(1).await?;
        Ok(client)
    }

    /// Reads until a version was told, and gives all that were told on the way.
    async fn until(&mut self, last: i64) -> Result<Vec<(i64, Instant)>, StreamsError> {
        let (mut text, mut told) = (String::new(), Vec::new());
        let mut buffer = [0; 4096];
        loop {
            let length = match timeout(PATIENCE, self.stream.read(&mut buffer)).await {
                Ok(length) => length?,
                Err(_) => return Ok(told),
            };
            if length == 0 {
                return Ok(told);
            }
            let now = Instant::now();
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
            while let Some((_, rest)) = text.split_once("\"version\":") {
                let Some((number, rest)) = rest.split_once('}') else { break };
                let version = number.parse().unwrap_or_default();
                told.push((version, now));
                text = rest.to_owned();
                if version >= last {
                    return Ok(told);
                }
            }
        }
    }

    async fn listen(mut self, last: i64) -> Vec<(i64, Instant)> {
        self.until(last).await.unwrap_or_default()
    }
}
