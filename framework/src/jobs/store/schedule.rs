//! Up to when the ticks of schedules have their jobs.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl as _;
use serde::Serialize;

use super::insert::json;
use super::statement::{Statement, sql};
use crate::data::{Conn, DbError};
use crate::query;

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

/// The last ticks of schedules, and the database's clock when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTicks {
    /// The clock.
    pub clock: DateTime<Utc>,
    /// By the name of the schedule; those that have not begun are not there.
    pub ticks: HashMap<String, DateTime<Utc>>,
}

/// No schedule has this name. It is asked for so that there is a row with the clock in any case.
const NOBODY: &str = "";

pub(super) struct Ticks;

impl Statement for Ticks {
    const ROWS: &'static [(&'static str, &'static str)] = &[("name", "TEXT")];
    const SQL: &'static str = "\
        SELECT given.name AS name, last_tick, :now AS clock \
        FROM (:rows) AS given LEFT JOIN spanbox_schedules ON spanbox_schedules.name = given.name";
}

#[derive(QueryableByName)]
struct TickRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_tick: Option<i64>,
    #[diesel(sql_type = BigInt)]
    clock: i64,
}

/// Up to when the ticks of these schedules have their jobs.
///
/// # Errors
///
/// Those of the database.
pub async fn last_ticks(conn: &mut Conn, schedules: &[&str]) -> Result<LastTicks, DbError> {
    let names = names(schedules.iter().chain(&[NOBODY]))?;
    let rows: Vec<TickRow> = sql::<Ticks>().text(names).load(conn).await?;
    let clock = rows.as_slice().first().map_or(DateTime::UNIX_EPOCH, |row| time(row.clock));
    let ticks = rows.into_iter().filter_map(|row| Some((row.name, time(row.last_tick?)))).collect();
    Ok(LastTicks { clock, ticks })
}

/// In the order of the names, so that two of these can not wait for each other.
pub(super) struct Begin;

impl Statement for Begin {
    const ROWS: &'static [(&'static str, &'static str)] = &[("name", "TEXT")];
    const SQL: &'static str = "\
        INSERT INTO spanbox_schedules (name, last_tick) \
        SELECT name, :now FROM (:rows) AS given WHERE name <> '' ORDER BY name \
        ON CONFLICT (name) DO NOTHING";
}

/// Begins those of the schedules that have not, with the database's now.
///
/// # Errors
///
/// Those of the database.
pub async fn begin_schedules(conn: &mut Conn, schedules: &[&str]) -> Result<(), DbError> {
    let names = names(schedules)?;
    query!(conn, c => sql::<Begin>().text(names).execute(c).await)?;
    Ok(())
}

/// Waits for whoever is at it, and changes nothing if that one commits.
pub(super) struct Advance;

impl Statement for Advance {
    const SQL: &'static str = "UPDATE spanbox_schedules SET last_tick = ? WHERE name = ? AND last_tick = ?";
}

/// Moves a schedule from its last tick to another time, unless it has been moved by somebody else: then it is false, and
/// nothing may be done about the tick. It is a write, and locks the schedule until the end of the transaction.
///
/// # Errors
///
/// Those of the database.
pub async fn advance_schedule(
    conn: &mut Conn,
    schedule: &str,
    last: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<bool, DbError> {
    let (last, to) = (last.timestamp_micros(), to.timestamp_micros());
    let moved = query!(conn, c => sql::<Advance>().number(to).text(schedule).number(last).execute(c).await)?;
    Ok(moved == 1)
}

fn names<'a>(schedules: impl IntoIterator<Item = &'a &'a str>) -> Result<String, DbError> {
    json(&schedules.into_iter().map(|name| Name { name }).collect::<Vec<_>>())
}

/// The table has no times, and no clock shows one, that are too far for this.
fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
