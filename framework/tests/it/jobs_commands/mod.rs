//! The commands about jobs, as an operator calls them.

mod deciding;
mod looking;
mod troubles;

use std::sync::OnceLock;
use std::time::Duration;

use diesel::sql_query;
use diesel_async::RunQueryDsl as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spanbox::app::Service;
use spanbox::cli::execute;
use spanbox::data::{Conn, Db, query};
use spanbox::jobs::store::{self, Then};
use spanbox::jobs::{self, Enqueue, Job, JobContext, JobError, JobsError, State};
use spanbox::telemetry::Telemetry;
use spanbox::testing::{PgServer, TestDatabase};

/// What a terminal would act on.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\u{202e}";

/// Writes each test once and runs it on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(&super::Shop::new(super::super::on_sqlite())); })+
        }
        mod postgres {
            $(
                #[test]
                #[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
                fn $name() { super::$name(&super::Shop::new(super::super::on_postgres())); }
            )+
        }
    };
}
use on_both;

#[derive(Serialize, Deserialize)]
struct Bill {
    order: i64,
    to: String,
}

impl Job for Bill {
    const NAME: &'static str = "bill";
    const QUEUE: &'static str = "bills";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

fn bill(order: i64) -> Enqueue<Bill> {
    Enqueue::new(Bill { order, to: format!("ada@example.org{HOSTILE}") })
}

fn on_sqlite() -> TestDatabase {
    TestDatabase::sqlite()
}

fn on_postgres() -> TestDatabase {
    static SERVER: OnceLock<PgServer> = OnceLock::new();
    let url = SERVER.get_or_init(|| PgServer::start().unwrap()).url().to_owned();
    wait(TestDatabase::create(url)).unwrap()
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(work)
}

/// A service with a table of jobs.
struct Shop {
    database: TestDatabase,
}

/// What a command said and how it ended.
#[derive(Debug)]
struct Told {
    code: u8,
    out: String,
    err: String,
}

impl Told {
    /// What it wrote when all went well, of which a terminal acts on nothing.
    fn well(self) -> String {
        assert!(self.code == 0 && self.err.is_empty(), "{self:?}");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!self.out.contains(acts), "{self:?}");
        self.out
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.well()).unwrap()
    }

    /// What it complained of.
    fn failed(self, code: u8) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.err
    }
}

impl Shop {
    fn new(database: TestDatabase) -> Self {
        let shop = Self { database };
        shop.run("migrate up").well();
        shop
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("DATABASE_URL", self.database.url().to_owned()), ("LOG_LEVEL", "off".to_owned())]
    }

    fn run(&self, words: &str) -> Told {
        run_in(self.environment(), words)
    }

    /// Works on the database, past the commands.
    fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> AsyncFnOnce(&'c mut Conn) -> Result<T, JobsError> + Send + 'static,
    ) -> T {
        wait(async {
            let db = Db::connect(&self.database.settings(), &Telemetry::disabled()).await.unwrap();
            let done = db.write(work).await.unwrap();
            let _ = db.close(Duration::from_secs(5)).await;
            done
        })
    }

    fn sql(&self, sql: &'static str) {
        self.write(async move |conn: &mut Conn| Ok(query!(conn, c => sql_query(sql).execute(c).await)?));
    }

    /// A job in a state.
    fn job(&self, state: State, job: Enqueue<Bill>) -> i64 {
        self.write(async move |conn: &mut Conn| {
            let id = job.queue("only").enqueue(conn).await?.id;
            if state == State::Available {
                let sql = format!("UPDATE spanbox_jobs SET queue = 'bills' WHERE id = {id}");
                query!(conn, c => sql_query(sql).execute(c).await)?;
                return Ok(id);
            }
            let leased = store::lease(conn, "only", 1, "host:1:abc", Duration::from_secs(600)).await?;
            let held = leased[0].held();
            let error = format!("gateway {HOSTILE}said no\nin many words: {}", "no ".repeat(40));
            match state {
                State::Dead => drop(store::fail(conn, held, &error, Then::GiveUp).await?),
                State::Parked => drop(store::fail(conn, held, &error, Then::Park).await?),
                State::Completed => drop(store::complete(conn, &[held]).await?),
                State::Cancelled => {
                    store::cancel(conn, id).await?;
                    store::release(conn, &[held]).await?;
                }
                _ => {}
            }
            let sql = format!("UPDATE spanbox_jobs SET queue = 'bills' WHERE id = {id}");
            query!(conn, c => sql_query(sql).execute(c).await)?;
            Ok(id)
        })
    }

    fn state(&self, id: i64) -> State {
        self.write(async move |conn: &mut Conn| Ok(store::get(conn, id).await?.unwrap().state()?))
    }
}

fn run_in(environment: Vec<(&'static str, String)>, words: &str) -> Told {
    let create_app = |profile: Option<&str>| {
        Service::new("shop", "1.0.0").profile(profile).environment(environment).migrations(&jobs::MIGRATIONS)
    };
    run_service(create_app, words)
}

fn run_service(create_app: impl FnOnce(Option<&str>) -> Service, words: &str) -> Told {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = std::iter::once("shop").chain(words.split_whitespace());
    let code = execute(create_app, words, &mut out, &mut err);
    Told { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}
