use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use super::*;

fn timetable(expression: &str, timezone: &str) -> Timetable {
    Timetable::new(expression, timezone, Duration::from_secs(60)).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The ticks after one time and up to another.
fn ticks(expression: &str, timezone: &str, after: &str, until: &str) -> Vec<String> {
    let (timetable, until) = (timetable(expression, timezone), at(until));
    let first = timetable.next_after(at(after));
    std::iter::successors(first, |tick| timetable.next_after(*tick))
        .take_while(|tick| *tick <= until)
        .map(|tick| tick.format("%d %H:%M").to_string())
        .collect()
}

#[test]
fn a_time_of_day_comes_once_on_the_days_on_which_clocks_are_changed() {
    // At 2:00 it is 3:00, which is 1:00 in UTC: there is no 2:30.
    let gap = ticks("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(gap, ["28 01:30", "29 01:00", "30 00:30"]);
    // At 3:00 it is 2:00 again, which is 1:00 in UTC: there are two 2:30, and the first is at 0:30 in UTC.
    let overlap = ticks("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(overlap, ["24 00:30", "25 00:30", "26 01:30"]);
}

#[test]
fn what_comes_more_than_once_a_day_follows_the_clock() {
    let gap = |expression| ticks(expression, "Europe/Berlin", "2026-03-29T00:10:00Z", "2026-03-29T02:10:00Z");
    let overlap =
        |expression| ticks(expression, "Europe/Berlin", "2026-10-24T23:10:00Z", "2026-10-25T02:10:00Z");
    assert_eq!(gap("*/30 * * * *"), ["29 00:30", "29 01:00", "29 01:30", "29 02:00"]);
    assert_eq!(gap("30 2,4 * * *"), Vec::<String>::new());
    assert_eq!(
        overlap("*/30 * * * *"),
        ["24 23:30", "25 00:00", "25 00:30", "25 01:00", "25 01:30", "25 02:00"]
    );
    assert_eq!(overlap("30 2,4 * * *"), ["25 00:30", "25 01:30"]);
}

#[test]
fn a_day_is_one_of_both_unless_both_are_asked_for() {
    let november = |expression| ticks(expression, "UTC", "2026-10-31T12:00:00Z", "2026-11-30T12:00:00Z");
    // The 13th is a Friday.
    assert_eq!(november("0 0 14 * FRI"), ["06 00:00", "13 00:00", "14 00:00", "20 00:00", "27 00:00"]);
    assert_eq!(november("0 0 13 * +FRI"), ["13 00:00"]);
    assert_eq!(november("0 0 14 * +FRI"), Vec::<String>::new());
    assert_eq!(november("0 0 L * *"), ["30 00:00"]);
    assert_eq!(november("0 0 * * MON#2"), ["09 00:00"]);
    assert_eq!(november("0 0 * * FRI#L"), ["27 00:00"]);
    assert_eq!(november("0 0 * * 7"), november("0 0 * * SUN"));
    assert_eq!(november("@weekly"), november("0 0 * * SUN"));
}

#[test]
fn seconds_stand_first() {
    let mut second = timetable("15 30 12 * * *", "UTC").next_after(at("2026-11-24T12:30:14.999Z"));
    assert_eq!(second, Some(at("2026-11-24T12:30:15Z")));
    second = timetable("*/20 * * * * *", "UTC").next_after(at("2026-11-24T12:30:40.001Z"));
    assert_eq!(second, Some(at("2026-11-24T12:31:00Z")));
}

#[test]
fn what_is_no_expression_is_refused_with_what_is_wrong() {
    for (expression, part) in [
        ("", "\"\" is no cron expression"),
        ("* *", "must have 5 or 6 fields"),
        ("@reboot", "must have 5 or 6 fields"),
        ("0 0 0 1 1 * 2099", "must have 5 or 6 fields"),
        ("61 * * * *", "out of bounds"),
        ("* 24 * * *", "out of bounds"),
        ("* * * * 8", "out of bounds"),
        ("5-1 * * * *", "out of bounds"),
        ("*/0 * * * *", "can not be zero|cannot be zero"),
        ("*/90 * * * *", "a step of 90 is longer than its field"),
        ("0 0 * * SUNDAY", "illegal character"),
        ("a\0 * * * *", "illegal character"),
        ("0 0 30 2 *", "\"0 0 30 2 *\" never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
        ("0 0 29 2 +MON#1", "never comes"),
        ("1 0 29 2 +", "the day of the week is left empty"),
        (", 0 * * *", "the minute is left empty"),
        ("0 ,, * * *", "the hour is left empty"),
        (", 0 0 * * *", "the second is left empty"),
        ("0 0 , * *", "the day of the month is left empty"),
        ("0 0 * , *", "the month is left empty"),
    ] {
        let errors = Timetable::new(expression, "UTC", Duration::ZERO).err().unwrap();
        let text = errors[0].to_string();
        assert!(
            errors.len() == 1 && part.split('|').any(|part| text.contains(part)),
            "{expression:?}: {text}"
        );
    }
}

#[test]
fn every_so_many_years_is_not_never() {
    for (expression, after, next) in [
        // Seven leap days in 28 years, one of each day of the week; forty years, where a century has none.
        ("0 0 29 2 +MON", "2016-02-29T00:00:00Z", "2044-02-29T00:00:00Z"),
        ("0 0 29 2 +MON", "2072-02-29T00:00:00Z", "2112-02-29T00:00:00Z"),
        ("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"),
        // A month that begins on a Monday, and its fifth one.
        ("0 0 29 2 +MON#5", "2024-01-01T00:00:00Z", "2044-02-29T00:00:00Z"),
        ("0 0 31 12 +SUN#L", "2024-01-01T00:00:00Z", "2028-12-31T00:00:00Z"),
        ("0 0 LW 2 +WED", "2024-01-01T00:00:00Z", "2029-02-28T00:00:00Z"),
    ] {
        let found = timetable(expression, "UTC").next_after(at(after));
        assert_eq!(found, Some(at(next)), "{expression:?} after {after}");
    }
}

#[test]
fn a_zone_that_is_none_is_refused_together_with_the_expression() {
    let errors = Timetable::new("61 * * * *", "Europe/Berln", Duration::ZERO).err().unwrap();
    assert_eq!(errors.len(), 2);
    assert_eq!(
        errors[0].to_string(),
        "there is no time zone \"Europe/Berln\" (did you mean `Europe/Berlin`?): use a name of the IANA database, such as \
         `Europe/Berlin`"
    );
    let errors = Timetable::new("0 0 30 2 *", "", Duration::ZERO).err().unwrap();
    assert_eq!(errors.len(), 2);
}

fn due(expression: &str, catch_up: u64, last: &str, now: &str) -> Due {
    Timetable::new(expression, "UTC", Duration::from_secs(catch_up)).unwrap().due(at(last), at(now))
}

#[test]
fn a_tick_is_due_at_its_second_and_not_before() {
    let (last, tick) = ("2026-11-24T12:00:00Z", at("2026-11-24T12:01:00Z"));
    let wait = due("* * * * *", 60, last, "2026-11-24T12:00:59.75Z");
    assert_eq!(wait, Due::In(Duration::from_millis(250)));
    for now in ["2026-11-24T12:01:00Z", "2026-11-24T12:01:59.999Z"] {
        assert_eq!(due("* * * * *", 60, last, now), Due::Now { tick, skips: false });
    }
}

#[test]
fn what_is_caught_up_with_comes_in_order_and_of_the_older_only_the_latest() {
    let last = "2026-11-24T12:00:00Z";
    let now = "2026-11-24T12:10:30Z";
    let next = |catch_up, last| due("* * * * *", catch_up, last, now);
    let latest = Due::Now { tick: at("2026-11-24T12:09:00Z"), skips: true };
    assert_eq!(next(60, last), latest);
    assert_eq!(next(60, "2026-11-24T12:09:00Z"), Due::Now { tick: at("2026-11-24T12:10:00Z"), skips: false });
    assert_eq!(next(60, "2026-11-24T12:10:00Z"), Due::In(Duration::from_secs(30)));
    // A tick exactly as old as that is caught up with.
    assert_eq!(next(90, last), Due::Now { tick: at("2026-11-24T12:08:00Z"), skips: true });
    assert_eq!(next(90, "2026-11-24T12:08:00Z"), Due::Now { tick: at("2026-11-24T12:09:00Z"), skips: false });
    assert_eq!(next(3600, last), Due::Now { tick: at("2026-11-24T12:01:00Z"), skips: false });
    assert_eq!(next(u64::MAX, last), Due::Now { tick: at("2026-11-24T12:01:00Z"), skips: false });
    assert_eq!(next(0, last), Due::Now { tick: at("2026-11-24T12:10:00Z"), skips: true });
}

#[test]
fn a_nightly_job_is_not_left_out_by_a_restart_at_night() {
    let due = due("0 3 * * *", 60, "2026-11-23T03:00:00Z", "2026-11-24T03:05:00Z");
    assert_eq!(due, Due::Now { tick: at("2026-11-24T03:00:00Z"), skips: false });
}

fn field(first: u32, last: u32) -> impl Strategy<Value = String> {
    let number = first..=last;
    prop_oneof![
        3 => Just("*".to_owned()),
        1 => (1..=(last - first)).prop_map(|step| format!("*/{step}")),
        1 => number.clone().prop_map(|number| number.to_string()),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => prop::collection::vec(number, 1..4)
            .prop_map(|all| all.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
    ]
}

prop_compose! {
    fn expression()(
        second in field(0, 59), minute in field(0, 59), hour in field(0, 23), day in field(1, 28),
        month in field(1, 12), both in prop::bool::ANY, weekday in field(0, 6),
    ) -> String {
        // On some day of some month both can be had.
        let plus = if both && day == "*" { "+" } else { "" };
        format!("{second} {minute} {hour} {day} {month} {plus}{weekday}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tick_is_after_the_last_one_and_no_other_is_between(
        expression in expression(),
        zone in prop::sample::select(&TZ_VARIANTS[..]),
        seconds in 1_700_000_000_i64..2_000_000_000,
        micros in 0..1_000_000_u32,
    ) {
        let timetable = timetable(&expression, zone.name());
        let mut last = DateTime::from_timestamp(seconds, micros * 1000).unwrap();
        for _ in 0..10 {
            let next = timetable.next_after(last).unwrap();
            prop_assert!(next > last);
            prop_assert_eq!(next.timestamp_subsec_nanos(), 0);
            let between = last + (next - last) / 2;
            prop_assert_eq!(timetable.next_after(between), Some(next).filter(|_| between < next));
            let before = timetable.last_before(next).unwrap();
            prop_assert!(before <= last, "{before} is between {last} and {next}");
            prop_assert_eq!(timetable.last_before(next + TimeDelta::microseconds(1)), Some(next));
            prop_assert_eq!(timetable.due(last, next), Due::Now { tick: next, skips: false });
            last = next;
        }
    }

    #[test]
    fn no_text_is_more_than_refused(
        expression in prop_oneof!["\\PC{0,40}", "[0-9*/,LW#+?A-Z@ -]{0,30}", "([0-9*/,LW#-]{1,4} ){4,6}"],
    ) {
        if let Err(errors) = Timetable::new(&expression, "UTC", Duration::ZERO) {
            prop_assert_eq!(errors.len(), 1);
        }
    }
}

#[test]
fn midnight_comes_where_clocks_are_changed_at_midnight() {
    let zone: Tz = "Africa/Cairo".parse().unwrap();
    // On the 24th of April 2026, 0:00 is 1:00.
    let first = zone.with_ymd_and_hms(2026, 4, 24, 1, 0, 0).unwrap();
    let tick = timetable("0 0 * * *", "Africa/Cairo").next_after(first.to_utc() - TimeDelta::hours(12));
    assert_eq!(tick, Some(first.to_utc()));
}
