//! What people meet first when something is wrong, word by word.

use std::net::TcpListener;

#[cfg(has_postgres)]
use spanbox::testing::PgServer;
use spanbox::testing::TestDatabase;

use crate::process::{run, stderr};

/// What the program says, and nothing else, when it does not start with these variables and files.
#[track_caller]
fn says(files: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("config")).unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join("config").join(name), text).unwrap();
    }
    let quiet = [("APP_MANAGEMENT__PORT", "0"), ("PORT", "0"), ("LOG_LEVEL", "off")];
    let refused = run(directory.path(), &["serve"], &[&quiet[..], environment].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    stderr(&refused)
}

#[test]
fn a_port_in_use_is_told_with_who_has_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let database = TestDatabase::sqlite();
    let program = std::env::current_exe().unwrap();
    let (program, pid) = (program.file_name().unwrap().to_str().unwrap(), std::process::id());
    assert_eq!(
        says(&[], &[("DATABASE_URL", database.url()), ("PORT", &port)]),
        format!(
            "orders: can not listen on 127.0.0.1:{port}: Address already in use (os error 98); `{program}` (pid {pid}) \
             has the port: stop it, or take another port with PORT\n"
        )
    );
    assert_eq!(
        says(
            &[],
            &[
                ("DATABASE_URL", database.url()),
                ("APP_MANAGEMENT__PORT", &port),
                ("APP_MANAGEMENT__OPTIONAL", "false")
            ]
        ),
        format!(
            "orders: can not listen on 127.0.0.1:{port} for management: Address already in use (os error 98): \
             `{program}` (pid {pid}) has it; take another port with management.port (APP_MANAGEMENT__PORT), or set \
             management.optional to start without it\n"
        )
    );
}

#[test]
fn two_listeners_on_one_port_are_told_apart() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let database = TestDatabase::sqlite();
    assert_eq!(
        says(&[], &[("DATABASE_URL", database.url()), ("APP_MANAGEMENT__PORT", &port), ("PORT", &port)]),
        format!(
            "orders: can not listen on 127.0.0.1:{port}: Address already in use (os error 98); this process itself \
             (server.port and management.port must differ) has the port: stop it, or take another port with PORT\n"
        )
    );
}

#[test]
fn a_database_url_that_is_wrong_says_how() {
    assert_eq!(
        says(&[], &[("DATABASE_URL", "mysql://me:hunter2@db/orders")]),
        "orders: the configuration has 1 problem:\n  DATABASE_URL: database.url has the scheme `mysql`: only sqlite:// and \
         postgres:// are known\n"
    );
    assert_eq!(
        says(&[], &[("DATABASE_URL", "var/orders.db")]),
        "orders: the configuration has 1 problem:\n  DATABASE_URL: database.url is no URL (relative URL without a base): use \
         sqlite://path or postgres://user:password@host:5432/name\n"
    );
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(
        says(&[], &[("DATABASE_URL", &format!("postgres://me:hunter2@{nobody}/shop"))]),
        format!(
            "orders: the database could not be used: cannot connect to PostgreSQL at me@{nobody}/shop: error connecting to \
             server: Connection refused (os error 111); check that the server runs and that host and port in DATABASE_URL \
             are right\n"
        )
    );
}

#[test]
#[cfg(has_postgres)]
fn a_database_or_a_user_that_is_not_there_is_named() {
    let server = PgServer::start().unwrap();
    let url = server.url_of("nowhere");
    let said = says(&[], &[("DATABASE_URL", &url)]);
    let end =
        ": database \"nowhere\" does not exist; create it (createdb), or correct the name in DATABASE_URL\n";
    let start = "orders: the database could not be used: cannot connect to PostgreSQL at postgres@";
    assert!(said.starts_with(start) && said.ends_with(end), "{said}");
}

#[test]
fn a_migration_that_is_missing_is_named_with_the_command_that_applies_it() {
    let database = TestDatabase::sqlite();
    let said = says(&[], &[("DATABASE_URL", database.url()), ("APP_DATABASE__MIGRATE_ON_START", "false")]);
    let start = "orders: the database lacks ";
    let end = "): apply them with `orders migrate up`, or set database.migrate_on_start\n";
    assert!(said.starts_with(start) && said.ends_with(end), "{said}");
    assert!(said.contains("2026-11-22-000000_create_orders"), "{said}");
}

#[test]
fn a_place_that_can_not_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let place = file.path().display();
    assert_eq!(
        says(&[], &[("DATABASE_URL", &format!("sqlite://{place}/orders.db"))]),
        format!(
            "orders: the database could not be used: cannot open the SQLite database {place}/orders.db: cannot create the \
             directory {place}: File exists (os error 17); check that its directory exists, that this user may write to \
             both and that the disk is not full (database.url)\n"
        )
    );
    assert_eq!(
        says(&[], &[("DATABASE_URL", "sqlite:///proc/orders.db")]),
        "orders: the database could not be used: cannot open the SQLite database /proc/orders.db: unable to open database \
         file; check that its directory exists, that this user may write to both and that the disk is not full \
         (database.url)\n"
    );
}

#[test]
fn broken_toml_is_told_with_line_column_and_as_much_of_the_line_as_is_no_secret() {
    let said = says(&[("default.toml", "[server]\nport = 80 80\n")], &[("PORT", "")]);
    let start = "orders: the configuration has 1 problem:\n  config/default.toml:2: is not TOML at column ";
    assert!(said.starts_with(start) && said.ends_with("; the line is `port = 80 80`\n"), "{said}");
    let secret = says(&[("default.toml", "[service]\nsecret_key = hunter2\n")], &[]);
    assert!(
        secret.ends_with("; the line is `secret_key = ***`\n") && !secret.contains("hunter2"),
        "{secret}"
    );
}
