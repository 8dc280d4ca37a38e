//! Two services, built, linted, tested and run as their users would; the others differ from these in what is left out. Both
//! have parts that `spanbox generate` writes: one of each between them, and resources of every type.
//!
//! They lie below the target directory and are compiled into it, and ask for every feature of spanbox, as the tests of this
//! repository do: so what those have compiled is there, and only the services and spanbox are to be compiled. With
//! `SCAFFOLD=full` they ask for what `spanbox new` lets them ask for, which compiles most dependencies again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use spanbox::testing::{PgServer, PgServerError, Process};

use crate::{compiled, new, redis, root, spanbox};

/// One of each part, and resources of every type; beside those of the tutorial.
const PARTS: &[&str] = &[
    "resource InvoiceLine article:string:unique words:text count:int:index large:bigint paid:bool share:float \
     price:money day:date at:datetime key:uuid:unique",
    "resource Maybe article:string?:unique words:text? count:int?:index large:bigint? paid:bool? share:float? \
     price:money? day:date? at:datetime? key:uuid?",
    "resource Receipt reference:string note:references invoice:references? line:references?:invoice_lines",
    "resource Flag raised:bool",
    "module reports",
    "job SendReminder --queue mails",
    "job CleanUp --module notes",
    "actor Mailer",
    "actor Tally --module notes",
    "extension SmsGateway",
    "migration nothing_yet",
];

fn is_full() -> bool {
    std::env::var("SCAFFOLD").as_deref() == Ok("full")
}

/// A private server of PostgreSQL where that is installed.
fn postgres() -> Option<PgServer> {
    match PgServer::start() {
        Ok(server) => Some(server),
        Err(PgServerError::NotInstalled) => None,
        Err(error) => panic!("{error}"),
    }
}

/// A service on its way.
struct Built {
    name: &'static str,
    directory: PathBuf,
    target: PathBuf,
}

impl Built {
    /// Writes a service, with the versions of this repository.
    fn new(name: &'static str, options: &[&str]) -> Self {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let directory = temporary.join("scaffold").join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        new(temporary, &[&[name, "--yes", "--path", directory.to_str().unwrap()][..], options].concat());
        fs::copy(root().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
        if !is_full() {
            compiled::take(&directory);
        }
        Self { name, directory, target: temporary.parent().unwrap().to_owned() }
    }

    fn cargo(&self, words: &[&str], environment: &[(&str, &str)]) {
        let started = Instant::now();
        let output = compiled::cargo()
            .args(words)
            .current_dir(&self.directory)
            .env("CARGO_TARGET_DIR", &self.target)
            .env_remove("DATABASE_URL")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: cargo {}:\n{told}\n{errors}", self.name, words.join(" "));
        println!("{}: cargo {}: {:.1?}", self.name, words.join(" "), started.elapsed());
    }

    /// Writes a part of it.
    fn generate(&self, part: &str) {
        let words: Vec<_> = ["generate"].into_iter().chain(part.split(' ')).collect();
        let output = spanbox(&self.directory, &words);
        assert!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The program that was built.
    fn program(&self) -> PathBuf {
        self.target.join("debug").join(self.name)
    }

    fn check(&self, environment: &[(&str, &str)]) {
        self.cargo(&["fmt", "--check"], &[]);
        self.cargo(&["clippy", "--offline", "--all-targets", "--", "-D", "warnings"], &[]);
        self.cargo(&["test", "--offline"], environment);
    }
}

/// As it is, and with one of each part on each database that there is.
#[test]
fn the_default_passes_its_checks_and_runs() {
    let shop = Built::new("shop", &[]);
    shop.check(&[]);
    let data = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", data.path().join("shop.db").display());
    runs(&shop, &url);
    the_tutorial_goes_on(&shop, &url);
    for part in PARTS {
        shop.generate(part);
    }
    shop.check(&[]);
    if let Some(server) = postgres().filter(|_| !is_full()) {
        shop.cargo(&["test", "--offline", "--tests"], &[("DATABASE_URL", &server.url())]);
    }
}

/// Its example does what it says, and it stops in order.
fn runs(shop: &Built, url: &str) {
    let service =
        Process::start(Command::new(shop.program()).current_dir(&shop.directory).env_clear().envs([
            ("PORT", "0"),
            ("APP_MANAGEMENT__PORT", "0"),
            ("DATABASE_URL", url),
        ]));
    let stored = service.post("/api/notes/", r#"{"title":"Bread","body":"Flour and water"}"#);
    assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = service.get("/api/notes/1");
        let note: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        if note["words"] == 3 {
            break;
        }
        assert!(note["words"].is_null() && Instant::now() < deadline, "{note}");
    }
    let (status, log) = service.terminate(Duration::from_secs(20));
    assert!(status.success(), "{status}: {log}");
}

/// The commands of the tutorial that write parts or look at the service do so, in their order.
fn the_tutorial_goes_on(shop: &Built, url: &str) {
    let page = fs::read_to_string(root().join("docs/TUTORIAL.md")).unwrap();
    let blocks = page.split("```sh shop\n").skip(1).filter_map(|rest| rest.split("```").next());
    let (mut parts, mut looks) = (0, 0);
    for line in blocks.flat_map(str::lines) {
        if let Some(part) = line.strip_prefix("spanbox generate ") {
            shop.generate(part);
            parts += 1;
        } else if let Some(words) = line.strip_prefix("cargo run -- ") {
            let mut command = Command::new(shop.program());
            command.args(words.split(' ')).current_dir(&shop.directory).env_clear();
            let output = command.env("DATABASE_URL", url).output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            looks += 1;
        }
    }
    assert!(parts >= 4 && looks >= 4, "{parts} parts and {looks} looks");
    assert!(shop.directory.join("src/invoices/remind.rs").is_file(), "the tutorial has another job now");
}

/// On PostgreSQL where it is installed, else on SQLite; with parts that are for who has signed in, that refer to users, and
/// that Redis hands out.
#[test]
fn one_with_accounts_on_postgresql_and_redis_passes_its_checks_and_runs() {
    let till = Built::new("till", &["--auth", "--database", "postgres", "--jobs", "redis"]);
    till.generate("resource Invoice number:string:unique amount:money user:references");
    till.generate("resource InvoiceLine text:string invoice:references author:references?:users");
    till.generate("resource Offer text:string --public");
    till.generate("resource Remark text:string note:references");
    till.generate("module reports");
    till.generate("module prices --public");
    till.generate("job SendReminder --queue mails");
    let data = tempfile::tempdir().unwrap();
    let server = postgres();
    let url = match &server {
        Some(server) => server.url(),
        None => format!("sqlite://{}", data.path().join("till.db").display()),
    };
    let on_the_server = [("DATABASE_URL", url.as_str())];
    till.check(if server.is_some() { &on_the_server } else { &[] });
    redis::words_are_counted_by_another_process(&till.program(), &till.directory, &url);
}
