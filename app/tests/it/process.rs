//! The program: its commands, its exit codes, its signals.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use spanbox::testing::Process;

fn orders(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

fn run(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    orders(directory).args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
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
    ];
    let shown = run(directory.path(), &["config"], &environment);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let text = stdout(&shown);
    for part in ["config/default.toml:2", "SECRET_KEY", "DATABASE_URL", "LOG_LEVEL", "default", "***"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
    let json = run(directory.path(), &["config", "--json"], &environment);
    assert!(serde_json::from_slice::<serde_json::Value>(&json.stdout).unwrap().is_array());
}

#[test]
fn migrations_go_up_and_down_and_production_does_not_apply_them_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let production = [
        ("APP_PROFILE", "production"),
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("DATABASE_URL", "sqlite://orders.db"),
        ("PORT", "0"),
    ];
    let refused = run(directory.path(), &[], &production);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("orders migrate up"), "{}", stderr(&refused));
    let status = |state: &str| {
        let text = stdout(&run(directory.path(), &["migrate", "status"], &production));
        assert!(text.starts_with(state), "{text}");
    };
    status("pending");
    assert!(run(directory.path(), &["migrate", "up"], &production).status.success());
    status("applied");
    assert!(run(directory.path(), &["migrate", "down", "--yes"], &production).status.success());
    status("pending");
}

#[test]
fn a_command_that_is_none_is_exit_code_2_and_a_wrong_setting_is_1() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(directory.path(), &["brew"], &[]).status.code(), Some(2));
    let wrong = run(directory.path(), &[], &[("PORT", "eighty")]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("PORT"), "{}", stderr(&wrong));
}

#[test]
fn a_taken_port_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = run(directory.path(), &[], &[("PORT", &port)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&format!("127.0.0.1:{port}")), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("another process has the port"), "{}", stderr(&refused));
}

#[test]
fn sigterm_stops_it_in_order_and_says_what_was_finished() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(orders(directory.path()).env("PORT", "0").env("APP_LOG__FORMAT", "json"));
    assert!(process.get("/health/ready").starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    let (status, log) = process.terminate(Duration::from_secs(20));
    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("messages_handled"), "{log}");
    assert!(began.elapsed() < Duration::from_secs(10), "an idle service took {:?} to stop", began.elapsed());
}
