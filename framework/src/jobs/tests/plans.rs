//! What PostgreSQL reads for a statement, also when it plans without knowing the values, as it may from the sixth time
//! on. The plans of SQLite are beside the statements.

use super::store::{Held, Then};
use super::*;

mod postgres {
    #[test]
    #[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
    fn no_statement_reads_more_of_a_larger_table() {
        super::super::run(super::super::postgres(), super::no_statement_reads_more_of_a_larger_table);
    }
}

const FILL: &str = "\
    INSERT INTO spanbox_jobs (queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at, \
        lease_until, unique_key, unique_until, unique_held) \
    SELECT CASE WHEN n % 2 = 0 THEN 'notes' ELSE 'others' END, 'note', '{}', state, n % 10, \
        CASE WHEN n % 100 < 20 THEN 9000000000000000 ELSE n END, 9, 1, \
        CASE WHEN state NOT IN ('available', 'running') THEN n END, CASE state WHEN 'running' THEN 9000000000000000 END, \
        'note:f' || n, 0, state = 'available' \
    FROM (SELECT n, CASE WHEN n % 100 < 40 THEN 'available' WHEN n <= 20000 AND n % 100 = 40 THEN 'running' WHEN n % 100 < 90 \
            THEN 'completed' WHEN n % 100 < 95 THEN 'dead' ELSE 'parked' END AS state \
        FROM generate_series(1, {jobs}) AS n) AS filled";

async fn no_statement_reads_more_of_a_larger_table(fixture: Fixture) {
    // First as a new service has it, whose tables nobody has looked at yet.
    for known in [false, true] {
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let small = rows_read(&fixture, known, mode, 20_000).await;
            let large = rows_read(&fixture, known, mode, 100_000).await;
            for ((name, few), (_, many)) in small.into_iter().zip(large) {
                let told = format!(
                    "{mode}, statistics {known}: {name} reads {few} of 20,000 jobs and {many} of 100,000"
                );
                println!("{told}");
                // Dead entries, and where exactly a range begins, make some difference.
                assert!(many <= few + few / 4 + 200, "{told}");
            }
        }
    }
}

/// Fills the table anew, and tells what each statement reads: a row in an index, its fetch and the row count one each.
async fn rows_read(
    fixture: &Fixture,
    known: bool,
    mode: &'static str,
    jobs: usize,
) -> Vec<(&'static str, i64)> {
    fixture.sql("TRUNCATE spanbox_jobs RESTART IDENTITY").await;
    if !known {
        fixture.write(async move |conn: &mut Conn| planned(conn, mode).await).await;
    }
    fixture.sql(FILL.replace("{jobs}", &jobs.to_string())).await;
    if known {
        fixture.sql("ANALYZE spanbox_jobs").await;
    }
    fixture
        .write(async move |conn: &mut Conn| {
            let set = format!("SET LOCAL plan_cache_mode = {mode}");
            query!(&mut *conn, c => sql_query(set).execute(c).await)?;
            let mut before = read(conn).await?;
            let mut all = Vec::new();
            for name in STATEMENTS {
                // No job waits for these.
                if !known && ["prune", "backlog", "counts", "queues", "list", "pick", "get"].contains(name) {
                    continue;
                }
                one(conn, name).await?;
                let after = read(conn).await?;
                assert_eq!(after.seq_scans, before.seq_scans, "{mode}: {name} reads the whole table");
                all.push((*name, after.rows - before.rows));
                before = after;
            }
            Ok(all)
        })
        .await
}

/// Has the statements that jobs wait for planned while the table is empty, as in a new service.
async fn planned(conn: &mut Conn, mode: &'static str) -> Result<(), JobsError> {
    let set = format!("SET LOCAL plan_cache_mode = {mode}");
    query!(&mut *conn, c => sql_query(set).execute(c).await)?;
    let nobody = [Held { id: 1, token: 1 }];
    assert!(store::lease(conn, "notes", 10, "w1", LEASE).await?.is_empty());
    assert!(store::heartbeat(conn, &nobody, LEASE).await?.is_empty());
    assert!(store::complete(conn, &nobody).await?.is_empty());
    assert!(store::fail(conn, nobody[0], "x", Then::RetryIn(LEASE)).await?.is_none());
    assert_eq!(store::rescue(conn, 10, 3).await?.len(), 0);
    Ok(())
}

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = BigInt)]
    seq_scans: i64,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// What this transaction has read so far.
async fn read(conn: &mut Conn) -> Result<Read, JobsError> {
    let sql = "SELECT SUM(CASE relkind WHEN 'r' THEN pg_stat_get_xact_numscans(oid) ELSE 0 END)::BIGINT AS seq_scans, \
        SUM(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::BIGINT AS rows \
        FROM pg_class WHERE relname LIKE 'spanbox\\_jobs%' AND relkind IN ('r', 'i')";
    Ok(query!(conn, c => sql_query(sql).get_result(c).await)?)
}

const STATEMENTS: &[&str] = &[
    "enqueue",
    "unique",
    "lease",
    "heartbeat",
    "complete",
    "fail",
    "rescue",
    "cancel",
    "retry",
    "discard",
    "prune",
    "backlog",
    "counts",
    "queues",
    "list",
    "pick",
    "get",
];

/// Ten times each.
async fn one(conn: &mut Conn, name: &str) -> Result<(), JobsError> {
    let hour = Duration::from_secs(3600);
    let leased = match name {
        "heartbeat" | "complete" | "fail" => store::lease(conn, "notes", 100, "w1", LEASE).await?,
        _ => Vec::new(),
    };
    for n in 0..10 {
        let held: Vec<_> = leased.iter().skip(n * 10).take(10).map(Leased::held).collect();
        match name {
            "enqueue" => drop(super::super::enqueue_many(conn, (0..10).map(|_| note("x"))).await?),
            "unique" => {
                let _ = note("x").unique(format!("f{}", n * 100 + 1), Duration::ZERO).enqueue(conn).await?;
            }
            "lease" => assert_eq!(store::lease(conn, "notes", 10, "w1", LEASE).await?.len(), 10),
            "heartbeat" => assert_eq!(store::heartbeat(conn, &held, LEASE).await?.len(), 10),
            "complete" => assert_eq!(store::complete(conn, &held).await?.len(), 10),
            "fail" => assert!(store::fail(conn, held[0], "x", Then::RetryIn(hour)).await?.is_some()),
            "rescue" => assert_eq!(store::rescue(conn, 10, 3).await?.len(), 0),
            "cancel" => {
                let _ = store::cancel(conn, 5_000).await?;
            }
            "retry" => {
                let _ = store::retry(conn, 5_093).await?;
            }
            "discard" => {
                let _ = store::discard(conn, 5_094).await?;
            }
            "prune" => assert_eq!(store::prune(conn, State::Completed, hour, 10).await?, 10),
            "backlog" if n == 0 => assert!(store::backlog(conn, "notes", 100).await?.due >= 500),
            "counts" if n == 0 => drop(store::counts(conn, 100).await?),
            "queues" if n == 0 => drop(store::queues(conn, State::Dead).await?),
            "list" if n < 6 => {
                assert!(store::list(conn, State::ALL[n], Some("notes"), None, 10).await?.len() <= 10)
            }
            "pick" => {
                assert_eq!(store::pick(conn, State::Dead, "notes", i64::MAX, None, 10).await?.len(), 10);
            }
            "get" => assert!(store::get(conn, 7_777).await?.is_some()),
            _ => {}
        }
    }
    Ok(())
}
