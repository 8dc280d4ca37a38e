//! Bodies that are too large cost a service no memory, however many come at once.
//!
//! What is measured is a process of its own: this binary once more, which then serves.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use actix_web::web::{self, Bytes, Payload};
use futures_util::StreamExt as _;
use futures_util::future::{Either, join_all};
use serde_json::Value;
use spanbox::app::{Service, Signals};
use spanbox::module::Module;
use spanbox::testing::{Process, raw};
use spanbox::web::{Json, Problem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Says that a process is to serve.
const SERVES: &str = "SPANBOX_TEST_SERVES_BODIES";

const CLIENTS: usize = 200;
/// What each of them sends, or tries to.
const BODY: usize = 10 * 1024 * 1024;
/// What the service takes of each.
const TAKEN: usize = 16 * 1024;
/// What a process may grow by, in KiB.
const MOST: u64 = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);

fn service() -> Service {
    let module = Module::new("bodies")
        .post("/json", async |Json(_): Json<Value>| "taken")
        .post("/form", async |_: web::Form<HashMap<String, String>>| "taken")
        .post("/bytes", async |_: Bytes| "taken")
        .post("/payload", async |mut payload: Payload| {
            while let Some(chunk) = payload.next().await {
                chunk.map_err(|error| Problem::bad_request(error.to_string()))?;
            }
            Ok::<_, Problem>("taken")
        });
    Service::new("bodies", "1").profile(Some("testing")).module(module)
}

/// The way into the process that serves. As a test it has nothing to do.
#[test]
fn server_process() {
    if std::env::var_os(SERVES).is_none() {
        return;
    }
    actix_rt::System::new().block_on(async {
        let mut signals = Signals::listen().unwrap();
        let ready = service().prepare().unwrap_or_else(|errors| panic!("{errors}"));
        let running = ready.start().await.unwrap();
        eprintln!("ready at http://{}", running.addresses()[0]);
        running.run_until(&mut signals).await;
    });
}

fn serve() -> Process {
    let taken = TAKEN.to_string();
    let environment = [
        (SERVES, "1"),
        ("PORT", "0"),
        ("APP_SERVER__HOST", "127.0.0.1"),
        ("APP_SERVER__WORKERS", "2"),
        ("APP_SERVER__MAX_BODY_BYTES", taken.as_str()),
        ("LOG_LEVEL", "off"),
    ];
    let mut command = Command::new(std::env::current_exe().unwrap());
    let command = command.args(["--exact", "large_bodies::server_process", "--nocapture"]).env_clear();
    Process::start(command.envs(environment))
}

/// The most of a process that ever was in memory, in KiB.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The status that a client is answered which sends all of its body, or as much as it can; none if it is cut off first.
async fn upload(address: SocketAddr, path: &str, is_chunked: bool) -> Option<u16> {
    let kind = if path == "/json" { "application/json" } else { "application/x-www-form-urlencoded" };
    let size =
        if is_chunked { "transfer-encoding: chunked".into() } else { format!("content-length: {BODY}") };
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n{size}\r\n\r\n");
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    let send = async move {
        to.write_all(head.as_bytes()).await?;
        let piece = [b'1'; 8 * 1024];
        for _ in 0..BODY / piece.len() {
            if is_chunked {
                to.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            }
            to.write_all(&piece).await?;
            if is_chunked {
                to.write_all(b"\r\n").await?;
            }
        }
        to.write_all(if is_chunked { b"0\r\n\r\n" } else { b"" }).await
    };
    let receive = async {
        let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            match from.read(&mut buffer).await {
                Ok(1..) => answer.extend(buffer),
                _ => return None,
            }
        }
        String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
    };
    // Who has an answer sends no more.
    let answered = async {
        match futures_util::future::select(pin!(receive), pin!(send)).await {
            Either::Left((status, _)) => status,
            Either::Right((_, receive)) => receive.await,
        }
    };
    timeout(PATIENCE, answered).await.expect("it is answered or cut off")
}

#[actix::test]
#[cfg(target_os = "linux")]
async fn two_hundred_large_bodies_at_once_are_refused_and_leave_memory_alone() {
    let process = serve();
    let address = process.address();
    // Whatever is there once is there before it is measured.
    for path in ["/json", "/form", "/bytes", "/payload"] {
        join_all((0..20).map(|_| upload(address, path, true))).await;
    }
    let before = peak(&process);
    for path in ["/json", "/form", "/bytes", "/payload"] {
        for is_chunked in [false, true] {
            let answers = join_all((0..CLIENTS).map(|_| upload(address, path, is_chunked))).await;
            let refused = answers.iter().flatten().count();
            println!(
                "{path}, {}: {refused} of {CLIENTS} saw their refusal; {} KiB more at the most",
                if is_chunked { "chunked" } else { "declared" },
                peak(&process) - before
            );
            let wrong: Vec<_> =
                answers.iter().flatten().filter(|status| !matches!(status, 400 | 413)).collect();
            assert!(wrong.is_empty() && refused > 0, "{path}: {wrong:?}, {refused} refused");
        }
    }
    let grown = peak(&process) - before;
    assert!(grown <= MOST, "it grew by {grown} KiB from {before} KiB");
    // And it serves.
    let small = b"POST /json HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let answer = raw(address, small, PATIENCE).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (status, log) = process.terminate(PATIENCE);
    assert!(status.success(), "{log}");
}
