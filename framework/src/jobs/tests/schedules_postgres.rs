//! What of schedules can be shown only where the database is a server: that its clock is the one which counts, and that
//! its outage delays ticks and loses none.

use std::time::SystemTime;

use super::schedules::{Keeper, SECOND, assert_each_once, every_second};
use super::*;

mod postgres {
    use super::super::{postgres, run};

    #[test]
    #[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
    fn a_process_whose_clock_is_a_day_off_changes_nothing() {
        run(postgres(), super::a_process_whose_clock_is_a_day_off_changes_nothing);
    }

    #[test]
    #[cfg_attr(not(has_postgres), ignore = "PostgreSQL is not installed")]
    fn an_outage_of_the_database_delays_ticks_and_loses_none() {
        actix_rt::System::new().block_on(super::an_outage_of_the_database_delays_ticks_and_loses_none());
    }
}

/// Every new session finds this function before that of the server.
const A_DAY_AND_AN_HOUR_AHEAD: [&str; 3] = [
    "CREATE SCHEMA ahead",
    "CREATE FUNCTION ahead.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS \
        'SELECT pg_catalog.statement_timestamp() + interval ''25 hours'''",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = ahead, pg_catalog, public', current_database()); END $$",
];

async fn a_process_whose_clock_is_a_day_off_changes_nothing(fixture: Fixture) {
    for statement in A_DAY_AND_AN_HOUR_AHEAD {
        fixture.sql(statement).await;
    }
    let ahead = Db::connect(&fixture.database.settings(), &Telemetry::disabled()).await.unwrap();
    let keeper = Keeper::start(&ahead, &Telemetry::disabled(), [every_second()]);
    let ticks = fixture.ticked(3, 0).await;
    keeper.end().await;
    let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let off = ticks[0] - i64::try_from(here).unwrap();
    assert!((25 * 3600 - 60..=25 * 3600).contains(&off), "{off} s");
    assert_each_once(&ticks, ticks[0] * SECOND - 1);
    let waited = "SELECT MAX(created_at) - MIN(created_at) AS number FROM spanbox_jobs";
    let waited = fixture.number(waited).await;
    assert!(waited >= SECOND, "ticks come at their seconds, not as fast as they can: {waited} µs");
}

async fn an_outage_of_the_database_delays_ticks_and_loses_none() {
    let mut server = PgServer::start().unwrap();
    let fixture = Fixture::new(TestDatabase::create(server.url()).await.unwrap()).await;
    let keeper = Keeper::start(&fixture.db, &Telemetry::disabled(), [every_second()]);
    let before = fixture.ticked(1, 0).await;
    for _ in 0..3 {
        server.restart().unwrap();
    }
    let back = fixture.clock().await / SECOND;
    let ticks = fixture.ticked(2, back + 1).await;
    keeper.end().await;
    assert_eq!(ticks[0], before[0]);
    assert_each_once(&ticks, before[0] * SECOND - 1);
}
