//! Units of work that wait for SQLite's one writer are committed together: BEGIN and COMMIT are much of what a short unit
//! costs, and with `database.synchronous = "full"` each COMMIT waits for the disk.
//!
//! Each unit has a savepoint of its own, so that one that fails or panics undoes nothing of the others, and each caller is told
//! once all are committed. In a trace it looks as if each had a transaction of its own. Who finds the writer free has one, and
//! waits for nobody.

use std::collections::HashSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::result::Error as QueryError;
use diesel::sql_types::Bool;
use diesel::{QueryResult, QueryableByName, RunQueryDsl as _, sql_query};
use opentelemetry::trace::FutureExt as _;

use super::conn::{Conn, Kind, commit, rollback};
use super::error::DbError;
use super::pool::PoolSignals;
use super::traced::Ending;
use super::unit::{After, Ran, Unit, Wish};

/// A transaction that is older takes no more units. Tests of what units do to each other are slow at times.
const ROOM: Duration = if cfg!(test) { Duration::from_secs(60) } else { Duration::from_millis(2) };

const MARK: &str = "SAVEPOINT spanbox_unit";
const KEEP: &str = "RELEASE spanbox_unit";
const UNDO: &str = "ROLLBACK TO spanbox_unit; RELEASE spanbox_unit";

/// What the thread of a writer knows of who may commit with others.
pub(super) struct Together {
    /// How long a unit may wait for what is no query, while others wait to be committed with it.
    patience: Duration,
    /// Where the units were asked for that waited so: they commit alone.
    waited: HashSet<&'static Location<'static>>,
    /// Whether there are constraints that are looked at by COMMIT, which would not tell whose unit has broken one.
    deferred: Option<bool>,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    found: bool,
}

impl Together {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, waited: HashSet::new(), deferred: None }
    }

    /// The tables of a new connection may be others.
    pub(super) fn forget(&mut self) {
        self.deferred = None;
    }

    /// Whether `unit` may be committed with others.
    pub(super) fn takes(&self, unit: &Unit) -> bool {
        unit.kind == Kind::Write && (self.waited.is_empty() || !self.waited.contains(unit.site))
    }

    /// Whether transactions of this connection may be shared.
    pub(super) async fn may(&mut self, conn: &mut Conn) -> bool {
        let Conn::Sqlite(conn) = conn else { return false };
        let deferred = match self.deferred {
            Some(deferred) => deferred,
            None => {
                let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE sql LIKE '%INITIALLY DEFERRED%') AS found";
                let look = conn.inner().spawn_blocking(move |raw| sql_query(sql).get_result::<Found>(raw));
                look.await.is_ok_and(|deferred| deferred.found)
            }
        };
        self.deferred = Some(deferred);
        !deferred
    }

    /// Runs a unit whose transaction is its own.
    pub(super) async fn run_alone(&mut self, unit: Unit, conn: &mut Conn) -> After {
        if unit.kind == Kind::Plain {
            // The tables may be others after it.
            self.deferred = None;
        }
        let site = unit.site;
        let (after, waited) = unit.run(conn).await;
        if waited {
            self.waited.insert(site);
        }
        after
    }

    /// Runs a unit whose transaction is open and those that `next` has, and commits them all. It does not panic.
    pub(super) async fn run(
        &mut self,
        first: Unit,
        conn: &mut Conn,
        signals: &PoolSignals,
        next: impl Fn(&Self) -> Option<Unit>,
    ) -> After {
        let began = Instant::now();
        let mut group = Group::default();
        group.add(first, conn, self, None).await;
        while !group.broken && began.elapsed() < ROOM {
            let Some(unit) = next(self) else { break };
            if unit.begin(signals) {
                let since = signals.clock();
                group.add(unit, conn, self, Some("BEGIN")).await;
                signals.used(since);
            }
        }
        group.end(conn).await
    }
}

/// The units of one transaction.
#[derive(Default)]
struct Group {
    /// Those that are to be committed.
    ran: Vec<Ran>,
    /// Why SQLite has rolled back all of them.
    lost: Option<QueryError>,
    /// Whether no other unit may have the connection.
    broken: bool,
}

impl Group {
    /// `seen` is what its trace has of its beginning, unless it has that already. A trace has the same in it however many
    /// others there are.
    async fn add(
        &mut self,
        unit: Unit,
        conn: &mut Conn,
        together: &mut Together,
        seen: Option<&'static str>,
    ) {
        if let Err(error) = conn.send(MARK, seen).with_context(unit.cx.clone()).await {
            self.broken = true;
            return unit.refuse(error.into()).await;
        }
        let site = unit.site;
        let ran = unit.work(conn, (!self.ran.is_empty()).then_some(together.patience)).await;
        if ran.done.waited {
            together.waited.insert(site);
        }
        // Cut off in a savepoint of its own, or one was left open.
        let astray = ran.done.wish == Wish::Drop || conn.depth() != 1;
        if ran.done.wish == Wish::Commit && !astray {
            self.lost(conn.send(KEEP, None).await);
            return self.ran.push(ran);
        }
        self.broken |= astray;
        self.lost(conn.send(UNDO, Some("ROLLBACK")).with_context(ran.cx.clone()).await);
        let open = ran.done.wish == Wish::Commit;
        let ended = if open { Err(QueryError::BrokenTransactionManager.into()) } else { Ok(()) };
        ran.end(Ending::RolledBack, ended);
    }

    /// Without its savepoint the transaction is no more: SQLite rolls back all of it for some errors, a full disk among them.
    fn lost(&mut self, savepoint: QueryResult<()>) {
        if let Err(error) = savepoint {
            self.lost = Some(error);
            self.broken = true;
        }
    }

    /// Ends the transaction, and tells everybody how.
    async fn end(self, conn: &mut Conn) -> After {
        let ended = match self.lost {
            Some(error) => Err(error),
            None => conn.commit_all(&self.ran, self.broken).await,
        };
        let after = if ended.is_ok() && !self.broken { After::Whole } else { After::Broken };
        let ending = if ended.is_ok() { Ending::Committed } else { Ending::RolledBack };
        let (units, failed) = (self.ran.len(), ended.err().map(Arc::new));
        for ran in self.ran {
            let failed = failed.clone().map(|source| DbError::Together { units, source });
            ran.end(ending, failed.map_or(Ok(()), Err));
        }
        after
    }
}

impl Conn {
    /// Sends `sql` past diesel's own count of savepoints; `seen` is what a trace has of it.
    async fn send(&mut self, sql: &'static str, seen: Option<&'static str>) -> QueryResult<()> {
        let Self::Sqlite(conn) = self else { return Ok(()) };
        match seen {
            Some(seen) => {
                conn.recorded(seen, async |inner| {
                    inner.spawn_blocking(move |raw| raw.batch_execute(sql)).await
                })
                .await
            }
            None => conn.inner().spawn_blocking(move |raw| raw.batch_execute(sql)).await,
        }
    }

    /// Commits; each of the units has the COMMIT in its trace. Without any there is nothing to commit. Where one was cut off,
    /// diesel takes its savepoint for open still.
    async fn commit_all(&mut self, units: &[Ran], cut_off: bool) -> QueryResult<()> {
        let Self::Sqlite(conn) = self else { return Ok(()) };
        if units.is_empty() {
            return rollback(conn.inner()).await;
        }
        let begun: Vec<_> = units.iter().map(|unit| conn.begun("COMMIT", &unit.cx)).collect();
        let inner = conn.inner();
        let result = if cut_off {
            inner.spawn_blocking(|raw| raw.batch_execute("COMMIT")).await
        } else {
            commit(inner).await
        };
        for recording in begun {
            conn.ended(recording, &result);
        }
        result
    }
}
