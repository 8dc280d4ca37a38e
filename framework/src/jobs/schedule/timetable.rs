use std::time::Duration;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, CronPattern, Weekday};

use super::error::ScheduleError;
use crate::config::closest;
use crate::jobs::store::micros;

/// The ticks of a schedule. Each is a whole second.
pub(in crate::jobs) struct Timetable {
    cron: Cron,
    zone: Tz,
    catch_up: TimeDelta,
}

/// What a schedule has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) enum Due {
    /// This tick is the next one that has its job.
    Now {
        tick: DateTime<Utc>,
        /// Whether others before it have none: they are older than what is caught up with.
        skips: bool,
    },
    /// Nothing, for this long.
    In(Duration),
    /// Nothing any more.
    Never,
}

impl Timetable {
    /// Everything that is wrong is told, not only the first.
    pub(super) fn new(
        expression: &str,
        timezone: &str,
        catch_up: Duration,
    ) -> Result<Self, Vec<ScheduleError>> {
        let mut wrong = Vec::new();
        let zone = timezone.parse::<Tz>().map_err(|_| wrong.push(unknown(timezone))).ok();
        // Without years: what ends by itself is found out years later, by what is not there.
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let parsed = parser.parse(expression).map_err(|error| error.to_string()).and_then(no_vain_field);
        let cron = parsed
            .map_err(|reason| {
                wrong.push(ScheduleError::Expression { expression: expression.to_owned(), reason });
            })
            .ok();
        let (Some(cron), zone) = (cron, zone) else { return Err(wrong) };
        let catch_up = TimeDelta::microseconds(micros(catch_up));
        if !has_a_day(&cron.pattern) {
            wrong.push(ScheduleError::NeverDue { expression: expression.to_owned() });
        }
        match zone {
            Some(zone) if wrong.is_empty() => Ok(Self { cron, zone, catch_up }),
            _ => Err(wrong),
        }
    }

    /// What there is to do at `now`, when everything up to `last` is done.
    pub(in crate::jobs) fn due(&self, last: DateTime<Utc>, now: DateTime<Utc>) -> Due {
        let Some(first) = self.next_after(last) else { return Due::Never };
        if first > now {
            return Due::In((first - now).to_std().unwrap_or_default());
        }
        let since = now.checked_sub_signed(self.catch_up).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let latest = if first < since { self.last_before(since).filter(|tick| *tick > first) } else { None };
        Due::Now { tick: latest.unwrap_or(first), skips: latest.is_some() }
    }

    /// The first tick after a time.
    pub(super) fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let from = self.zone.from_utc_datetime(&whole_seconds(time).naive_utc());
        Some(self.cron.find_next_occurrence(&from, false).ok()?.to_utc())
    }

    /// The last tick before a time.
    pub(super) fn last_before(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let seconds = whole_seconds(time);
        // What is begun counts: a tick at its second is before it.
        let until = if seconds < time { seconds + TimeDelta::seconds(1) } else { seconds };
        let from = self.zone.from_utc_datetime(&until.naive_utc());
        Some(self.cron.find_previous_occurrence(&from, false).ok()?.to_utc())
    }
}

/// Who writes `*/90` for minutes means something else than once an hour, and `,` is no minute at all.
fn no_vain_field(cron: Cron) -> Result<Cron, String> {
    let of = &cron.pattern;
    let fields = [
        ("second", &of.seconds),
        ("minute", &of.minutes),
        ("hour", &of.hours),
        ("day of the month", &of.days),
        ("month", &of.months),
        ("day of the week", &of.days_of_week),
    ];
    for (name, field) in fields {
        if field.step > field.max - field.min {
            return Err(format!("a step of {} is longer than its field", field.step));
        }
        if field.values().is_empty() && !field.has_modifiers() {
            return Err(format!("the {name} is left empty"));
        }
    }
    Ok(cron)
}

/// Whether some year has a day for it. The crate that knows cron looks day by day until the year 5000, and at each new
/// search, so that it is only asked where it finds something within forty years. A year begins on one of seven days and has
/// a 29th of February or not: of these fourteen, any 28 years have all, if no century is in them that is no leap year.
fn has_a_day(pattern: &CronPattern) -> bool {
    let first = NaiveDate::from_ymd_opt(2001, 1, 1).unwrap_or_default();
    first.iter_days().take_while(|day| day.year() <= 2028).any(|day| {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        pattern.month_match(day.month()).unwrap_or(false)
            && pattern.day_match(day.year(), day.month(), day.day(), weekday).unwrap_or(false)
    })
}

/// The crate that knows cron leaves fractions of seconds as they are.
fn whole_seconds(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time)
}

fn unknown(timezone: &str) -> ScheduleError {
    let suggestion = closest(timezone, TZ_VARIANTS.iter().map(|zone| zone.name()));
    ScheduleError::TimeZone { timezone: timezone.to_owned(), suggestion }
}
