//! Paths, methods and hosts that nobody thought of: they make no series of their own, and those of the routes stay whole.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use spanbox::testing::{Process, TestDatabase};

/// In one connection.
const BATCH: usize = 100;

fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends requests behind each other and reads all answers.
fn exchange(address: SocketAddr, requests: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(requests.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    answers
}

fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"))
}

/// How many are `UNKNOWN_PATHS` (default 3000). One request in a hundred is for a route.
#[actix::test]
async fn unknown_paths_methods_and_hosts_make_no_series_and_take_no_memory() {
    let unknown: usize = std::env::var("UNKNOWN_PATHS").map_or(3000, |count| count.parse().unwrap());
    let database = TestDatabase::fresh().await;
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(
        Command::new(env!("CARGO_BIN_EXE_orders"))
            .current_dir(directory.path())
            .env_clear()
            .envs([("PORT", "0"), ("APP_MANAGEMENT__PORT", "0"), ("LOG_LEVEL", "warn,spanbox::app=info")])
            .env("DATABASE_URL", database.url())
            .stdin(Stdio::null()),
    );
    let log = process.log();
    let management = log.split("management=http://").nth(1).and_then(|rest| rest.split_whitespace().next());
    let management: SocketAddr = management.unwrap_or_else(|| panic!("{log}")).parse().unwrap();
    let mut after_a_half = 0;
    let batches = unknown / BATCH;
    for batch in 0..batches {
        let mut requests = String::new();
        for number in (0..BATCH).map(|number| batch * BATCH + number) {
            let (word, letters) =
                (format!("canary{number}"), ["x", "orders/x", "api/x", "api/orders/x/"][number % 4]);
            let method = if number % 3 == 0 { format!("M{number}") } else { "GET".to_owned() };
            requests += &format!("{method} /{letters}{word} HTTP/1.1\r\nhost: {word}.example\r\n\r\n");
        }
        requests += "GET /api/orders/ HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        let answers = exchange(process.address(), &requests);
        assert_eq!(answers.matches("HTTP/1.1 ").count(), BATCH + 1, "{answers}");
        if batch == batches / 2 {
            after_a_half = resident(process.id());
        }
    }
    let grown = resident(process.id()).saturating_sub(after_a_half);
    let metrics = get(management, "/metrics");
    assert!(!metrics.contains("canary"), "{metrics}");
    let series: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("http_server_request_duration_seconds_count"))
        .collect();
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    let total: f64 = series.iter().map(|line| count(line)).sum();
    let routed: Vec<_> = series.iter().filter(|line| line.contains(r#"http_route="/api/orders/""#)).collect();
    println!("{total} requests, {} series, and {grown} KiB grown over the second half", series.len());
    assert!(series.len() < 20, "{series:#?}");
    assert_eq!(total as usize, batches * (BATCH + 1), "{series:#?}");
    assert_eq!(routed.iter().map(|line| count(line)).sum::<f64>() as usize, batches, "{series:#?}");
    assert!(grown < 8 * 1024, "{grown} KiB");
    let (status, log) = process.terminate(Duration::from_secs(60));
    assert!(status.success(), "{log}");
}
