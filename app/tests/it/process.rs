//! The program: its commands, its exit codes, its signals.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use spanbox::testing::{Process, TestDatabase};

pub(crate) fn orders(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

pub(crate) fn run(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    orders(directory).args(arguments).envs(environment.iter().copied()).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn config_shows_each_setting_with_its_origin_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("config")).unwrap();
    std::fs::write(directory.path().join("config/default.toml"), "[server]\nport = 9000\n").unwrap();
    let environment = [
        ("SECRET_KEY", "hunter2"),
        ("DATABASE_URL", "postgres://u:hunter2@localhost/o"),
        ("LOG_LEVEL", "debug"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPONIT", "http://me:hunter2@collector:4318"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("APP_TELEMETRY__ENDPOINT", "http://collector:4318"),
        ("APP_TELEMETRY__HEADERS__AUTHORIZATION", "hunter2"),
    ];
    let shown = run(directory.path(), &["config"], &environment);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let text = stdout(&shown);
    for part in ["config/default.toml:2", "SECRET_KEY", "DATABASE_URL", "LOG_LEVEL", "default", "***"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    for line in [
        "# OTEL_BSP_SCHEDULE_DELAY = \"soon\"  # invalid: is `soon`, which is no number above 0: 5000 is used",
        "# OTEL_EXPORTER_OTLP_ENDPONIT = \"***\"  # unknown: did you mean OTEL_EXPORTER_OTLP_ENDPOINT?",
        "# OTEL_EXPORTER_OTLP_HEADERS = \"***\"  # honoured",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is missing in:\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
    let json = stdout(&run(directory.path(), &["config", "--json"], &environment));
    assert!(!json.contains("hunter2"), "{json}");
    let all: Vec<Value> = serde_json::from_str(&json).unwrap();
    let delay = all.iter().find(|it| it["variable"] == "OTEL_BSP_SCHEDULE_DELAY").unwrap();
    assert_eq!((&delay["value"], &delay["standing"]), (&Value::from("soon"), &Value::from("invalid")));
    assert!(all.iter().any(|it| it["key"] == "server.port"));
}

#[test]
fn migrations_go_up_and_down_and_production_does_not_apply_them_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh_blocking();
    let production = [
        ("APP_PROFILE", "production"),
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("DATABASE_URL", database.url()),
        ("PORT", "0"),
        ("APP_MANAGEMENT__PORT", "0"),
    ];
    let refused = run(directory.path(), &[], &production);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("orders migrate up"), "{}", stderr(&refused));
    let status = |state: &str| {
        let text = stdout(&run(directory.path(), &["migrate", "status"], &production));
        assert!(text.lines().all(|line| line.starts_with(state)), "{text}");
        let json = stdout(&run(directory.path(), &["migrate", "status", "--json"], &production));
        let states: Vec<Value> = serde_json::from_str(&json).unwrap();
        assert!(
            states.iter().all(|it| it["applied"] == (state == "applied") && it["version"].is_string()),
            "{json}"
        );
        assert_eq!(states.len(), text.lines().count());
        states.len()
    };
    let all = status("pending").to_string();
    assert!(run(directory.path(), &["migrate", "up"], &production).status.success());
    status("applied");
    for what in ["down", "redo"] {
        let refused = run(directory.path(), &["migrate", what], &production);
        assert!(stderr(&refused).contains("--yes"), "{}", stderr(&refused));
    }
    let redone = stdout(&run(directory.path(), &["migrate", "redo", "2", "--yes"], &production));
    let lines: Vec<_> = redone.lines().collect();
    assert!(
        matches!(lines[..], [a, b, c, d] if a.starts_with("took back") && b.starts_with("took back")
        && a.ends_with(d.trim_start_matches("applied ")) && b.ends_with(c.trim_start_matches("applied "))),
        "{redone}"
    );
    status("applied");
    assert!(run(directory.path(), &["migrate", "down", &all, "--yes"], &production).status.success());
    status("pending");
}

#[test]
fn a_command_that_is_none_is_exit_code_2_and_a_wrong_setting_is_1() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(directory.path(), &["brew"], &[]).status.code(), Some(2));
    let misspelt = run(directory.path(), &["jobs", "list", "--state", "ded"], &[]);
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(stderr(&misspelt).contains("a similar value exists: 'dead'"), "{}", stderr(&misspelt));
    let wrong = run(directory.path(), &[], &[("PORT", "eighty")]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("PORT"), "{}", stderr(&wrong));
}

#[test]
fn a_taken_port_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let database = TestDatabase::fresh_blocking();
    let refused = run(directory.path(), &[], &[("PORT", &port), ("DATABASE_URL", database.url())]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&format!("127.0.0.1:{port}")), "{}", stderr(&refused));
    let holder =
        format!("(pid {}) has the port: stop it, or take another port with PORT", std::process::id());
    assert!(stderr(&refused).contains(&holder), "{}", stderr(&refused));
}

#[test]
fn sigterm_stops_it_in_order_and_says_what_was_finished() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::fresh_blocking();
    // A stop that waited for the grace would never end.
    let process = Process::start(orders(directory.path()).envs([
        ("PORT", "0"),
        ("APP_MANAGEMENT__PORT", "0"),
        ("DATABASE_URL", database.url()),
        ("APP_SERVER__SHUTDOWN_GRACE", "1day"),
        ("APP_LOG__FORMAT", "json"),
    ]));
    assert!(process.get("/health/ready").starts_with("HTTP/1.1 200"));
    let (status, log) = process.terminate(Duration::from_secs(60));
    assert!(status.success(), "{status}: {log}");
    let said = log.lines().find(|line| line.contains(r#""stopped""#)).unwrap_or_else(|| panic!("{log}"));
    let said: Value = serde_json::from_str(said).unwrap();
    for nothing in [
        "requests_abandoned",
        "messages_handled",
        "messages_abandoned",
        "actors_unresponsive",
        "units_abandoned",
    ] {
        assert_eq!(said["fields"][nothing], 0, "{nothing}: {said}");
    }
}

#[test]
fn without_a_setting_it_makes_a_sqlite_file_in_var() {
    let directory = tempfile::tempdir().unwrap();
    let up = run(directory.path(), &["migrate", "up"], &[]);
    assert!(up.status.success(), "{}", stderr(&up));
    assert!(directory.path().join("var/orders.db").is_file());
}

#[test]
fn every_command_that_the_documents_name_is_one_and_the_readme_names_all() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut named = Vec::new();
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|page| page.unwrap().path());
    let others = ["README.md", "deploy/README.md", "config/default.toml"].map(|file| root.join(file));
    for file in pages.chain(others) {
        let text = std::fs::read_to_string(&file).unwrap();
        for code in text.split('`').skip(1).step_by(2) {
            let words = ["cargo run -- ", "orders "].iter().find_map(|start| code.strip_prefix(start));
            let Some(words) = words else { continue };
            let arguments: Vec<_> = words.split_whitespace().collect();
            let shown = run(directory.path(), &[&arguments[..], &["--help"]].concat(), &[]);
            assert!(shown.status.success(), "{}: `{code}`: {}", file.display(), stderr(&shown));
            named.push(words.to_owned());
        }
    }
    let help = stdout(&run(directory.path(), &["--help"], &[]));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> = commands.map_while(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"migrate"), "{help}");
    // To serve is what it does without a command.
    for command in commands.into_iter().filter(|command| !matches!(*command, "serve" | "help")) {
        assert!(named.iter().any(|words| words.starts_with(command)), "`{command}` is not in {named:?}");
    }
}

#[test]
fn sighup_takes_the_logs_levels_from_the_files_and_names_what_needs_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let write = |text: &str| std::fs::write(config.join("default.toml"), text).unwrap();
    write("[log]\nlevel = \"warn,spanbox::app=info\"\n");
    let database = TestDatabase::fresh_blocking();
    let process = Process::start(orders(directory.path()).envs([
        ("PORT", "0"),
        ("APP_MANAGEMENT__PORT", "0"),
        ("DATABASE_URL", database.url()),
    ]));
    let hang_up = || {
        assert!(Command::new("kill").args(["-HUP", &process.id().to_string()]).status().unwrap().success());
    };
    write("[log]\nlevel = \"inof\"\n");
    hang_up();
    process.wait_for("nothing changes");
    write("[log]\nlevel = \"debug\"\n[server]\nhead_timeout = \"7s\"\n");
    hang_up();
    process.wait_for("these settings hold from the next start");
    let (status, log) = process.terminate(Duration::from_secs(60));
    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("from=warn,spanbox::app=info to=debug by=SIGHUP"), "{log}");
    assert!(log.contains("settings=server.head_timeout"), "{log}");
}
