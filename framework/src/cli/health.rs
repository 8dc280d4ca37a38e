use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::ask::Place;
use super::text::safe;
use super::{CliError, Output};
use crate::app::Ready;

#[derive(Args)]
pub(super) struct Health {
    /// Whether it takes requests and everything it needs is there, not only whether it answers
    #[arg(long)]
    ready: bool,
    /// How long it may take to answer
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    within: Duration,
}

/// What `/health/ready` answers, as far as it matters here.
#[derive(Deserialize)]
struct Readiness {
    status: String,
    #[serde(default)]
    checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    status: String,
    error: Option<String>,
}

impl Health {
    /// Asks the management listener, or the public one where there is no other.
    pub(super) fn run(&self, ready: &Ready, output: &mut Output<'_>) -> Result<(), CliError> {
        let (place, alive) = match Place::management(ready) {
            Ok(place) => (place, "/health/live"),
            Err(error) => (Place::public(ready)?.ok_or(error)?, "/health/"),
        };
        let path = if self.ready { "/health/ready" } else { alive };
        let answer = actix_rt::System::new().block_on(place.get(path, self.within))?;
        match answer.status {
            200 => output.print(if self.ready { "ready\n" } else { "alive\n" }),
            503 if self.ready => {
                Err(CliError::NotReady(reason(&answer.body).unwrap_or_else(|| "not ready".into())))
            }
            status => Err(place.strange(status)),
        }
    }
}

/// Why it is not ready, in one line.
fn reason(body: &[u8]) -> Option<String> {
    let readiness: Readiness = serde_json::from_slice(body).ok()?;
    let failed = readiness.checks.iter().filter(|check| check.status == "failed");
    let failed: Vec<String> = failed
        .map(|check| format!("{}: {}", safe(&check.name), safe(check.error.as_deref().unwrap_or("failed"))))
        .collect();
    let status = safe(&readiness.status);
    Some(if failed.is_empty() { status } else { format!("{status}: {}", failed.join("; ")) })
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn what_is_missing_is_told_in_one_line() {
        let failed = br#"{"status":"not ready","checks":[{"name":"database","status":"failed","error":"gone\u001b[2J"},
            {"name":"cache","status":"degraded","error":"slow"}]}"#;
        assert_eq!(reason(failed).unwrap(), "not ready: database: gone\\u{1b}[2J");
        assert_eq!(reason(br#"{"status":"draining","checks":[]}"#).unwrap(), "draining");
        assert_eq!(reason(b"<html>"), None);
    }
}
