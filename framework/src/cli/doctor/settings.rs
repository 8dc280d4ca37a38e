//! Settings, secrets and what goes with the profile.

use url::Url;

use super::finding::{Finding, Verdict};
use crate::app::BootErrors;
use crate::config::{
    Config, DatabaseSettings, LogFormat, LogSettings, ManagementSettings, Origin, Problem, RedisSettings,
    Section as _, ServerSettings, ServiceSettings, SqliteSynchronous, TelemetrySettings, Trust,
};

/// Passwords that everybody tries first.
const GUESSED: [&str; 12] = [
    "123456",
    "admin",
    "changeme",
    "change-me",
    "dev",
    "orders",
    "pass",
    "password",
    "postgres",
    "redis",
    "root",
    "secret",
];

/// A password shorter than this is guessed, too.
const SHORTEST: usize = 8;

/// What is wrong with a service that can not be made ready.
pub(super) fn broken(errors: &BootErrors) -> Vec<Finding> {
    let mut findings = Vec::new();
    for problem in errors.config.iter().flat_map(|config| config.problems()) {
        findings.push(of_problem(problem));
    }
    let mut others: Vec<(&str, String)> = Vec::new();
    others.extend(errors.telemetry.iter().map(|error| ("telemetry", error.to_string())));
    others.extend(errors.tls.iter().map(|error| ("tls", error.to_string())));
    others.extend(errors.extensions.iter().map(|line| ("extensions", line.clone())));
    others.extend(errors.modules.iter().map(|line| ("modules", line.clone())));
    for (name, line) in others {
        let (seen, fix) = advice(&line);
        findings.push(Finding::fail(name, seen, fix.unwrap_or("correct it where it says")));
    }
    findings
}

fn of_problem(problem: &Problem) -> Finding {
    let place = problem.origin.as_ref().map_or_else(String::new, |origin| format!("{origin}: "));
    let (what, fix) = advice(&problem.message);
    let key = if problem.key.is_empty() { String::new() } else { format!("{} ", problem.key) };
    let seen = format!("{place}{key}{what}");
    match (fix, &problem.origin) {
        (Some(fix), _) => Finding::fail("settings", seen, fix),
        (None, Some(origin)) => Finding::fail("settings", seen, format!("correct it in {origin}")),
        (None, None) => Finding::fail("settings", seen, "correct it"),
    }
}

/// What a message says, and what it says to do.
fn advice(message: &str) -> (&str, Option<&str>) {
    for (separator, keep) in
        [(": set ", 2), (": use ", 2), ("; did you mean ", 2), (": give ", 2), (": put ", 2)]
    {
        if let Some(at) = message.find(separator) {
            return (&message[..at], Some(&message[at + keep..]));
        }
    }
    (message, None)
}

/// What is to be said of settings that hold.
pub(super) fn look(config: &Config, production: bool) -> Vec<Finding> {
    let mut findings = vec![sources(config)];
    findings.extend(secret_key(config));
    findings.push(passwords(config, production));
    findings.push(profile(config));
    findings
}

/// What is to be said of the sections that hold where others do not: all is not well there, so nothing is said to be.
pub(super) fn look_at_the_rest(config: &Config, production: bool) -> Vec<Finding> {
    let mut findings: Vec<_> = secret_key(config).into_iter().collect();
    findings.extend([passwords(config, production), profile(config)]);
    findings.retain(|finding| finding.verdict != Verdict::Ok);
    findings
}

fn sources(config: &Config) -> Finding {
    let mut files: Vec<String> = config
        .entries()
        .iter()
        .filter_map(|entry| match &entry.origin {
            Origin::File { path, .. } => Some(path.display().to_string()),
            _ => None,
        })
        .collect();
    files.sort();
    files.dedup();
    let variables =
        config.entries().iter().filter(|entry| matches!(entry.origin, Origin::Variable(_))).count();
    let files = if files.is_empty() { "no file".to_owned() } else { files.join(", ") };
    Finding::ok("settings", format!("profile {}, from {files} and {variables} variables", config.profile()))
}

/// The key that signs, held to what production demands of it.
fn secret_key(config: &Config) -> Option<Finding> {
    let service = config.get::<ServiceSettings>().ok()?;
    let Some((_, message)) = service.check(true).into_iter().next() else {
        return Some(Finding::ok("secret_key", "32 bytes or more, and not a default"));
    };
    let (what, fix) = advice(&message);
    // In production it would not have come so far.
    Some(Finding::warn("secret_key", format!("service.secret_key {what}"), fix.unwrap_or("set SECRET_KEY")))
}

/// The passwords in URLs. None of them is shown.
fn passwords(config: &Config, production: bool) -> Finding {
    let database = config.get::<DatabaseSettings>().ok().map(|database| database.url);
    let redis = config.get::<RedisSettings>().ok().and_then(|redis| redis.url);
    let mut weak = Vec::new();
    for (variable, url) in [("DATABASE_URL", database), ("REDIS_URL", redis)] {
        let Some(url) = url.and_then(|url| Url::parse(url.expose()).ok()) else { continue };
        let user = url.username();
        let Some(password) = url.password() else { continue };
        let guessed = GUESSED.contains(&password.to_ascii_lowercase().as_str()) || password == user;
        if guessed || password.len() < SHORTEST {
            weak.push(variable);
        }
    }
    if weak.is_empty() {
        return Finding::ok("passwords", "none in a URL that is short or easily guessed");
    }
    Finding::for_production(
        production,
        "passwords",
        format!("the password in {} is short or easily guessed", weak.join(" and ")),
        "give that user one from `openssl rand -hex 24`, and put it into the variable",
    )
}

/// What does not go with the profile.
fn profile(config: &Config) -> Finding {
    let profile = config.profile();
    let mut wrong: Vec<(String, String)> = Vec::new();
    if profile.is_production() {
        wrong.extend(
            unlike_production(config).into_iter().map(|(what, fix)| (what.to_owned(), fix.to_owned())),
        );
    }
    let environment = config.get::<ServiceSettings>().ok().and_then(|service| service.environment);
    match environment {
        Some(environment) if environment.starts_with("prod") && !profile.is_production() => Finding::fail(
            "profile",
            format!("the environment is called `{environment}`, and the profile is {profile}"),
            "set APP_PROFILE=production, or correct ENVIRONMENT",
        ),
        _ if wrong.is_empty() => Finding::ok("profile", format!("nothing contradicts {profile}")),
        _ => {
            let (what, fix): (Vec<_>, Vec<_>) = wrong.into_iter().unzip();
            Finding::warn("profile", what.join("; "), fix.join("; "))
        }
    }
}

fn unlike_production(config: &Config) -> Vec<(&'static str, &'static str)> {
    let mut wrong = Vec::new();
    let is_local = |server: ServerSettings| matches!(server.host.as_str(), "127.0.0.1" | "localhost" | "::1");
    if config.get::<ServerSettings>().is_ok_and(is_local) {
        wrong.push((
            "server.host is this machine alone",
            "set server.host to 0.0.0.0, unless a proxy runs beside it",
        ));
    }
    if config.get::<LogSettings>().is_ok_and(|log| log.format == LogFormat::Pretty) {
        wrong.push(("log.format is for people", "set log.format to \"json\""));
    }
    let is_open = |management: ManagementSettings| {
        management.enabled && !matches!(management.address.as_str(), "127.0.0.1" | "::1")
    };
    if config.get::<ManagementSettings>().is_ok_and(is_open) {
        wrong.push((
            "the management listener, which asks nobody who they are, listens beyond this machine",
            "let a network policy keep others from management.port, or set management.address to 127.0.0.1",
        ));
    }
    if config.get::<TelemetrySettings>().is_ok_and(|telemetry| telemetry.trust == Trust::All) {
        wrong.push((
            "telemetry.trust follows the trace of any caller",
            "set telemetry.trust to the networks of your gateways",
        ));
    }
    if let Ok(database) = config.get::<DatabaseSettings>() {
        if database.migrate_on_start {
            wrong.push((
                "database.migrate_on_start changes tables at each start",
                "set it to false, and migrate with `migrate up` before a new version starts",
            ));
        }
        if database.sqlite_file().is_some() && database.synchronous == SqliteSynchronous::Normal {
            wrong.push((
                "database.synchronous is normal: a power cut may undo the last commits",
                "set database.synchronous to \"full\"",
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_told_apart_from_what_is_wrong() {
        for (message, what, fix) in [
            (
                "is required in production: set SECRET_KEY to x",
                "is required in production",
                Some("set SECRET_KEY to x"),
            ),
            (
                "is not a setting; did you mean server.port?",
                "is not a setting",
                Some("did you mean server.port?"),
            ),
            ("must be at least 1", "must be at least 1", None),
        ] {
            assert_eq!(advice(message), (what, fix));
        }
    }
}
