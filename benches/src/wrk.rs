//! Load by wrk: as many requests as a server answers.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::command;

/// A load to put on a server.
#[derive(Clone, Debug)]
pub struct Wrk {
    /// What is asked for.
    pub url: String,
    /// Connections, each with one request at a time.
    pub connections: u32,
    /// For how long.
    pub seconds: u64,
    /// In Lua, which may make requests of its own.
    pub script: Option<PathBuf>,
    /// Each as `name: value`.
    pub headers: Vec<&'static str>,
    /// Where it runs, if it is kept to one core.
    pub core: Option<usize>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Answers.
    pub requests: f64,
    /// Answers a second.
    pub per_second: f64,
    /// Latency, in milliseconds.
    pub p50: f64,
    /// Latency, in milliseconds.
    pub p99: f64,
    /// Answers with a status that is no success, and connections that broke.
    pub failed: f64,
}

/// Why there is no load.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrkError {
    /// It is not installed.
    #[error(
        "wrk can not be started: {0}; apt-get install wrk, or build github.com/wg/wrk and put it into PATH"
    )]
    Start(#[from] std::io::Error),
    /// It failed, or it said something else.
    #[error("wrk measured nothing: {0}")]
    Said(String),
}

impl Wrk {
    /// Loads the server, and waits until it is over.
    ///
    /// # Errors
    ///
    /// [`WrkError`].
    pub fn run(&self) -> Result<Measured, WrkError> {
        let mut wrk = command(self.core, "wrk", Path::new("/"));
        wrk.args(["--threads", "1", "--latency"]);
        wrk.args(["--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", self.seconds)]);
        if let Some(script) = &self.script {
            wrk.arg("--script").arg(script);
        }
        for header in &self.headers {
            wrk.args(["--header", header]);
        }
        let output = wrk.arg(&self.url).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        read(&said)
            .ok_or_else(|| WrkError::Said(format!("{}{said}", String::from_utf8_lossy(&output.stderr))))
    }
}

/// Whether wrk is there: what it says of itself.
///
/// # Errors
///
/// [`WrkError::Start`].
pub fn version() -> Result<String, WrkError> {
    let output = Command::new("wrk").arg("--version").output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.split(" Copyright").next().unwrap_or_default().to_owned())
}

fn read(said: &str) -> Option<Measured> {
    let after = |start: &str| said.lines().find_map(|line| line.trim().strip_prefix(start));
    let requests = said.lines().find_map(|line| line.trim().split_once(" requests in "))?.0;
    let broken: f64 = after("Socket errors:").map_or(0.0, |counts| {
        let counts = counts.split([' ', ',']).filter_map(|word| word.parse::<f64>().ok());
        counts.sum()
    });
    let refused: f64 =
        after("Non-2xx or 3xx responses:").and_then(|count| count.trim().parse().ok()).unwrap_or(0.0);
    Some(Measured {
        requests: requests.parse().ok()?,
        per_second: after("Requests/sec:")?.trim().parse().ok()?,
        p50: millis(after("50%")?)?,
        p99: millis(after("99%")?)?,
        failed: broken + refused,
    })
}

/// `842.00us`, `1.02ms`, `1.20s`, `1.00m`.
fn millis(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let scale = match &text[unit..] {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        _ => return None,
    };
    Some(text[..unit].parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 5s test @ http://127.0.0.1:8080/hello
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  410.12us  12.01ms   91.50%
    Req/Sec    31.20k     1.50k   33.00k    72.00%
  Latency Distribution
     50%  842.00us
     75%    1.00ms
     90%    1.39ms
     99%    3.19ms
  155212 requests in 5.00s, 20.00MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 12
Requests/sec:  31042.40
Transfer/sec:      4.00MB
";

    #[test]
    fn what_wrk_says_is_read() {
        let expected =
            Measured { requests: 155_212.0, per_second: 31_042.4, p50: 0.842, p99: 3.19, failed: 15.0 };
        assert_eq!(read(SAID), Some(expected));
        assert_eq!(read("unable to connect to 127.0.0.1:8080 Connection refused\n"), None);
    }

    #[test]
    fn latencies_have_units() {
        assert_eq!(["1.50s", "2.00m", "x"].map(millis), [Some(1500.0), Some(120_000.0), None]);
    }
}
