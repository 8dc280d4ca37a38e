//! What one of something costs, with ever more of it in the table.

use std::time::{Duration, Instant};

use orders::measured::{self, List, Whose};
use serde::Serialize;
use spanbox::data::{Conn, Db};
use spanbox::jobs::store::{self, Leased};
use spanbox::module::BoxError;
use spanbox::testing::PgServer;

use super::ScaleError;
use super::store::{Place, Store, told};
use crate::figures::quantile;

/// The smallest table.
const SMALLEST: i64 = 1_000;
/// Calls of each in a round, and before the first of them some that are not counted.
const CALLS: usize = 60;
const WARM: usize = 15;
/// Orders of a page, and the one that tells whether there are more.
const PAGE: i64 = 51;
const LEASE: Duration = Duration::from_secs(3600);
const QUEUE: &str = "scale";

/// Half of the jobs are due, a tenth will be; the others have ended.
const JOBS: &str = "\
    SELECT 'scale', 'noop', '{}', CASE WHEN n % 10 < 6 THEN 'available' WHEN n % 100 < 95 THEN 'completed' ELSE 'dead' END, \
        n % 10, CASE WHEN n % 10 = 0 THEN 9000000000000000 ELSE n END, 9, 1, CASE WHEN n % 10 >= 6 THEN n END";

/// A list: its name, whose orders of which status, and how much of the table is below its cursor, in hundredths.
type Lists = [(&'static str, Whose, Option<&'static str>, Option<i64>); 13];

const LISTS: Lists = [
    ("list, all: first page", Whose::All, None, None),
    ("list, all: middle", Whose::All, None, Some(50)),
    ("list, all: far", Whose::All, None, Some(25)),
    ("list, a user's: first page", Whose::User(1), None, None),
    ("list, a user's: far", Whose::User(1), None, Some(25)),
    ("list, of a user whose are all old", Whose::User(2), None, None),
    ("list, nobody's: first page", Whose::Nobody, None, None),
    ("list, nobody's: far", Whose::Nobody, None, Some(60)),
    ("list, failed: first page", Whose::All, Some("failed"), None),
    ("list, failed: far", Whose::All, Some("failed"), Some(30)),
    ("list, pending, of which few and old", Whose::All, Some("pending"), None),
    ("list, a user's failed: first page", Whose::User(1), Some("failed"), None),
    ("list, nobody's completed: first page", Whose::Nobody, Some("completed"), None),
];

/// What is measured.
#[derive(Clone, Copy)]
enum Case {
    List(usize),
    Read,
    Totals(&'static str, Whose),
    Place,
    /// Leased and settled, which are two figures.
    Job,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut all: Vec<_> = (0..LISTS.len()).map(Self::List).collect();
        all.extend([
            Self::Read,
            Self::Totals("analytics, all", Whose::All),
            Self::Totals("analytics, a user's", Whose::User(1)),
            Self::Place,
            Self::Job,
        ]);
        all
    }
}

/// A table of a size, and what was measured in it.
struct Size {
    rows: i64,
    place: Place,
    samples: Vec<(&'static str, Vec<f64>)>,
}

/// A figure, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Growth {
    pub(super) store: &'static str,
    pub(super) what: &'static str,
    pub(super) rows: i64,
    pub(super) calls: usize,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// How a database goes about something.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    pub(super) store: &'static str,
    pub(super) what: &'static str,
    pub(super) steps: Vec<String>,
}

/// Tables from the smallest to one of so many rows, ten times as large each.
pub(super) async fn measure(
    store: Store,
    server: &PgServer,
    largest: i64,
    rounds: u16,
    plans: bool,
) -> Result<(Vec<Growth>, Vec<Plan>), ScaleError> {
    let mut sizes = Vec::new();
    let mut rows = SMALLEST;
    while rows <= largest {
        let place = Place::fresh(store, server).await?;
        told(format!("{}: {rows} orders", store.name()), measured::fill(&place.db, rows)).await?;
        told(format!("{}: {rows} jobs", store.name()), place.fill_jobs(JOBS, rows)).await?;
        sizes.push(Size { rows, place, samples: Vec::new() });
        rows *= 10;
    }
    for round in 0..rounds {
        let calls = told(format!("{}: round {} of {rounds}", store.name(), round + 1), async {
            for case in Case::all() {
                // In turns, so that a noisy machine hits all sizes alike.
                for size in &mut sizes {
                    size.run(case, round).await?;
                }
            }
            Ok::<_, ScaleError>(())
        });
        calls.await?;
    }
    let told = match sizes.last() {
        Some(size) if plans => size.plans(store).await?,
        _ => Vec::new(),
    };
    let figures = sizes.iter().flat_map(|size| {
        size.samples.iter().map(|(what, micros)| Growth {
            store: store.name(),
            what,
            rows: size.rows,
            calls: micros.len(),
            p50: quantile(micros, 0.5),
            p99: quantile(micros, 0.99),
        })
    });
    Ok((figures.collect(), told))
}

impl Size {
    async fn run(&mut self, case: Case, round: u16) -> Result<(), ScaleError> {
        let warm = if round == 0 { WARM } else { 0 };
        for call in 0..warm + CALLS {
            let took = self.once(case, call).await?;
            if call >= warm {
                for (what, took) in took {
                    self.add(what, took);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, what: &'static str, took: Duration) {
        let micros = took.as_secs_f64() * 1e6;
        match self.samples.iter_mut().find(|(name, _)| *name == what) {
            Some((_, samples)) => samples.push(micros),
            None => self.samples.push((what, vec![micros])),
        }
    }

    async fn once(&self, case: Case, call: usize) -> Result<Vec<(&'static str, Duration)>, ScaleError> {
        let (db, rows) = (&self.place.db, self.rows);
        match case {
            Case::List(which) => {
                let (what, list) = list(which, rows);
                let began = Instant::now();
                let ids = db.read(async move |conn: &mut Conn| measured::list(conn, list).await).await?;
                let took = began.elapsed();
                // A page that is not full would be compared with one that is.
                if ids.len() as i64 != PAGE {
                    return Err(ScaleError::Rows { what, rows: ids.len() });
                }
                Ok(vec![(what, took)])
            }
            Case::Read => {
                // Here and there in the table.
                let id = 1 + (i64::try_from(call).unwrap_or(0) * 7_919 * 104_729) % rows;
                let began = Instant::now();
                let there = db.read(async move |conn: &mut Conn| measured::read(conn, id).await).await?;
                let took = began.elapsed();
                if there { Ok(vec![("order, by id", took)]) } else { Err(ScaleError::Gone(id)) }
            }
            Case::Totals(what, whose) => {
                let began = Instant::now();
                let orders = db.read(async move |conn: &mut Conn| measured::total(conn, whose).await).await?;
                let took = began.elapsed();
                if orders > rows / 5 {
                    Ok(vec![(what, took)])
                } else {
                    Err(ScaleError::Rows { what, rows: usize::try_from(orders).unwrap_or(0) })
                }
            }
            Case::Place => placed(db).await,
            Case::Job => turn(db).await,
        }
    }

    async fn plans(&self, store: Store) -> Result<Vec<Plan>, ScaleError> {
        let mut plans = Vec::new();
        for which in 0..LISTS.len() {
            let (what, list) = list(which, self.rows);
            let steps =
                self.place.db.read(async move |conn: &mut Conn| measured::list_plan(conn, list).await);
            plans.push(Plan { store: store.name(), what, steps: steps.await? });
        }
        let steps =
            self.place.db.read(async |conn: &mut Conn| measured::total_plan(conn, Whose::All).await).await?;
        plans.push(Plan { store: store.name(), what: "analytics, all", steps });
        Ok(plans)
    }
}

fn list(which: usize, rows: i64) -> (&'static str, List) {
    let (what, whose, status, below) = LISTS[which];
    (what, List { whose, status, below: below.map(|part| rows / 100 * part), limit: PAGE })
}

/// An order that is placed, and goes one step further.
async fn placed(db: &Db) -> Result<Vec<(&'static str, Duration)>, ScaleError> {
    let began = Instant::now();
    let id: Result<i64, BoxError> =
        db.write(async |conn: &mut Conn| measured::place(conn, Some(5)).await).await;
    let (id, place) = (id.map_err(ScaleError::Order)?, began.elapsed());
    let began = Instant::now();
    let taken: Result<(), BoxError> =
        db.write(async move |conn: &mut Conn| measured::advance(conn, id, "processing").await).await;
    taken.map_err(ScaleError::Order)?;
    Ok(vec![("order placed, with its job", place), ("order taken a step further", began.elapsed())])
}

/// A job that is leased and completed, each in a unit of work.
async fn turn(db: &Db) -> Result<Vec<(&'static str, Duration)>, ScaleError> {
    let began = Instant::now();
    let leased = db.write(async |conn: &mut Conn| store::lease(conn, QUEUE, 1, "scale", LEASE).await).await?;
    let lease = began.elapsed();
    let held: Vec<_> = leased.iter().map(Leased::held).collect();
    if held.len() != 1 {
        return Err(ScaleError::Rows { what: "a lease", rows: held.len() });
    }
    let began = Instant::now();
    let ended = db.write(async move |conn: &mut Conn| store::complete(conn, &held).await).await;
    let settle = began.elapsed();
    match ended?.len() {
        1 => Ok(vec![("job leased", lease), ("job completed", settle)]),
        rows => Err(ScaleError::Rows { what: "the end of a job", rows }),
    }
}
