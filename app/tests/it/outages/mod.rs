//! What the service leans on goes away under load, silently or at once, and comes back: nobody is refused meanwhile, and what
//! had to wait is done. How soon is printed (`--nocapture`).

mod gateway;
mod load;
mod servers;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use spanbox::data::{Conn, DbError};
use spanbox::query;
use spanbox::testing::{Process, TestDatabase};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::stored::Records;
use load::{Answer, Load};

/// Long, since nothing but a failing test ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Answers while something is away, at least.
const MEANWHILE: usize = 160;

/// How something goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// It is there and answers nothing, and its connections stay.
    Silent,
    /// It is killed: nobody listens any more.
    Killed,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "silent",
            Self::Killed => "killed",
        })
    }
}

/// The service as a process that looks for jobs often.
fn serve(directory: &Path, database: &TestDatabase, environment: &[(&str, &str)]) -> Process {
    Process::start(
        crate::process::orders(directory)
            .envs([
                ("PORT", "0"),
                ("APP_MANAGEMENT__PORT", "0"),
                ("DATABASE_URL", database.url()),
                ("APP_JOBS__POLL_INTERVAL", "100ms"),
            ])
            .envs(environment.iter().copied()),
    )
}

/// Places the orders that the load reads.
fn place_some(process: &Process) {
    for _ in 0..3 {
        let answer = process.post("/api/orders/", r#"{"product_name":"Widget","amount":"9.99"}"#);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let mut again = interval(Duration::from_millis(50));
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let happened = async {
        while !so().await {
            again.tick().await;
        }
    };
    timeout(PATIENCE, happened).await.unwrap_or_else(|_| panic!("it never happened: {what}"));
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// What the database counts. It only reads: whoever looks again and again with the lock of a writer keeps the service from
/// its work.
async fn count(records: &Records, sql: String) -> i64 {
    let read = records
        .db()
        .read(async move |conn: &mut Conn| query!(conn, c => sql_query(sql).get_result::<Number>(c).await));
    read.await.map_err(|error: DbError| error.to_string()).unwrap().number
}

/// The newest order.
async fn newest(records: &Records) -> i64 {
    count(records, "SELECT COALESCE(MAX(id), 0) AS number FROM orders".to_owned()).await
}

/// How many orders are not completed, up to this one.
async fn unfinished(records: &Records, up_to: i64) -> i64 {
    let sql = format!("SELECT COUNT(*) AS number FROM orders WHERE status <> 'completed' AND id <= {up_to}");
    count(records, sql).await
}

/// How often it has said something in its log.
fn said(process: &Process, text: &str) -> usize {
    process.log().matches(text).count()
}

/// What one outage was like.
struct Seen {
    of: &'static str,
    outage: Outage,
    answers: Vec<Answer>,
    back: Instant,
    /// What was as before how long after it was back, in order.
    recovered: Vec<(&'static str, Duration)>,
}

impl Seen {
    fn recovers(&mut self, what: &'static str) {
        self.recovered.push((what, self.back.elapsed()));
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, outage, answers, recovered, .. } = self;
        let slowest = answers.iter().map(|answer| answer.took).max().unwrap_or_default();
        write!(
            f,
            "{of}, {outage}: {} answers meanwhile, the slowest after {slowest:.0?}; back:",
            answers.len()
        )?;
        recovered.iter().try_for_each(|(what, after)| write!(f, " {what} after {after:.1?},"))
    }
}

/// Each was answered as if nothing had happened; gives how many orders were placed.
fn all_are_right(answers: &[Answer]) -> usize {
    let wrong: Vec<_> =
        answers.iter().filter(|answer| !answer.is_right()).map(Answer::shown).take(5).collect();
    assert!(wrong.is_empty(), "of {} answers these are not right: {wrong:#?}", answers.len());
    answers.iter().filter(|answer| answer.is_order()).count()
}

/// Ends the load and the service, and tells what was seen.
fn end(process: Process, seen: &[Seen]) {
    let (status, log) = process.terminate(PATIENCE);
    assert!(status.success(), "{log}");
    for seen in seen {
        println!("{seen}");
    }
}
