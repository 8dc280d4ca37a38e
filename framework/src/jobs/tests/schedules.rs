//! Schedules: a job for each tick, whoever is there to enqueue it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use diesel::sql_types::Text;
use tokio::time::timeout;

use super::stage::{SOON, settings};
use super::*;
use crate::actor::Actors;
use crate::jobs::{Kinds, Runner, Schedule};

on_both!(
    each_tick_has_one_job_whichever_of_four_processes_is_first,
    whoever_dies_is_replaced_and_no_tick_is_lost_or_doubled,
    a_new_schedule_begins_now,
    of_missed_ticks_those_within_the_catch_up_have_their_jobs_and_the_latest_older_one,
    a_changed_expression_goes_on_from_the_last_tick,
    a_tick_that_is_rolled_back_is_enqueued_all_the_same,
    a_schedule_that_fails_does_not_hold_up_the_others,
    a_clock_that_was_set_back_repeats_nothing_and_stops_nothing,
    a_stop_of_leasing_ends_the_schedules,
);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tick {
    at: DateTime<Utc>,
    padding: String,
}

impl Job for Tick {
    const NAME: &'static str = "tick";
    const QUEUE: &'static str = "ticks";
    type State = ();

    async fn run(self, (): (), _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

pub(super) const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 3600 * SECOND;

pub(super) fn schedule(expression: &str, padding: fn() -> String) -> Schedule {
    Schedule::new(expression, move |at| Tick { at, padding: padding() })
}

/// Catches up with whatever a test leaves behind.
pub(super) fn every_second() -> Schedule {
    schedule("* * * * * *", String::new).catch_up(Duration::from_secs(24 * 3600))
}

/// A process that keeps schedules and runs no jobs.
pub(super) struct Keeper {
    runner: Runner,
    actors: Actors,
}

impl Keeper {
    pub(super) fn start(
        db: &Db,
        telemetry: &Telemetry,
        schedules: impl IntoIterator<Item = Schedule>,
    ) -> Self {
        let mut kinds = Kinds::default();
        for schedule in schedules {
            kinds.schedule(schedule).unwrap();
        }
        let actors = Actors::new(telemetry.clone());
        let runner = Runner::start(db.clone(), &actors, telemetry, settings(), kinds, None).unwrap();
        Self { runner, actors }
    }

    fn keep(fixture: &Fixture, schedule: Schedule) -> Self {
        Self::start(&fixture.db, &Telemetry::disabled(), [schedule])
    }

    pub(super) async fn end(mut self) {
        let deadline = Instant::now() + SOON;
        let _ = self.runner.drain(deadline).await;
        assert_eq!(self.actors.drain(deadline).await.unresponsive, Vec::<String>::new());
        self.runner.close();
    }

    /// Its threads end where they stand.
    fn die(self) {
        self.runner.close();
    }
}

#[derive(QueryableByName)]
struct Payload {
    #[diesel(sql_type = Text)]
    payload: String,
}

impl Fixture {
    /// When the ticks were that have jobs, in seconds, in order.
    pub(super) async fn ticks(&self) -> Vec<i64> {
        let read = async |conn: &mut Conn| {
            let all = sql_query("SELECT payload FROM spanbox_jobs WHERE kind = 'tick'");
            query!(conn, c => all.load::<Payload>(c).await)
        };
        let rows: Result<_, DbError> = self.db.read(read).await;
        let mut ticks: Vec<_> = rows
            .unwrap()
            .into_iter()
            .map(|row| serde_json::from_str::<Tick>(&row.payload).unwrap().at.timestamp())
            .collect();
        ticks.sort_unstable();
        ticks
    }

    /// Waits until so many ticks have jobs, and this one.
    pub(super) async fn ticked(&self, count: usize, at: i64) -> Vec<i64> {
        let wanted = i64::try_from(count).unwrap();
        let reached = async {
            loop {
                // All that they are is more than is asked for again and again, beside those who make them.
                if self.number("SELECT COUNT(*) AS number FROM spanbox_jobs WHERE kind = 'tick'").await
                    < wanted
                {
                    continue;
                }
                let ticks = self.ticks().await;
                if ticks.last() >= Some(&at) {
                    return ticks;
                }
            }
        };
        timeout(SOON, reached).await.unwrap_or_else(|_| panic!("there are no {count} ticks"))
    }

    pub(super) async fn last_tick(&self, schedule: &str) -> i64 {
        let sql = format!(
            "SELECT COALESCE(MAX(last_tick), 0) AS number FROM spanbox_schedules WHERE name = '{schedule}'"
        );
        self.number(&sql).await
    }

    pub(super) async fn has_begun(&self, schedule: &str) -> i64 {
        let begun = async {
            loop {
                match self.last_tick(schedule).await {
                    0 => {}
                    last => return last,
                }
            }
        };
        timeout(SOON, begun).await.expect("the schedule does not begin")
    }

    /// A schedule whose last tick was so long ago, in microseconds; then tells when that was.
    pub(super) async fn missed(&self, schedule: &str, ago: i64) -> i64 {
        let last = self.clock().await - ago;
        self.sql(format!("INSERT INTO spanbox_schedules (name, last_tick) VALUES ('{schedule}', {last})"))
            .await;
        last
    }
}

/// Each second has one tick, from the one after `last` on.
pub(super) fn assert_each_once(ticks: &[i64], last: i64) {
    let first = last.div_euclid(SECOND) + 1;
    for (place, tick) in ticks.iter().enumerate() {
        let expected = first + i64::try_from(place).unwrap();
        assert_eq!(*tick, expected, "after {place} ticks, one is lost (or there twice, if it is less)");
    }
}

async fn each_tick_has_one_job_whichever_of_four_processes_is_first(fixture: Fixture) {
    let last = fixture.missed("tick", 600 * SECOND).await;
    let keepers: Vec<_> = (0..4).map(|_| Keeper::keep(&fixture, every_second())).collect();
    // The first of them are caught up with, the others come while they run.
    let live = fixture.clock().await / SECOND + 3;
    fixture.ticked(600, live).await;
    for keeper in keepers {
        keeper.end().await;
    }
    assert_each_once(&fixture.ticks().await, last);
}

async fn whoever_dies_is_replaced_and_no_tick_is_lost_or_doubled(fixture: Fixture) {
    let last = fixture.missed("tick", 500 * SECOND).await;
    let mut keepers = std::collections::VecDeque::new();
    for generation in 0..10 {
        keepers.push_back(Keeper::keep(&fixture, every_second()));
        fixture.ticked(generation * 50 + 7 * generation % 10, 0).await;
        if keepers.len() > 2 {
            keepers.pop_front().unwrap().die();
        }
    }
    keepers.drain(..).for_each(Keeper::die);
    let survivor = Keeper::keep(&fixture, every_second());
    let live = fixture.clock().await / SECOND + 1;
    fixture.ticked(500, live).await;
    survivor.end().await;
    assert_each_once(&fixture.ticks().await, last);
}

async fn a_new_schedule_begins_now(fixture: Fixture) {
    let before = fixture.clock().await;
    let keeper = Keeper::keep(&fixture, every_second());
    let begun = fixture.has_begun("tick").await;
    fixture.ticked(2, 0).await;
    keeper.end().await;
    let after = fixture.clock().await;
    assert!((before..=after).contains(&begun), "{before} {begun} {after}");
    let ticks = fixture.ticks().await;
    assert!(ticks[0] * SECOND > before, "nothing is caught up with from before it began");
    assert_each_once(&ticks, ticks[0] * SECOND - 1);
}

async fn of_missed_ticks_those_within_the_catch_up_have_their_jobs_and_the_latest_older_one(
    fixture: Fixture,
) {
    // Years are long enough that no tick comes while the test runs.
    let yearly = |catch_up: i64| {
        let catch_up = Duration::from_micros(catch_up.unsigned_abs());
        schedule("0 0 1 1 *", String::new).name(format!("within-{}", catch_up.as_secs())).catch_up(catch_up)
    };
    let (last, now) = (fixture.clock().await - 1500 * DAY, fixture.clock().await);
    let year = DateTime::from_timestamp_micros(now).unwrap().year();
    let all: Vec<i64> = (year - 5..=year)
        .map(|year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc())
        .map(|tick| tick.timestamp())
        .filter(|tick| tick * SECOND > last)
        .collect();
    for catch_up in [0, 60 * SECOND, 500 * DAY, 1000 * DAY, 5000 * DAY] {
        let name = format!("within-{}", catch_up / SECOND);
        fixture.missed(&name, 1500 * DAY).await;
        fixture.sql("DELETE FROM spanbox_jobs").await;
        let keeper = Keeper::keep(&fixture, yearly(catch_up));
        let latest = *all.last().unwrap();
        let ticks = fixture.ticked(1, latest).await;
        keeper.end().await;
        assert_eq!(fixture.last_tick(&name).await, latest * SECOND);
        let (older, within): (Vec<i64>, Vec<i64>) =
            all.iter().partition(|tick| **tick * SECOND < now - catch_up);
        let expected: Vec<i64> = older.last().copied().into_iter().chain(within).collect();
        assert_eq!(ticks, expected, "{name}");
    }
}

async fn a_changed_expression_goes_on_from_the_last_tick(fixture: Fixture) {
    let old = Keeper::keep(&fixture, schedule("0 0 1 1 *", String::new));
    fixture.has_begun("tick").await;
    old.end().await;
    fixture.sql(format!("UPDATE spanbox_schedules SET last_tick = last_tick - {}", 30 * SECOND)).await;
    let last = fixture.last_tick("tick").await;
    let new = Keeper::keep(&fixture, every_second());
    fixture.ticked(30, 0).await;
    new.end().await;
    assert_each_once(&fixture.ticks().await, last);
}

async fn a_tick_that_is_rolled_back_is_enqueued_all_the_same(fixture: Fixture) {
    let last = fixture.missed("tick", 5 * SECOND).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let fails_at_first = Schedule::new("* * * * * *", move |at| {
        // Too large for the policy, which is found in the unit of work, once the schedule was moved.
        let padding = match count.fetch_add(1, Ordering::AcqRel) {
            0 | 2 => "x".repeat(100_000),
            3 => panic!("no job today"),
            _ => String::new(),
        };
        Tick { at, padding }
    });
    let keeper = Keeper::keep(&fixture, fails_at_first);
    fixture.ticked(5, 0).await;
    keeper.end().await;
    assert_each_once(&fixture.ticks().await, last);
    assert!(AtomicUsize::load(&tries, Ordering::Acquire) >= 8);
}

async fn a_schedule_that_fails_does_not_hold_up_the_others(fixture: Fixture) {
    let last = fixture.missed("broken", 5 * SECOND).await;
    let broken = Schedule::new("* * * * * *", |_| -> Tick { panic!("no job ever") }).name("broken");
    let keeper = Keeper::start(&fixture.db, &Telemetry::disabled(), [broken, every_second()]);
    fixture.ticked(2, 0).await;
    assert_eq!(fixture.last_tick("broken").await, last);
    keeper.end().await;
}

async fn a_clock_that_was_set_back_repeats_nothing_and_stops_nothing(fixture: Fixture) {
    let hour_ahead = fixture.missed("hour", -3600 * SECOND).await;
    fixture.missed("year", -365 * DAY).await;
    let began = fixture.clock().await / SECOND;
    let stands_still =
        Schedule::new("* * * * * *", |_| Tick { at: DateTime::UNIX_EPOCH, padding: String::new() });
    let schedules = [stands_still.name("hour"), every_second().name("year")];
    let keeper = Keeper::start(&fixture.db, &Telemetry::disabled(), schedules);
    let ticks = fixture.ticked(2, 0).await;
    keeper.end().await;
    assert_eq!(fixture.last_tick("hour").await, hour_ahead);
    assert!(ticks[0] >= began, "{ticks:?} from {began}");
    assert_each_once(&ticks, ticks[0] * SECOND - 1);
}

async fn a_stop_of_leasing_ends_the_schedules(fixture: Fixture) {
    let stopped = Keeper::keep(&fixture, every_second());
    fixture.ticked(1, 0).await;
    stopped.runner.stop_leasing();
    let stopped_at = fixture.clock().await;
    // Its actors are there still.
    let goes_on = Keeper::keep(&fixture, every_second().name("other"));
    let later = async { while fixture.last_tick("other").await < stopped_at + 2 * SECOND {} };
    timeout(SOON, later).await.expect("the other schedule stops too");
    assert!(fixture.last_tick("tick").await <= stopped_at);
    stopped.end().await;
    goes_on.end().await;
}
