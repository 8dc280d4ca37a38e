//! What idle connections cost the order service.

use std::env;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use spanbox::testing::Process;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ScaleError;
use crate::collector::SERVICE;
use crate::figures::{Figures, quantile};
use crate::load::Load;
use crate::machine::memory_of;

/// So many are opened at once.
const AT_ONCE: usize = 200;
/// What each has asked for before it is idle.
const REQUEST: &[u8] = b"GET /health/ HTTP/1.1\r\nhost: idle\r\n\r\n";

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) async fn measure(wanted: usize, into: &mut Figures) -> Result<(), ScaleError> {
    let directory = tempfile::tempdir()?;
    let process = Process::start(
        Command::new(env::current_exe()?)
            .current_dir(directory.path())
            .env_clear()
            .envs([(SERVICE, "1"), ("PORT", "0"), ("LOG_LEVEL", "info")])
            .stdin(Stdio::null()),
    );
    let placed = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"99.99"}"#);
    if !placed.starts_with("HTTP/1.1 201") {
        return Err(ScaleError::Answer(placed));
    }
    let url = format!("http://{}/api/orders/1", process.address());
    let load = Load { rate: 200.0, connections: 4 };
    let time = Duration::from_secs(5);
    load.get(&url, time).await;
    let alone = load.get(&url, time).await;
    let before = memory_of(process.id());
    let (mut idle, began) = (Vec::new(), Instant::now());
    while idle.len() < wanted {
        let more = (0..AT_ONCE.min(wanted - idle.len())).map(|_| connect(process.address()));
        let more = join_all(more).await;
        let failed = more.iter().find_map(|it| it.as_ref().err().map(ToString::to_string));
        idle.extend(more.into_iter().flatten());
        if let Some(failed) = failed {
            eprintln!("no more than {} of {wanted} connections: {failed} (see `ulimit -n`)", idle.len());
            break;
        }
    }
    let of = format!("{} idle connections", idle.len());
    let open = idle.len().max(1) as f64;
    into.add(of.as_str(), "opened, and asked once", "µs each", began.elapsed().as_secs_f64() * 1e6 / open);
    let kib = (memory_of(process.id()) - before) * 1024.0 / open;
    into.add(of.as_str(), "memory of the service", "KiB each", kib);
    let beside = load.get(&url, time).await;
    for (what, part) in [("p50", 0.5), ("p99", 0.99)] {
        into.add(of.as_str(), format!("a request without them: {what}"), "ms", quantile(&alone.millis, part));
        into.add(of.as_str(), format!("a request beside them: {what}"), "ms", quantile(&beside.millis, part));
    }
    Ok(())
}

/// A connection that was answered and stays open.
async fn connect(address: SocketAddr) -> Result<TcpStream, Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(REQUEST).await?;
    let (mut answer, mut some) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut some).await? {
            0 => return Err(Error::new(ErrorKind::UnexpectedEof, "the service closed it")),
            count => answer.extend_from_slice(&some[..count]),
        }
        if is_whole(&answer) {
            return Ok(stream);
        }
    }
}

/// Whether an answer is there with all of its body.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}
