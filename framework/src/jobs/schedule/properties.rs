//! What holds of a schedule's ticks, whatever its expression is.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::timetable::{Due, Timetable};

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/St_Johns",
];

/// The first byte chooses a time zone, eight more a time, and the rest is the expression.
pub fn cron(data: &[u8]) {
    let Some((head, expression)) = data.split_first_chunk::<9>() else { return };
    let [zone, time @ ..] = *head;
    let expression = String::from_utf8_lossy(expression);
    let zone = ZONES[usize::from(zone) % ZONES.len()];
    let Ok(timetable) = Timetable::new(&expression, zone, Duration::from_secs(3600)) else { return };
    // 1970 to 2100.
    let micros = u64::from_le_bytes(time) % (130 * 366 * 24 * 3600 * 1_000_000);
    let Some(mut time) = i64::try_from(micros).ok().and_then(DateTime::from_timestamp_micros) else { return };
    for _ in 0..4 {
        time = one_tick(&timetable, time, &format!("{expression:?} in {zone} after {time}"));
    }
}

fn one_tick(timetable: &Timetable, time: DateTime<Utc>, case: &str) -> DateTime<Utc> {
    let Some(next) = timetable.next_after(time) else { panic!("{case}: nothing more, and it was to go on") };
    assert!(next > time, "{case}: {next} is not later");
    assert_eq!(next.timestamp_subsec_nanos(), 0, "{case}: {next} is no whole second");
    // A moment before it, it is the next one still.
    let before = next - TimeDelta::seconds(1);
    assert_eq!(timetable.next_after(before.max(time)), Some(next), "{case}: a moment before {next}");
    // Looked at from behind, no tick lies between the two.
    if let Some(last) = timetable.last_before(next) {
        assert!(last <= time, "{case}: {last} is between it and {next}");
    }
    let due = timetable.due(time, before);
    assert!(
        matches!(due, Due::In(left) if left == Duration::from_secs(1)) || before < time,
        "{case}: {due:?} a second before {next}"
    );
    assert_eq!(timetable.due(time, next), Due::Now { tick: next, skips: false }, "{case}: at {next}");
    next
}
