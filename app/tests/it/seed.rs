//! `orders seed`: sample orders, the same for the same seed.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use spanbox::testing::{Process, TestDatabase};

use crate::process::{orders, run, stderr, stdout};

fn seed(directory: &Path, database: &TestDatabase, words: &[&str]) -> Output {
    run(directory, &[&["seed"], words].concat(), &[("DATABASE_URL", database.url())])
}

/// The newest orders as a client sees them, without what differs from one database to another.
fn newest(directory: &Path, database: &TestDatabase) -> Vec<Value> {
    let environment = [("PORT", "0"), ("APP_MANAGEMENT__PORT", "0"), ("DATABASE_URL", database.url())];
    let server = Process::start(orders(directory).envs(environment));
    let answer = server.get("/api/orders/?limit=100&include=lines");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let page: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    page["orders"].as_array().unwrap().clone()
}

fn migrated(directory: &Path) -> TestDatabase {
    let database = TestDatabase::fresh_blocking();
    let lacking = seed(directory, &database, &["3"]);
    assert!(
        lacking.status.code() == Some(1) && stderr(&lacking).contains("`orders migrate up`"),
        "{lacking:?}"
    );
    let up = run(directory, &["migrate", "up"], &[("DATABASE_URL", database.url())]);
    assert!(up.status.success(), "{}", stderr(&up));
    database
}

#[test]
fn a_seed_is_sown_once_goes_on_where_it_was_broken_off_and_is_the_same_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let database = migrated(directory.path());
    let said = |words: &[&str]| {
        let output = seed(directory.path(), &database, words);
        assert!(output.status.success() && output.stderr.is_empty(), "no terminal, no bar: {output:?}");
        stdout(&output)
    };
    assert_eq!(said(&["40"]), "sown 40 orders of the seed 1, 40 in all\n");
    assert_eq!(said(&["40"]), "there are 40 orders of the seed 1 already\n");
    assert_eq!(said(&["60"]), "sown 20 orders of the seed 1, 60 in all\n");
    let gone_on = newest(directory.path(), &database);
    assert_eq!(gone_on.len(), 60);
    let other = migrated(directory.path());
    assert!(seed(directory.path(), &other, &["60"]).status.success());
    assert_eq!(newest(directory.path(), &other), gone_on);

    let ended =
        |order: &Value| matches!(order["status"].as_str(), Some("completed" | "failed" | "cancelled"));
    assert!(gone_on.iter().all(ended), "nothing is left to be charged: {gone_on:?}");
    assert!(gone_on.iter().any(|order| order["lines"].as_array().unwrap().len() > 1));
    assert_eq!(said(&["5", "--seed", "2"]), "sown 5 orders of the seed 2, 5 in all\n");
}

#[test]
fn production_wants_a_word_more() {
    let directory = tempfile::tempdir().unwrap();
    let database = TestDatabase::sqlite();
    let production = [
        ("APP_PROFILE", "production"),
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("DATABASE_URL", database.url()),
    ];
    assert!(run(directory.path(), &["migrate", "up"], &production).status.success());
    let refused = run(directory.path(), &["seed", "3"], &production);
    assert!(refused.status.code() == Some(1) && stderr(&refused).contains("--yes"), "{refused:?}");
    let sown = run(directory.path(), &["seed", "3", "--yes"], &production);
    assert_eq!(stdout(&sown), "sown 3 orders of the seed 1, 3 in all\n");
}
