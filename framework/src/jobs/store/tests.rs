//! How SQLite runs the statements over a table of 100,000 jobs: nowhere does it scan the table or sort what it found
//! there.

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::Text;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, debug_query, sql_query};

use super::statement::{Sql, Statement, sql};
use super::{insert, lease, list, look, manage, pick, rate, schedule, settle};

const FILL: &str = "\
    WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 100000) \
    INSERT INTO spanbox_jobs (queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at) \
    SELECT 'notes', 'note', '{}', CASE WHEN n % 2 = 0 THEN 'available' ELSE 'completed' END, n % 10, n, 9, 1, \
        CASE WHEN n % 2 = 1 THEN n END FROM n; \
    ANALYZE;";

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn plan<S: Statement>(raw: &mut SqliteConnection, statement: &Sql<S>) -> Vec<String> {
    let text = debug_query::<Sqlite, _>(statement).to_string();
    let text = text.split(" -- binds:").next().unwrap();
    let steps: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(raw).unwrap();
    steps.into_iter().map(|step| step.detail).collect()
}

#[test]
fn no_statement_scans_the_table() {
    let mut raw = SqliteConnection::establish(":memory:").unwrap();
    raw.batch_execute(include_str!("../../../migrations/sqlite/00000000000001_spanbox_jobs/up.sql")).unwrap();
    // Without statistics, as a database is that nobody analyzed, and with them.
    for statistics in [false, true] {
        if statistics {
            raw.batch_execute(FILL).unwrap();
        }
        let rows = "[]";
        let plans = [
            ("insert", plan(&mut raw, &sql::<insert::Insert>().text(rows))),
            (
                "insert one",
                plan(
                    &mut raw,
                    &sql::<insert::InsertOne>()
                        .text("q")
                        .text("k")
                        .text("{}")
                        .number(1)
                        .number(1)
                        .number(0)
                        .number(0)
                        .number(0)
                        .text("key")
                        .text("key")
                        .number(0)
                        .number(0)
                        .text("")
                        .text("")
                        .text("")
                        .text(""),
                ),
            ),
            ("holders", plan(&mut raw, &sql::<insert::Holders>().text(rows))),
            ("expire", plan(&mut raw, &sql::<insert::Expire>().text(rows))),
            ("lease", plan(&mut raw, &sql::<lease::Lease>().text("w").number(1).text("q").number(1))),
            (
                "lease suspects",
                plan(
                    &mut raw,
                    &sql::<lease::LeaseSuspects>()
                        .text("q")
                        .number(1)
                        .number(1)
                        .number(1)
                        .text("w")
                        .number(1),
                ),
            ),
            ("suspect", plan(&mut raw, &sql::<lease::Suspect>().text("q"))),
            ("busy", plan(&mut raw, &sql::<rate::Busy>().text("q"))),
            ("last ticks", plan(&mut raw, &sql::<schedule::Ticks>().text(rows))),
            ("begin", plan(&mut raw, &sql::<schedule::Begin>().text(rows))),
            ("advance", plan(&mut raw, &sql::<schedule::Advance>().number(1).text("s").number(1))),
            ("spend", plan(&mut raw, &sql::<rate::Spend>().number(1).text("q"))),
            ("heartbeat", plan(&mut raw, &sql::<lease::Heartbeat>().text(rows).number(1))),
            ("rescue", plan(&mut raw, &sql::<lease::Rescue>().number(1).number(1))),
            ("complete", plan(&mut raw, &sql::<settle::Complete>().text(rows))),
            ("settle", plan(&mut raw, &sql::<settle::Settle>().text(rows))),
            ("cancel", plan(&mut raw, &sql::<manage::Cancel>().number(1))),
            ("retry", plan(&mut raw, &sql::<manage::Retry>().number(1))),
            ("discard", plan(&mut raw, &sql::<manage::Discard>().number(1))),
            ("prune", plan(&mut raw, &sql::<manage::Prune>().text("s").text("q").number(1).number(1))),
            ("ended queues", plan(&mut raw, &sql::<look::EndedQueues>().text("s").text("s"))),
            ("waiting queues", plan(&mut raw, &sql::<look::WaitingQueues>())),
            ("running queues", plan(&mut raw, &sql::<look::RunningQueues>())),
            ("count ended", plan(&mut raw, &sql::<look::CountEnded>().text("s").text("q").number(1))),
            ("count waiting", plan(&mut raw, &sql::<look::CountWaiting>().text("q").number(1))),
            ("count running", plan(&mut raw, &sql::<look::CountRunning>().text("q").number(1))),
            ("ready", plan(&mut raw, &sql::<look::Ready>().text("q").text("q").number(1))),
            ("get", plan(&mut raw, &sql::<list::One>().number(1))),
            (
                "waiting",
                plan(&mut raw, &sql::<list::Waiting>().text("q").number(1).number(1).number(1).number(1)),
            ),
            ("running", plan(&mut raw, &sql::<list::Running>().text("q").number(1).number(1))),
            (
                "pick",
                plan(
                    &mut raw,
                    &sql::<pick::Pick>()
                        .text("s")
                        .text("q")
                        .number(1)
                        .number(1)
                        .number(1)
                        .number(1)
                        .number(1),
                ),
            ),
            (
                "ended",
                plan(
                    &mut raw,
                    &sql::<list::Ended>().text("s").text("q").number(1).number(1).number(1).number(1),
                ),
            ),
        ];
        for (name, steps) in plans {
            println!("{name}: {}", steps.join("; "));
            for step in &steps {
                let whole = ["SCAN spanbox_jobs", "SCAN spanbox_schedules", "SCAN j "]
                    .iter()
                    .any(|scan| step.starts_with(scan))
                    || step == "SCAN j";
                // Who asks for the running jobs, of which there are few, may read them all.
                let few = name.contains("running") && step.contains("spanbox_jobs_leased");
                assert!(!whole || few, "{name}: {step}");
            }
            let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            let may_sort =
                ["insert", "begin", "expire", "heartbeat", "complete", "settle", "running", "running queues"]
                    .contains(&name);
            assert!(!sorts || may_sort, "{name}: {steps:?}");
        }
    }
}
