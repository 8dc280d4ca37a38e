//! Two processes that serve from one SQLite file.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use spanbox::testing::{Process, TestDatabase};

use crate::stored::Records;

const EACH: usize = 20;

fn serve(directory: &Path, database: &TestDatabase) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
    command.current_dir(directory).env_clear().stdin(Stdio::null());
    command.envs([("PORT", "0"), ("APP_MANAGEMENT__PORT", "0"), ("DATABASE_URL", database.url())]);
    command.env("APP_JOBS__POLL_INTERVAL", "50ms");
    Process::start(&mut command)
}

#[actix::test]
async fn two_that_serve_from_one_sqlite_file_take_turns_lose_nothing_and_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::sqlite();
    let first = serve(directory.path(), &database);
    let second = serve(directory.path(), &database);
    second.wait_for("another process of this service works on the same database file");
    assert!(second.log().contains(&format!("pid={}", first.id())), "{}", second.log());
    std::thread::scope(|scope| {
        for server in [&first, &second] {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let answer = server.post("/api/orders/", r#"{"product_name":"Widget","amount":"9.50"}"#);
                    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
                }
            });
        }
    });
    let records = Records::open(&database).await;
    records.are_completed_once(2 * EACH).await;
    records.close().await;
    for process in [first, second] {
        let (status, log) = process.terminate(Duration::from_secs(60));
        assert!(status.success(), "{log}");
    }
}
