//! Jobs that are due again and again: when, and what they are.

mod error;
#[cfg(any(fuzzing, test))]
pub(super) mod properties;
#[cfg(test)]
mod tests;
mod timetable;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::enqueue::enqueue;
use super::error::JobsError;
use super::job::Job;
use super::name;
use super::store::Enqueued;
use crate::data::Conn;

pub use error::ScheduleError;
pub(super) use timetable::{Due, Timetable};

/// Stores the job of one tick in a unit of work.
pub(super) type StoreJob =
    Box<dyn for<'c> FnOnce(&'c mut Conn) -> LocalBoxFuture<'c, Result<Enqueued, JobsError>> + Send>;

type Make = Box<dyn Fn(DateTime<Utc>) -> StoreJob + Send + Sync>;

/// A job for each tick of a cron expression, whichever of the service's processes is there to enqueue it.
///
/// ```
/// use std::time::Duration;
///
/// use chrono::{DateTime, Utc};
/// use serde::{Deserialize, Serialize};
/// use spanbox::jobs::{Job, JobContext, JobError, Schedule};
/// use spanbox::module::Module;
///
/// #[derive(Serialize, Deserialize)]
/// struct CloseBooks {
///     until: DateTime<Utc>,
/// }
///
/// impl Job for CloseBooks {
///     const NAME: &'static str = "close_books";
///     type State = ();
///
///     async fn run(self, (): (), _ctx: JobContext) -> Result<(), JobError> {
///         Ok(())
///     }
/// }
///
/// let books = Module::new("books").job::<CloseBooks, _>(|_boot| Ok(())).schedule(
///     Schedule::new("30 2 * * *", |tick| CloseBooks { until: tick })
///         .name("nightly")
///         .timezone("Europe/Berlin")
///         .catch_up(Duration::from_secs(3600)),
/// );
/// # assert_eq!(books.name(), "books");
/// ```
///
/// # Expressions
///
/// Five fields, `minute hour day-of-month month day-of-week`, or six with the `second` first; or one of `@hourly`,
/// `@daily`, `@weekly`, `@monthly` and `@yearly`. In a field stand numbers, names (`MON`, `JAN`), `*`, ranges `9-17`,
/// lists `0,30`, and steps `*/5` or `9-17/2`. Days of the week go from 0, Sunday, to 6; 7 is Sunday too. `L` is the
/// last day of a month and `LW` the last of Monday to Friday, `15W` the one of these nearest to the 15th, `MON#2` the
/// second Monday of a month and `FRI#L` its last Friday.
///
/// When both the day of the month and the day of the week are given, a day needs to be **one** of them: `0 0 13 * FRI`
/// is each 13th and each Friday. With `+` before the day of the week it has to be both: `0 0 13 * +FRI`.
///
/// # Time zones
///
/// Times are those of [`timezone`](Self::timezone), UTC unless set. When clocks are changed there,
///
/// - a time of day, which is one second of one minute of one hour (`30 2 * * *`), comes once each day: if it is left out,
///   at the first moment after the gap, and if it is there twice, at the first of the two;
/// - anything else, lists and ranges too (`*/10 * * * *`, `30 2,14 * * *`), comes whenever the clock shows it: not at
///   times that are left out, and twice at those that are there twice. Two times of day of which none may be left out
///   are two schedules.
///
/// In Europe/Berlin, `30 2 * * *` is at 3:00 on the day on which 2:00 is followed by 3:00, and at the first 2:30 on the
/// day that has two.
///
/// # Which ticks have a job
///
/// Each of them exactly one, by the database's clock: the job is stored in the transaction that notes the tick in the
/// table `spanbox_schedules`, and of all processes that try the first one to commit is it. A schedule that is new begins
/// with the first tick after its first start. When no process ran for a while, each tick within
/// [`catch_up`](Self::catch_up) has its job all the same, and of the older ones the latest: a nightly job is not left out
/// because of a restart at night, and one of every minute does not flood the queue. An expression or a time zone that is
/// changed goes on from the last tick that the old one had; a schedule of another name is another one.
#[must_use]
pub struct Schedule {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    expression: String,
    timezone: String,
    catch_up: Duration,
    make: Make,
}

/// A schedule that was found to be right.
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) timetable: Timetable,
    pub(super) make: Make,
}

impl Schedule {
    /// A job for each tick of the expression. `make` makes it from the tick, which is the time that it was to be
    /// enqueued at and may be long past: a job that asks for "yesterday" has to ask by it. It must not block. What it
    /// cannot make, because it panics or the job has no JSON, is tried again until it can.
    ///
    /// Whatever is wrong with the expression is said by [`Service::prepare`](crate::app::Service::prepare).
    pub fn new<J: Job>(expression: &str, make: impl Fn(DateTime<Utc>) -> J + Send + Sync + 'static) -> Self {
        let make: Make = Box::new(move |tick| {
            let job = make(tick);
            Box::new(move |conn| enqueue(conn, job).boxed_local())
        });
        Self {
            name: J::NAME.to_owned(),
            kind: J::NAME,
            expression: expression.to_owned(),
            timezone: "UTC".to_owned(),
            catch_up: Duration::from_secs(60),
            make,
        }
    }

    /// By what the database knows it: stable, unique in the service. The job's name unless set; lower-case letters,
    /// digits, `_`, `-` and `.`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The time zone that the expression is read in, by its name in the IANA database, such as `Europe/Berlin`: UTC
    /// unless set.
    pub fn timezone(mut self, timezone: impl Into<String>) -> Self {
        self.timezone = timezone.into();
        self
    }

    /// How far back each tick that nobody enqueued still has its job, and not only the latest: a minute unless set.
    pub const fn catch_up(mut self, time: Duration) -> Self {
        self.catch_up = time;
        self
    }

    /// Everything that is wrong with it.
    pub(crate) fn check(&self) -> Vec<JobsError> {
        let mut wrong: Vec<_> = name::schedule(&self.name).err().into_iter().collect();
        if let Err(errors) = self.timetable() {
            wrong.extend(errors.into_iter().map(|source| self.wrong(source)));
        }
        wrong
    }

    pub(super) fn plan(self) -> Result<Planned, JobsError> {
        name::schedule(&self.name)?;
        match self.timetable() {
            Ok(timetable) => Ok(Planned { name: self.name, kind: self.kind, timetable, make: self.make }),
            Err(mut errors) => Err(self.wrong(errors.swap_remove(0))),
        }
    }

    fn timetable(&self) -> Result<Timetable, Vec<ScheduleError>> {
        Timetable::new(&self.expression, &self.timezone, self.catch_up)
    }

    fn wrong(&self, source: ScheduleError) -> JobsError {
        JobsError::Schedule { schedule: self.name.clone(), source }
    }
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("expression", &self.expression)
            .field("timezone", &self.timezone)
            .field("catch_up", &self.catch_up)
            .finish_non_exhaustive()
    }
}
