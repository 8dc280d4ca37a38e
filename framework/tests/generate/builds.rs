//! What is written compiles without a warning and passes its own tests, on each database that there is.

use std::path::PathBuf;
use std::process::Command;

use spanbox::testing::PgServer;

use crate::shop::Shop;

/// One of each, and resources of every type.
const PARTS: &[&str] = &[
    "resource Invoice number:string amount:money due:date",
    "resource InvoiceLine article:string:unique words:text count:int:index large:bigint paid:bool share:float \
     price:money day:date at:datetime key:uuid:unique",
    "resource Maybe article:string?:unique words:text? count:int?:index large:bigint? paid:bool? share:float? \
     price:money? day:date? at:datetime? key:uuid?",
    "resource Payment reference:string note:references invoice:references? line:references?:invoice_lines",
    "resource Flag raised:bool",
    "module reports",
    "job SendReminder --queue mails",
    "job CleanUp --module notes",
    "actor Mailer",
    "actor Counter --module notes",
    "extension SmsGateway",
    "migration nothing_yet",
];

/// The directory that this test was built in, so that what it depends on is there.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // target/debug/deps/generate-…
    program.ancestors().nth(3).unwrap().to_owned()
}

fn cargo(shop: &Shop, words: &[&str], environment: &[(&str, &str)]) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(words).current_dir(shop.path()).env("CARGO_TARGET_DIR", target()).env_remove("DATABASE_URL");
    let output = cargo.envs(environment.iter().copied()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "cargo {}:\n{out}\n{err}", words.join(" "));
}

#[test]
fn a_service_with_one_of_each_is_formatted_and_clean_and_passes_its_tests() {
    let shop = Shop::new();
    let lock = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    std::fs::copy(lock, shop.path().join("Cargo.lock")).unwrap();
    for part in PARTS {
        shop.generates(part);
    }
    cargo(&shop, &["fmt", "--check"], &[]);
    cargo(&shop, &["clippy", "--offline", "--all-targets", "--", "-D", "warnings"], &[]);
    cargo(&shop, &["test", "--offline"], &[]);
    if cfg!(has_postgres) {
        let server = PgServer::start().expect("the private server starts");
        cargo(&shop, &["test", "--offline", "--tests"], &[("DATABASE_URL", &server.url())]);
    }
}
