//! The contract of spanbox is what spanbox emits: nothing more, nothing less, and named by the conventions.

mod differences;
mod service;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use spanbox::testing::contract::SPANBOX;
use spanbox::testing::{
    CapturedMetrics, Emitted, OtlpReceiver, PgServer, RedisServer, TestApp, TestDatabase,
};

use service::{ENVIRONMENT, create_app, use_all_of};

/// What is not in the run below, and why.
const SELDOM: &[(&str, &[&str])] = &[
    ("takes Redis", &["{command}", "db.operation.batch.size"]),
    (
        "takes a cache",
        &[
            "spanbox.cache.lookups",
            "spanbox.cache.failures",
            "spanbox.cache.namespace",
            "spanbox.cache.outcome",
        ],
    ),
    ("takes the command `doctor`", &["doctor.export"]),
    ("takes PostgreSQL", &["db.response.status_code"]),
    ("takes a pool with too few connections", &["db.pool.wait", "db.client.connection.timeouts"]),
    ("takes a worker that is dead or hangs", &["jobs.leases.lost", "jobs.rescued"]),
    ("takes a stream, or a task that outlives its message", &["{Actor} {Item}", "{Actor} panic"]),
    (
        "takes a cloud",
        &["cloud.provider", "cloud.region", "k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name"],
    ),
    (
        "takes another service; the tests of the client look at it",
        &[
            "{verb} {template}",
            "{verb}",
            "http.client.retry.wait",
            "spanbox.client.breaker.opened",
            "spanbox.client.breaker.closed",
            "http.client.request.duration",
            "http.client.active_requests",
            "spanbox.client.breaker",
            "url.full",
            "url.template",
            "http.request.resend_count",
            "spanbox.client.upstream",
            "spanbox.client.breaker.state",
        ],
    ),
    ("takes a page; the tests of templates look at it", &["template.render", "template.name"]),
    (
        "takes an extension that this service has not",
        &["spanbox.limit.rule", "spanbox.limit.refused", "spanbox.limit.alone", "spanbox.limit.clients"],
    ),
    ("takes a service that can not keep up", &["spanbox.shed.requests", "spanbox.shed.reason"]),
    (
        "takes the feature `auth`",
        &["auth.password.hash", "auth.password.verify", "enduser.pseudo.id", "enduser.id"],
    ),
    ("is looked for now and then", &["jobs.queue.depth", "jobs.queue.oldest.age"]),
];

/// What is in the source and looks like a name of telemetry.
const OTHER_NAMES: &[&str] = &[
    // Actors.
    "jobs.keeper",
    "jobs.scheduler",
];

/// What a service emits that does everything on this database.
async fn emitted(database: TestDatabase, more: &[(&str, &str)]) -> Emitted {
    let metrics = CapturedMetrics::default();
    let receiver = metrics.clone();
    let create_app = |profile: Option<&str>| create_app(profile).metric_exporter(receiver);
    let collector = OtlpReceiver::start().unwrap();
    let endpoint = collector.http_endpoint();
    let export = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ];
    let environment = ENVIRONMENT.iter().chain(more).chain(&export).copied();
    let app = TestApp::start_on(database, create_app, environment).await;
    use_all_of(&app).await;
    // Now, while actors and connections are there to be counted.
    let _ = app.running().telemetry().flush(Duration::from_secs(5));
    let (_, spans) = app.stop().await;
    metrics.with(&spans)
}

#[actix::test]
async fn what_is_emitted_is_in_the_contract_and_the_other_way_round() {
    let emitted = emitted(TestDatabase::sqlite(), &[]).await;
    assert_eq!(SPANBOX.unlisted(&emitted), [""; 0], "emitted and not in the contract");
    let seldom: Vec<_> = SELDOM.iter().flat_map(|(_, names)| *names).collect();
    let unseen: Vec<_> =
        SPANBOX.unseen(&emitted).into_iter().filter(|name| !seldom.contains(&name)).collect();
    assert_eq!(unseen, [""; 0], "in the contract and not emitted");
}

#[actix::test]
#[cfg_attr(not(all(has_postgres, has_redis)), ignore = "PostgreSQL and Redis are not both installed")]
async fn what_is_emitted_with_postgres_and_redis_is_in_the_contract() {
    let (postgres, redis) = (PgServer::start().unwrap(), RedisServer::start().unwrap());
    let database = TestDatabase::create(postgres.url()).await.unwrap();
    let url = redis.url();
    let more = [("REDIS_URL", url.as_str()), ("APP_JOBS__TRANSPORT", "redis")];
    assert_eq!(SPANBOX.unlisted(&emitted(database, &more).await), [""; 0]);
}

#[test]
fn the_contract_keeps_to_the_conventions() {
    assert_eq!(SPANBOX.unconventional(), [""; 0]);
}

/// The source of the framework, without its tests, its testing kit and its comments.
fn source() -> String {
    fn read(directory: &Path, out: &mut String) {
        for entry in fs::read_dir(directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["tests", "testing"].contains(&name) {
                read(&path, out);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().lines();
                code.filter(|line| !line.trim_start().starts_with("//")).for_each(|line| {
                    out.push_str(line);
                    out.push('\n');
                });
            }
        }
    }
    let mut source = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut source);
    source
}

/// `HTTP_ROUTE` for `http.route`.
fn constant(name: &str) -> String {
    name.split(".{").next().unwrap().to_uppercase().replace('.', "_")
}

#[test]
fn what_seldom_happens_is_in_the_source() {
    let source = source();
    // A name in braces is no name that could be looked for.
    let names = SELDOM.iter().flat_map(|(_, names)| *names).filter(|name| !name.contains('{'));
    let gone: Vec<_> = names
        .filter(|name| !source.contains(&format!("\"{name}\"")) && !source.contains(&constant(name)))
        .collect();
    assert_eq!(gone, [&""; 0]);
}

#[test]
fn every_name_in_the_source_is_in_the_contract() {
    let source = source();
    let names: BTreeSet<_> = SPANBOX.names().collect();
    let literal =
        Regex::new(r#""((?:actor|db|http|jobs|messaging|otel|process|spanbox|tokio)\.[a-z_.]*[a-z_])""#)
            .unwrap();
    let literals = literal.captures_iter(&source).map(|found| found.get(1).unwrap().as_str());
    let unlisted: BTreeSet<_> =
        literals.filter(|name| !names.contains(name) && !OTHER_NAMES.contains(name)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");

    let constants: BTreeSet<_> = names.iter().map(|name| constant(name)).collect();
    let used = Regex::new(r"\b(?:attribute|metric)::(?:(\w+)|\{([^}]*)\})").unwrap();
    let used = used.captures_iter(&source).flat_map(|found| {
        let one_or_many = found.get(1).or_else(|| found.get(2)).unwrap().as_str();
        one_or_many.split(',').map(str::trim)
    });
    let is_constant = |word: &&str| !word.is_empty() && word.chars().all(|c| !c.is_ascii_lowercase());
    let unlisted: BTreeSet<_> = used.filter(is_constant).filter(|word| !constants.contains(*word)).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
}
