//! What the process needs of its machine: ports, open files; and the telemetry's variables.

use std::io::ErrorKind;
use std::net::TcpListener;

use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::app::holders::{self, Holder};
use crate::config::{Config, ManagementSettings, ServerSettings};
use crate::telemetry::{Standing, Variable};

/// Below this a service hardly starts, and in production it refuses clients on a busy day.
const LEAST_FILES: (u64, u64) = (256, 1024);
/// What is enough for most.
const ENOUGH_FILES: (u64, u64) = (1024, 16_384);

/// Whether the service could listen where it wants to, as far as the settings say where.
pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let server = config.get::<ServerSettings>().ok();
    let management = config.get::<ManagementSettings>().ok().filter(|management| management.enabled);
    if let Some(ServerSettings { host, port: number, .. }) = &server {
        findings.push(port("port", host, *number, "PORT", false));
    }
    if let Some(ManagementSettings { address, port: number, optional, .. }) = &management {
        findings.push(port("management port", address, *number, "APP_MANAGEMENT__PORT", *optional));
    }
    if let (Some(server), Some(management)) = (server, management)
        && server.port != 0
        && server.port == management.port
    {
        findings.push(Finding::fail(
            "management port",
            format!("server.port and management.port are both {}", server.port),
            "give one of them another, with PORT or APP_MANAGEMENT__PORT",
        ));
    }
    findings
}

fn port(name: &str, host: &str, port: u16, variable: &str, optional: bool) -> Finding {
    if port == 0 {
        return Finding::ok(name, "any free one");
    }
    let host = host.trim_matches(['[', ']']);
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let error = match TcpListener::bind(&address) {
        Ok(_) => return Finding::ok(name, format!("{address} is free")),
        Err(error) => error,
    };
    let other = format!("take another port with {variable}");
    let (seen, fix) = match error.kind() {
        ErrorKind::AddrInUse => {
            let holders = holders::of_address(&address);
            if !holders.is_empty() && holders.iter().all(Holder::is_alike) {
                let seen = format!("{address} is held by {}: this program runs already", listed(&holders));
                return Finding::ok(name, seen);
            }
            match holders.is_empty() {
                true => (
                    format!("another process listens at {address}"),
                    format!("find it with `ss -ltnp 'sport = :{port}'` as root and stop it, or {other}"),
                ),
                false => (
                    format!("{} listens at {address}", listed(&holders)),
                    format!("stop it (`kill {}`), or {other}", holders[0].pid),
                ),
            }
        }
        ErrorKind::PermissionDenied => {
            (format!("{address} may not be listened at: {error}"), format!("{other}, from 1024 on"))
        }
        _ => (
            format!("{address} can not be listened at: {error}"),
            "name an address of this machine: server.host, management.address".to_owned(),
        ),
    };
    if optional { Finding::warn(name, seen, fix) } else { Finding::fail(name, seen, fix) }
}

pub(super) fn listed(holders: &[Holder]) -> String {
    holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How many files and sockets the process may have open.
pub(super) fn open_files(production: bool) -> Finding {
    judge_files(getrlimit(Resource::Nofile).current, production)
}

fn judge_files(limit: Option<u64>, production: bool) -> Finding {
    let by_profile = |(desk, served): (u64, u64)| if production { served } else { desk };
    let (least, enough) = (by_profile(LEAST_FILES), by_profile(ENOUGH_FILES));
    let Some(limit) = limit else { return Finding::ok("open files", "without limit") };
    let seen = format!("{limit} at most, and each connection is one");
    let fix = format!(
        "raise it to {enough} or more: LimitNOFILE= of the unit, `ulimit -n {enough}`, or `--ulimit nofile={enough}` of the \
         container"
    );
    match limit {
        few if few < least => Finding::fail("open files", seen, fix),
        some if some < enough => Finding::warn("open files", seen, fix),
        _ => Finding::ok("open files", seen),
    }
}

/// What becomes of each variable of the telemetry.
pub(super) fn variables(variables: &[Variable]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = variables
        .iter()
        .filter_map(|variable| {
            let name = &variable.name;
            let note = &variable.note;
            match variable.standing {
                Standing::Invalid => Some(Finding::fail(
                    "otel variables",
                    format!("{name} {note}"),
                    format!("correct {name}, or unset it"),
                )),
                Standing::Unknown if note.starts_with("did you mean") => {
                    Some(Finding::fail("otel variables", format!("nobody knows {name}"), note.clone()))
                }
                Standing::Unknown => Some(Finding::warn(
                    "otel variables",
                    format!("nobody knows {name}"),
                    format!("unset {name}, unless it is another program's"),
                )),
                Standing::Ignored => Some(Finding::warn(
                    "otel variables",
                    format!("{name} has no effect: {note}"),
                    format!("unset {name}"),
                )),
                _ => None,
            }
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(
            "otel variables",
            format!("{} are set, and all are honoured", variables.len()),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_judged_by_where_the_service_runs() {
        for (limit, production, expected) in [
            (None, true, Verdict::Ok),
            (Some(65_536), true, Verdict::Ok),
            (Some(4096), true, Verdict::Warn),
            (Some(512), true, Verdict::Fail),
            (Some(1024), false, Verdict::Ok),
            (Some(512), false, Verdict::Warn),
            (Some(128), false, Verdict::Fail),
        ] {
            let finding = judge_files(limit, production);
            assert_eq!(finding.verdict, expected, "{limit:?} {production}");
            assert_eq!(finding.fix.is_some(), expected != Verdict::Ok);
        }
    }
}
