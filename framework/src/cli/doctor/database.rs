//! The database: whether it is there and may be written, its disk, who else has it, its migrations, its clock.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;
use rustix::fs::{Access, access, statvfs};

use super::finding::Finding;
use super::process::listed;
use crate::app::holders::{self, Holder};
use crate::config::{Config, DatabaseSettings};
use crate::data::{Backend, Conn, Db, DbError, Migrations};
use crate::query;
use crate::telemetry::Telemetry;

/// With less the next hour may fill it.
const LEAST_DISK: u64 = 100 << 20;
/// With less somebody should know.
const ENOUGH_DISK: u64 = 1 << 30;
/// Network file systems, by their `f_type` (statfs(2)): NFS, SMB, CIFS, SMB2, AFS, Ceph.
#[cfg(target_os = "linux")]
const ON_NETWORKS: [i64; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400];
/// Whether a prepared statement keeps its plan whatever is bound to it.
const STABLE_PLANS: &str = "SELECT CAST(sqlite_compileoption_used('ENABLE_QPSG') AS TEXT) AS value";
/// By how much clocks may differ before traces look odd, and before leases and tokens go wrong.
const CLOCKS: (f64, f64) = (1.0, 30.0);

/// Looks at the database of a service that has one, if the settings say which, and gives it for others to look at, open.
pub(super) async fn look(
    name: &str,
    config: &Config,
    migrations: Option<&'static Migrations>,
    production: bool,
    findings: &mut Vec<Finding>,
) -> Option<Db> {
    let migrations = migrations?;
    let settings = config.get::<DatabaseSettings>().ok()?;
    if let Some(file) = settings.sqlite_file() {
        let directory = file.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !file.exists() {
            let there = closest(directory);
            findings.push(no_file(name, file, there, settings.migrate_on_start));
            findings.extend(disk(there));
            return None;
        }
        findings.extend(disk(directory));
        findings.push(sharing(file));
    }
    let db = match Db::connect(&settings, &Telemetry::disabled()).await {
        Ok(db) => db,
        Err(error) => {
            findings.push(unusable(&error.to_string()));
            return None;
        }
    };
    let looked = match db.backend() {
        Backend::Sqlite => sqlite(&db, &settings).await,
        Backend::Postgres => postgres(&db, &settings, findings).await,
    };
    findings.push(looked.unwrap_or_else(|error| unusable(&error.to_string())));
    findings.push(state_of_migrations(name, &db, migrations, settings.migrate_on_start).await);
    findings.extend(clock(&db, production).await);
    Some(db)
}

/// The message of an error says what to do behind its last semicolon.
fn unusable(error: &str) -> Finding {
    let (seen, fix) = error.rsplit_once("; ").unwrap_or((error, "correct DATABASE_URL (database.url)"));
    Finding::fail("database", seen, fix)
}

/// The closest directory that is there, in which others will be made.
fn closest(directory: &Path) -> &Path {
    let there = directory.ancestors().find(|path| path.exists() || path.as_os_str().is_empty());
    there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file is made by whoever comes first, if it can be.
fn no_file(service: &str, file: &Path, there: &Path, migrate_on_start: bool) -> Finding {
    let shown = file.display();
    let refused = match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if there.is_dir() => None,
        Ok(()) => Some("it is no directory".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(refused) = refused {
        return Finding::fail(
            "database",
            format!("there is no {shown}, and it can not be made: {}: {refused}", there.display()),
            "let this user write there, or name another place with DATABASE_URL (database.url)",
        );
    }
    let seen = format!("there is no {shown} yet");
    if migrate_on_start {
        return Finding::ok("database", format!("{seen}: the first start makes it"));
    }
    Finding::fail("database", seen, format!("make it with `{service} migrate up`, or correct DATABASE_URL"))
}

fn disk(directory: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(system) = statvfs(directory) {
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        findings.push(judge_disk(free, &directory.display().to_string()));
    }
    if is_on_network(directory) {
        findings.push(Finding::fail(
            "database file system",
            format!(
                "{} is on a network file system, whose locks SQLite can not rely on",
                directory.display()
            ),
            "use a disk of this machine, or PostgreSQL for a database that several machines reach",
        ));
    }
    findings
}

#[cfg(target_os = "linux")]
fn is_on_network(directory: &Path) -> bool {
    // It is a number of another size on other machines.
    fn number(word: impl Into<i64>) -> i64 {
        word.into()
    }
    rustix::fs::statfs(directory).is_ok_and(|system| ON_NETWORKS.contains(&number(system.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn is_on_network(_directory: &Path) -> bool {
    false
}

fn judge_disk(free: u64, place: &str) -> Finding {
    let seen = format!("{} MiB are free at {place}", free >> 20);
    let fix = "make room: remove what is old, or give the volume more";
    if free < LEAST_DISK {
        Finding::fail("disk", seen, fix)
    } else if free < ENOUGH_DISK {
        Finding::warn("disk", seen, fix)
    } else {
        Finding::ok("disk", seen)
    }
}

/// Who else has the file of an SQLite database open.
fn sharing(file: &Path) -> Finding {
    let (alike, others): (Vec<_>, Vec<_>) = holders::of_file(file).into_iter().partition(Holder::is_alike);
    if !others.is_empty() {
        return Finding::warn(
            "database sharing",
            format!("{} has {} open", listed(&others), file.display()),
            "give each service a file of its own with DATABASE_URL; to look into it by hand is harmless while nothing is \
             written",
        );
    }
    match alike.is_empty() {
        true => Finding::ok("database sharing", "nobody else has the file open"),
        false => Finding::ok(
            "database sharing",
            format!("{} works on it too: they write in turn, and each job is run by one", listed(&alike)),
        ),
    }
}

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = Text)]
    value: String,
}

async fn ask(db: &Db, sql: &'static str) -> Result<String, DbError> {
    db.read(async move |conn: &mut Conn| query!(conn, c => sql_query(sql).get_result::<Told>(c).await))
        .await
        .map(|told| told.value)
}

async fn sqlite(db: &Db, settings: &DatabaseSettings) -> Result<Finding, DbError> {
    let version = ask(db, "SELECT sqlite_version() AS value").await?;
    let mode = ask(db, "SELECT journal_mode AS value FROM pragma_journal_mode").await?;
    let file = settings.sqlite_file().unwrap_or(Path::new("")).display().to_string();
    // Takes the lock that writes, and gives it back with nothing written.
    if let Err(error) = db.write(async |_: &mut Conn| Ok::<_, DbError>(())).await {
        let text = error.to_string();
        let (seen, fix) = if text.contains("locked") {
            let others = holders::of_file(Path::new(&file));
            let by = if others.is_empty() { String::new() } else { format!(" by {}", listed(&others)) };
            (
                format!("{file} is locked{by} for longer than {:?}", settings.busy_timeout),
                "end what holds the lock",
            )
        } else {
            (format!("{file} can not be written: {text}"), "let this user write the file and its directory")
        };
        return Ok(Finding::fail("database", seen, fix));
    }
    if mode != "wal" {
        return Ok(Finding::warn(
            "database",
            format!("SQLite {version} at {file} keeps its journal as `{mode}`: readers wait for writers"),
            "move the file to a disk of this machine, where it can keep a write-ahead log",
        ));
    }
    if ask(db, STABLE_PLANS).await? == "0" {
        return Ok(Finding::warn(
            "database",
            format!(
                "SQLite {version} at {file} is built so that it plans a statement with a LIMIT anew each time it runs"
            ),
            "build with LIBSQLITE3_FLAGS=-DSQLITE_ENABLE_QPSG, as the .cargo/config.toml of `spanbox new` says",
        ));
    }
    Ok(Finding::ok("database", format!("SQLite {version} at {file}, with a write-ahead log, may be written")))
}

async fn postgres(
    db: &Db,
    settings: &DatabaseSettings,
    findings: &mut Vec<Finding>,
) -> Result<Finding, DbError> {
    let version = ask(db, "SELECT current_setting('server_version') AS value").await?;
    let name = ask(db, "SELECT current_database()::text AS value").await?;
    let connections = ask(db, "SELECT current_setting('max_connections') AS value").await?;
    if connections.parse::<usize>().is_ok_and(|most| settings.pool_size >= most) {
        findings.push(Finding::fail(
            "database connections",
            format!(
                "database.pool_size is {}, and the server takes {connections} from all",
                settings.pool_size
            ),
            "lower database.pool_size, or raise max_connections of the server",
        ));
    }
    if ask(db, "SELECT current_setting('transaction_read_only') AS value").await? == "on" {
        return Ok(Finding::fail(
            "database",
            format!(
                "PostgreSQL {version} lets `{name}` be read alone: it is a standby, or its user may not write"
            ),
            "name the primary in DATABASE_URL",
        ));
    }
    Ok(Finding::ok("database", format!("PostgreSQL {version}, `{name}`, may be written")))
}

async fn state_of_migrations(
    service: &str,
    db: &Db,
    migrations: &'static Migrations,
    migrate_on_start: bool,
) -> Finding {
    let states = match db.migration_status(migrations).await {
        Ok(states) => states,
        Err(error) => return Finding::fail("migrations", error.to_string(), "correct what it says"),
    };
    let pending: Vec<&str> =
        states.iter().filter(|state| !state.applied).map(|state| state.name.as_str()).collect();
    let unknown = states.iter().filter(|state| state.is_unknown()).count();
    let fix = format!("apply them with `{service} migrate up`");
    if !pending.is_empty() && !migrate_on_start {
        return Finding::fail("migrations", format!("not applied: {}", pending.join(", ")), fix);
    }
    if unknown > 0 {
        return Finding::warn(
            "migrations",
            format!("the database has {unknown} that this version of {service} does not know"),
            "run the version that made them, or take them back with its `migrate down`",
        );
    }
    match pending.len() {
        0 => Finding::ok("migrations", format!("all {} are applied", states.len())),
        count => Finding::ok("migrations", format!("{count} are pending, and the next start applies them")),
    }
}

/// Compares the clock of this machine with that of the database, if it is another one.
async fn clock(db: &Db, production: bool) -> Option<Finding> {
    if db.backend() == Backend::Sqlite {
        return None;
    }
    let before = now();
    let told = ask(db, "SELECT extract(epoch FROM clock_timestamp())::text AS value").await.ok()?;
    let theirs: f64 = told.parse().ok()?;
    // Between the question and the answer.
    let ours = (before + now()) / 2.0;
    Some(judge_clock(ours - theirs, production))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

fn judge_clock(ahead: f64, production: bool) -> Finding {
    let (visible, wrong) = CLOCKS;
    let side = if ahead < 0.0 { "behind" } else { "ahead of" };
    let seen = format!("this machine's is {:.1} s {side} the database's", ahead.abs());
    let fix = "let both machines ask for the time: `timedatectl set-ntp true`, or chrony";
    if ahead.abs() >= wrong {
        Finding::fail("clock", seen, fix)
    } else if ahead.abs() >= visible {
        Finding::for_production(production, "clock", seen, fix)
    } else {
        Finding::ok("clock", seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn disks_and_clocks_are_judged_by_how_far_they_are() {
        for (free, expected) in
            [(50 << 20, Verdict::Fail), (500 << 20, Verdict::Warn), (5 << 30, Verdict::Ok)]
        {
            assert_eq!(judge_disk(free, "/var").verdict, expected, "{free}");
        }
        for (ahead, production, expected) in [
            (0.2, true, Verdict::Ok),
            (-2.0, false, Verdict::Warn),
            (-2.0, true, Verdict::Fail),
            (3600.0, false, Verdict::Fail),
        ] {
            let finding = judge_clock(ahead, production);
            assert_eq!(finding.verdict, expected, "{ahead}");
            assert!(finding.seen.contains(if ahead < 0.0 { "behind" } else { "ahead" }), "{finding:?}");
        }
    }
}
