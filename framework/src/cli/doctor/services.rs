//! What the service needs of others: the collector, Redis, and what its extensions and modules check.

use super::finding::Finding;
use crate::app::Ready;
use crate::config::{Config, RedisSettings};
use crate::data::{Db, Redis, RedisInfo};
use crate::jobs::{JobsSettings, Transport};
use crate::telemetry::{Probe, Telemetry, TelemetryError};
use crate::web::CheckStatus;

/// Streams do here what jobs need of them.
const LEAST_REDIS: u64 = 7;

/// What became of a span for the collector.
pub(super) fn collector(probed: Result<Probe, TelemetryError>, production: bool) -> Finding {
    match probed {
        Ok(Probe::Nowhere) if production => Finding::warn(
            "collector",
            "no spans are exported: nobody will see what the service does",
            "set OTEL_EXPORTER_OTLP_ENDPOINT, or telemetry.endpoint",
        ),
        Ok(Probe::Nowhere) => Finding::ok("collector", "none: no endpoint is set, and nothing is exported"),
        Ok(Probe::Arrived { endpoint, took }) => {
            Finding::ok("collector", format!("{endpoint} took a span within {} ms", took.as_millis()))
        }
        Ok(Probe::Lost { endpoint, reason }) => Finding::fail(
            "collector",
            format!("{endpoint} did not take a span: {reason}"),
            "start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT (4317 speaks gRPC, 4318 HTTP; headers and \
             certificates are in OTEL_EXPORTER_OTLP_HEADERS and …_CERTIFICATE)",
        ),
        Err(error) => Finding::fail("collector", error.to_string(), "correct what it names"),
    }
}

/// Asks Redis what it is, if the service has one.
pub(super) async fn redis(config: &Config, production: bool) -> Vec<Finding> {
    let Some(url) = config.get::<RedisSettings>().ok().and_then(|redis| redis.url) else {
        return Vec::new();
    };
    let carries_jobs = config.get::<JobsSettings>().is_ok_and(|jobs| jobs.transport == Transport::Redis);
    let asked = match Redis::new(&url, &Telemetry::disabled()) {
        Ok(redis) => redis.info().await.map(|info| (redis.server().to_owned(), info)),
        Err(error) => Err(error),
    };
    match asked {
        Ok((server, info)) => judge_redis(&server, &info, carries_jobs, production),
        Err(error) => vec![Finding::fail(
            "redis",
            error.to_string(),
            "start it, or correct host, port and password in REDIS_URL; unset it if nothing needs Redis",
        )],
    }
}

fn judge_redis(server: &str, info: &RedisInfo, carries_jobs: bool, production: bool) -> Vec<Finding> {
    let major = info.version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_none_or(|major| major < LEAST_REDIS) {
        let seen = format!("{server} is Redis {}", info.version);
        return vec![Finding::fail("redis", seen, format!("use {LEAST_REDIS} or newer"))];
    }
    let mut findings = Vec::new();
    if info.maxmemory_policy != "noeviction" && carries_jobs {
        findings.push(Finding::fail(
            "redis eviction",
            format!("maxmemory-policy is {}: with its memory full it throws jobs away", info.maxmemory_policy),
            "set `maxmemory-policy noeviction` in redis.conf (`CONFIG SET` for now), and keep caches in another Redis",
        ));
    }
    if !info.append_only && carries_jobs {
        findings.push(Finding::for_production(
            production,
            "redis persistence",
            "it keeps no append-only file: a restart forgets what it was handed, and jobs wait until they are missed",
            "set `appendonly yes` in redis.conf (`CONFIG SET` for now)",
        ));
    }
    if findings.is_empty() {
        let kept = if info.append_only { "append-only file" } else { "no append-only file" };
        let seen = format!("{server} is Redis {}, {}, {kept}", info.version, info.maxmemory_policy);
        findings.push(Finding::ok("redis", seen));
    }
    findings
}

/// Lets the extensions and modules look.
pub(super) async fn checks(ready: Ready, db: Option<Db>) -> Vec<Finding> {
    match ready.examine(db).await {
        Ok(readiness) => readiness
            .checks
            .into_iter()
            .map(|check| {
                let name = format!("check {}", check.name);
                let error = check.error.unwrap_or_default();
                let fix = format!("see what `{}` needs, and where it is in the settings", check.name);
                match check.status {
                    CheckStatus::Ok => Finding::ok(name, format!("well, within {:.0} ms", check.duration_ms)),
                    CheckStatus::Degraded => Finding::warn(name, error, fix),
                    CheckStatus::Failed => Finding::fail(name, error, fix),
                }
            })
            .collect(),
        Err(error) => vec![Finding::fail("extensions", error.to_string(), "correct what it says")],
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_redis_that_carries_jobs_is_held_to_more_than_one_that_does_not() {
        let verdicts = |info: &RedisInfo, jobs, production| -> Vec<(String, Verdict)> {
            let findings = judge_redis("localhost:6379", info, jobs, production);
            findings.into_iter().map(|finding| (finding.name, finding.verdict)).collect()
        };
        let good = RedisInfo {
            version: "7.2.5".to_owned(),
            run_id: "x".to_owned(),
            maxmemory_policy: "noeviction".to_owned(),
            append_only: true,
        };
        let named = |name: &str, verdict| vec![(name.to_owned(), verdict)];
        assert_eq!(verdicts(&good, true, true), named("redis", Verdict::Ok));
        let old = RedisInfo { version: "6.2.1".to_owned(), ..good.clone() };
        assert_eq!(verdicts(&old, false, false), named("redis", Verdict::Fail));
        let forgetful = RedisInfo { append_only: false, ..good.clone() };
        assert_eq!(verdicts(&forgetful, false, true), named("redis", Verdict::Ok));
        assert_eq!(verdicts(&forgetful, true, false), named("redis persistence", Verdict::Warn));
        assert_eq!(verdicts(&forgetful, true, true), named("redis persistence", Verdict::Fail));
        let evicting = RedisInfo { maxmemory_policy: "allkeys-lru".to_owned(), ..good };
        assert_eq!(verdicts(&evicting, true, false), named("redis eviction", Verdict::Fail));
        assert_eq!(verdicts(&evicting, false, true), named("redis", Verdict::Ok));
    }
}
