//! What `orders doctor` finds: each fault is planted in a program that could be anybody's, and named with what to do.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use spanbox::testing::{OtlpReceiver, TestDatabase};
#[cfg(any(has_redis, has_postgres))]
use spanbox::testing::{PgServer, RedisServer};
use tempfile::TempDir;

use crate::process::{orders, run, stderr, stdout};

/// A desk at which nothing is wrong, and then what is.
struct Desk {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

/// What was found.
#[derive(Debug)]
struct Found {
    code: Option<i32>,
    document: Value,
}

impl Desk {
    /// With a migrated SQLite database and free ports.
    fn new() -> Self {
        let desk = Self { directory: tempfile::tempdir().unwrap(), environment: Vec::new() };
        let desk = desk.with("PORT", "0").with("APP_MANAGEMENT__PORT", "0");
        let up = run(desk.path(), &["migrate", "up"], &desk.environment());
        assert!(up.status.success(), "{}", stderr(&up));
        desk
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn doctor(&self, more: &[&str]) -> Found {
        let words = [&["doctor", "--json"], more].concat();
        let output = run(self.path(), &words, &self.environment());
        let document = serde_json::from_str(&stdout(&output));
        let document =
            document.unwrap_or_else(|error| panic!("{error}: {}{}", stdout(&output), stderr(&output)));
        Found { code: output.status.code(), document }
    }
}

impl Found {
    /// What was found under a name: its verdict, what was seen, and what to do.
    fn of(&self, name: &str) -> (String, String, String) {
        let findings = self.document["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["name"] == name);
        let found = found.unwrap_or_else(|| panic!("nothing of `{name}` in {:#}", self.document));
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (text("verdict"), text("seen"), text("fix"))
    }

    /// That something fails, and what is said of it.
    fn fails(&self, name: &str, seen: &str, fix: &str) {
        assert_eq!(self.code, Some(1), "{self:#?}");
        self.says(name, "fail", seen, fix);
    }

    fn says(&self, name: &str, verdict: &str, seen: &str, fix: &str) {
        let found = self.of(name);
        assert!(found.0 == verdict && found.1.contains(seen) && found.2.contains(fix), "{found:#?}");
    }
}

#[test]
fn a_desk_at_which_nothing_is_wrong_is_well_and_stays_as_it_is() {
    let desk = Desk::new();
    let found = desk.doctor(&[]);
    assert_eq!(found.code, Some(0), "{found:#?}");
    for name in [
        "settings",
        "passwords",
        "port",
        "otel variables",
        "collector",
        "disk",
        "database sharing",
        "migrations",
    ] {
        assert_eq!(found.of(name).0, "ok", "{found:#?}");
    }
    found.says("database", "ok", "with a write-ahead log, may be written", "");
    found.says("secret_key", "warn", "service.secret_key is required in production", "set SECRET_KEY");
    let text = stdout(&run(desk.path(), &["doctor"], &desk.environment()));
    assert!(text.contains("ok    settings") && text.ends_with(" 0 failures\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "who is no terminal gets no colours: {text}");
}

#[test]
fn a_desk_without_a_database_yet_is_well_and_gets_none() {
    let directory = tempfile::tempdir().unwrap();
    let desk =
        Desk { directory, environment: Vec::new() }.with("PORT", "0").with("APP_MANAGEMENT__PORT", "0");
    let found = desk.doctor(&[]);
    found.says("database", "ok", "there is no var/orders.db yet: the first start makes it", "");
    let (_, disk, _) = found.of("disk");
    assert!(disk.contains(" are free at "), "{disk}");
    assert!(!desk.path().join("var").exists(), "the doctor makes nothing");
}

#[test]
fn a_secret_that_production_has_not_is_found() {
    let found = Desk::new().doctor(&["--production"]);
    found.fails(
        "settings",
        "service.secret_key is required in production",
        "set SECRET_KEY to 32 random bytes",
    );
}

#[test]
fn a_secret_that_is_a_default_is_found_and_not_shown() {
    let desk = Desk::new().with("SECRET_KEY", "dev-hunter2");
    let found = desk.doctor(&[]);
    found.says("secret_key", "warn", "is a development default", "openssl rand -hex 32");
    assert!(!found.document.to_string().contains("hunter2"));
}

#[test]
fn a_setting_that_is_none_is_found_with_its_line() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path().join("config")).unwrap();
    std::fs::write(desk.path().join("config/default.toml"), "[server]\nprot = 1\n").unwrap();
    let found = desk.doctor(&[]);
    found.fails(
        "settings",
        "config/default.toml:2: server.prot is not a setting",
        "did you mean server.port?",
    );
}

#[test]
fn what_can_be_looked_at_is_though_a_setting_does_not_hold() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Desk::new().with("PORT", &port).with("REDIS_URL", &format!("redis://{nobody}"));
    let desk = desk.with("APP_DATABASE__POOL_SIZ", "3").with("OTEL_SERVICE_NAM", "shop");
    let found = desk.doctor(&[]);
    found.fails("settings", "database.pool_siz is not a setting", "did you mean database.pool_size");
    found.fails("port", "listens at 127.0.0.1:", "take another port with PORT");
    found.fails("redis", "can not be reached", "start it, or correct host, port");
    found.fails("otel variables", "nobody knows OTEL_SERVICE_NAM", "did you mean OTEL_SERVICE_NAME?");
    assert_eq!(found.of("management port").0, "ok");
    found.says("not looked at", "warn", "needs a setting that does not hold", "run this again");
    let names = found.document["findings"].as_array().unwrap().iter().map(|finding| &finding["name"]);
    assert_eq!(
        names.filter(|name| *name == "database").count(),
        0,
        "which one it is nobody knows: {found:#?}"
    );

    let found = Desk::new().doctor(&["--production"]);
    found.fails("settings", "service.secret_key is required in production", "set SECRET_KEY");
    assert_eq!(found.of("management port").0, "ok");
    found.says("collector", "warn", "no spans are exported", "set OTEL_EXPORTER_OTLP_ENDPOINT");
    assert!(!found.document.to_string().contains("nothing contradicts"), "{found:#?}");
}

#[test]
fn where_a_file_can_not_be_read_nothing_is_said_of_what_it_may_say() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path().join("config")).unwrap();
    std::fs::write(desk.path().join("config/default.toml"), "[server\nport = 1\n").unwrap();
    let found = desk.doctor(&[]);
    found.fails("settings", "config/default.toml:1", "");
    let names = found.document["findings"].as_array().unwrap().iter().map(|finding| finding["name"].as_str());
    assert_eq!(names.flatten().collect::<Vec<_>>(), ["settings", "open files", "not looked at"]);
}

#[test]
fn a_port_that_somebody_has_is_found_with_who_it_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let pid = std::process::id();
    let found = Desk::new().with("PORT", &port).doctor(&[]);
    found.fails(
        "port",
        &format!("(pid {pid}) listens at 127.0.0.1:{port}"),
        &format!("stop it (`kill {pid}`)"),
    );
}

#[test]
fn a_collector_that_is_not_there_is_found_and_one_that_is_gets_a_span() {
    let receiver = OtlpReceiver::start().unwrap();
    let well = Desk::new().with("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.grpc_endpoint());
    // Whatever is sampled, and though nothing else is to be sent.
    let well = well.with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").with("OTEL_TRACES_SAMPLER", "always_off");
    well.doctor(&[]).says("collector", "ok", "took a span within", "");
    let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["doctor.export"]);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["grpc", "http/protobuf"] {
        let desk = Desk::new().with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nobody}"));
        let found = desk.with("OTEL_EXPORTER_OTLP_PROTOCOL", scheme).doctor(&[]);
        let seen = format!("{nobody} did not take a span: ");
        found.fails("collector", &seen, "start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT");
        assert!(found.of("collector").1.contains("refused"), "{found:#?}");
    }
}

#[test]
fn a_variable_of_the_telemetry_that_is_misspelt_or_wrong_is_found() {
    let desk = Desk::new().with("OTEL_SERVICE_NAM", "shop");
    desk.doctor(&[]).fails(
        "otel variables",
        "nobody knows OTEL_SERVICE_NAM",
        "did you mean OTEL_SERVICE_NAME?",
    );
    // Nobody listens there, but without it nothing is exported and the delay is of nothing.
    let desk = Desk::new()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .with("OTEL_BSP_SCHEDULE_DELAY", "soon");
    desk.doctor(&[]).fails(
        "otel variables",
        "is `soon`, which is no number",
        "correct OTEL_BSP_SCHEDULE_DELAY",
    );
}

#[test]
fn migrations_that_are_missing_are_found() {
    let desk = Desk::new().with("APP_DATABASE__MIGRATE_ON_START", "false");
    let down = run(desk.path(), &["migrate", "down"], &desk.environment());
    assert!(down.status.success(), "{}", stderr(&down));
    desk.doctor(&[]).fails("migrations", "not applied: 2026", "apply them with `orders migrate up`");
}

#[test]
fn a_database_that_can_not_be_made_is_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("sqlite://{}/orders.db", file.path().display());
    let found = Desk::new().with("DATABASE_URL", &url).doctor(&[]);
    found.fails(
        "database",
        "can not be made",
        "let this user write there, or name another place with DATABASE_URL",
    );
}

#[test]
fn another_program_on_the_same_sqlite_file_is_found() {
    let desk = Desk::new();
    let file = desk.path().join("var/orders.db");
    let mut other = Command::new("tail").arg("-f").arg(&file).stdout(Stdio::null()).spawn().unwrap();
    // It has the file open before it follows it; until then it is not yet that program.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let open = || {
        let links = std::fs::read_dir(format!("/proc/{}/fd", other.id())).into_iter().flatten().flatten();
        links.filter_map(|link| std::fs::read_link(link.path()).ok()).any(|to| to.ends_with("var/orders.db"))
    };
    while !open() && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    let found = desk.doctor(&[]);
    other.kill().unwrap();
    other.wait().unwrap();
    found.says(
        "database sharing",
        "warn",
        &format!("(pid {}) has ", other.id()),
        "give each service a file of its own",
    );
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_found() {
    let desk = Desk::new();
    let mut limited = Command::new("sh");
    limited.current_dir(desk.path()).env_clear().envs(desk.environment()).stdin(Stdio::null());
    let program = orders(desk.path()).get_program().to_owned();
    limited.args(["-c", "ulimit -n 100; exec \"$0\" doctor --json"]).arg(program);
    let output = limited.output().unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap();
    let found = Found { code: output.status.code(), document };
    found.fails("open files", "100 at most", "LimitNOFILE=");
}

#[test]
fn an_environment_called_production_with_another_profile_is_found() {
    let found = Desk::new().with("ENVIRONMENT", "production").doctor(&[]);
    found.fails("profile", "the profile is development", "set APP_PROFILE=production");
}

#[test]
fn a_cache_that_is_away_is_told_by_its_own_check() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = Desk::new().with("CACHE_URL", &format!("redis://{nobody}")).doctor(&[]);
    found.says("check cache", "warn", "everything is loaded each time", "see what `cache` needs");
    assert_eq!(found.code, Some(0), "the service does without");
}

#[test]
fn a_redis_that_is_away_is_found() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = Desk::new().with("REDIS_URL", &format!("redis://{nobody}")).doctor(&[]);
    found.fails(
        "redis",
        &format!("the Redis at {nobody} can not be reached"),
        "start it, or correct host, port",
    );
}

#[test]
#[cfg(has_redis)]
fn a_redis_that_throws_jobs_away_is_found() {
    let server = RedisServer::start().unwrap();
    let desk = Desk::new().with("REDIS_URL", &server.url());
    desk.doctor(&[]).says("redis", "ok", "noeviction, append-only file", "");
    let set = |name: &str, value: &str| {
        let port = server.address().port().to_string();
        let done =
            Command::new("redis-cli").args(["-p", &port, "config", "set", name, value]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    set("maxmemory-policy", "allkeys-lru");
    set("appendonly", "no");
    let jobs = desk.with("APP_JOBS__TRANSPORT", "redis");
    let found = jobs.doctor(&[]);
    found.fails("redis eviction", "maxmemory-policy is allkeys-lru", "maxmemory-policy noeviction");
    found.says("redis persistence", "warn", "no append-only file", "appendonly yes");
}

#[test]
#[cfg(has_postgres)]
fn a_postgresql_that_is_as_it_should_be_is_well_and_one_that_has_no_such_database_is_not() {
    let server = PgServer::start().unwrap();
    let desk = Desk::new().with("DATABASE_URL", &server.url());
    let up = run(desk.path(), &["migrate", "up"], &desk.environment());
    assert!(up.status.success(), "{}", stderr(&up));
    let well = desk.doctor(&[]);
    well.says("database", "ok", "`postgres`, may be written", "");
    well.says("clock", "ok", "the database's", "");
    let found = Desk::new().with("DATABASE_URL", &server.url_of("nowhere")).doctor(&[]);
    found.fails(
        "database",
        "\"nowhere\" does not exist",
        "create it (createdb), or correct the name in DATABASE_URL",
    );
}

#[test]
fn a_password_that_everybody_tries_first_is_found_and_not_shown() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://orders:postgres@{nobody}/orders");
    let production =
        Desk::new().with("DATABASE_URL", &url).with("SECRET_KEY", "0123456789abcdef0123456789abcdef");
    let found = production.doctor(&["--production"]);
    found.fails(
        "passwords",
        "the password in DATABASE_URL is short or easily guessed",
        "openssl rand -hex 24",
    );
    found.says("database", "fail", "Connection refused", "check that the server runs");
    found.says("collector", "warn", "no spans are exported", "set OTEL_EXPORTER_OTLP_ENDPOINT");
    assert!(!found.document.to_string().contains(":postgres@"), "{found:#?}");
}

#[test]
fn a_database_of_the_tests_own_is_there_to_be_looked_at() {
    let database = TestDatabase::fresh_blocking();
    let desk = Desk::new().with("DATABASE_URL", database.url());
    let up = run(desk.path(), &["migrate", "up"], &desk.environment());
    assert!(up.status.success(), "{}", stderr(&up));
    assert_eq!(desk.doctor(&[]).of("database").0, "ok");
}
