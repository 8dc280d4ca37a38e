//! What a process says of its panics.

use std::fmt;
use std::process::{Command, Stdio};
use std::thread;

use spanbox::app::Service;

/// Set in the process that panics.
const PANICS: &str = "SPANBOX_TEST_PANICS";
const SECRETS: [&str; 3] = ["hunter2", "eve@example.com", "4111 1111 1111 1111"];

/// Fails while it is written into a record.
struct Unprintable;

impl fmt::Debug for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("password={} while it was written", SECRETS[0])
    }
}

async fn panic_in_many_places() {
    let service = Service::new("clumsy", "1").profile(Some("testing")).environment([
        ("APP_SERVER__PORT", "0"),
        ("APP_MANAGEMENT__ENABLED", "false"),
        ("APP_LOG__LEVEL", "info"),
    ]);
    let running = service.prepare().unwrap().start_outermost().await.unwrap();
    let [password, mail, card] = SECRETS;
    let named = thread::Builder::new().name("named".to_owned());
    let own = named.spawn(move || panic!("token=x password={password} of {mail}, paid by {card}")).unwrap();
    assert!(own.join().is_err());
    let within_a_record = thread::spawn(|| {
        let span = tracing::info_span!("outer", field = tracing::field::Empty);
        span.in_scope(|| tracing::info!(unprintable = ?Unprintable, "a record"));
    });
    assert!(within_a_record.join().is_err());
    let within_a_span =
        thread::spawn(|| tracing::info_span!("outer", unprintable = ?Unprintable).in_scope(|| ()));
    assert!(within_a_span.join().is_err());
    running.stop().await;
}

#[test]
fn each_is_one_record_that_is_redacted_wherever_it_happens() {
    if std::env::var_os(PANICS).is_some() {
        actix_rt::System::new().block_on(panic_in_many_places());
        return;
    }
    let name = "panics::each_is_one_record_that_is_redacted_wherever_it_happens";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PANICS, "1")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert_eq!(log.matches("a thread panicked").count(), 3, "{log}");
    assert!(log.contains("named") && log.contains("tests/it/panics.rs"), "{log}");
    assert!(log.contains("password=***"), "{log}");
    for secret in SECRETS {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(!log.contains("panicked at"), "{log}");
}
