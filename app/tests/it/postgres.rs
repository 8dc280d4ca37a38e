//! The same tests again on PostgreSQL.

use std::process::Command;

use spanbox::testing::PgServer;

/// Starts a private server and runs every other test of this program against it.
#[test]
#[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
fn the_same_tests_pass_on_postgresql() {
    if std::env::var("DATABASE_URL").is_ok_and(|url| url.starts_with("postgres")) {
        // This is that run, or one that was asked for by hand.
        return;
    }
    let server = PgServer::start().expect("the private server starts");
    let url = server.url();
    let output = Command::new(std::env::current_exe().unwrap())
        .env("DATABASE_URL", url)
        .env_remove("NEXTEST")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "on PostgreSQL:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test result: ok"), "{text}");
}
