use std::fmt;
use std::str::FromStr;

use clap::Args;
use serde::Serialize;

use super::desk::Desk;
use super::text::{beginning, json, safe, table, when};
use super::view::JobView;
use super::{CliError, Output, kind, queue, state};
use crate::data::{Conn, DbError};
use crate::jobs::State;
use crate::jobs::store::{self, Cursor, NoCursor, Record};

/// So many jobs are passed over for those of a kind, which no index leads to.
const PASSED_OVER: usize = 10_000;
/// So many of them at a time.
const CHUNK: usize = 200;
/// What is shown of an error.
const ERROR_WIDTH: usize = 60;

#[derive(Args)]
pub(super) struct List {
    /// Only jobs in this state; may be given again, and then the jobs of the first come first [default: dead, parked]
    #[arg(long, short, value_parser = state(&State::ALL))]
    state: Vec<State>,
    /// Only jobs of this queue
    #[arg(long, short, value_parser = queue)]
    queue: Option<String>,
    /// Only jobs of this kind. No index leads to them: 10000 jobs of other kinds are passed over, and then there is a
    /// cursor to go on with
    #[arg(long, short, value_parser = kind)]
    kind: Option<String>,
    /// How many at most, 1 to 1000
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on where the page before ended, with the cursor that it ended with
    #[arg(long)]
    cursor: Option<Place>,
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

/// A place in a list of several states, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    state: State,
    cursor: Cursor,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.state, self.cursor)
    }
}

impl FromStr for Place {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (state, cursor) = text.split_once('.').ok_or(NoCursor)?;
        Ok(Self { state: state.parse().map_err(|_| NoCursor)?, cursor: cursor.parse()? })
    }
}

#[derive(Serialize)]
struct Document<'a> {
    jobs: Vec<JobView<'a>>,
    next_cursor: Option<String>,
}

struct Page {
    jobs: Vec<Record>,
    next: Option<Place>,
    /// The database's clock.
    now: i64,
    /// Whether it ends because so many others were passed over.
    tired: bool,
}

impl List {
    fn states(&self) -> &[State] {
        if self.state.is_empty() { &[State::Dead, State::Parked] } else { &self.state }
    }

    /// Whether the cursor is one of this list.
    pub(super) fn check(&self) -> Result<(), CliError> {
        match self.cursor {
            Some(place) if !self.states().contains(&place.state) => Err(CliError::Usage(format!(
                "the cursor is of a list of {} jobs, which this is not: give the same --state as for the page before",
                place.state
            ))),
            _ => Ok(()),
        }
    }

    pub(super) async fn run(self, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
        let (states, from) = (self.states().to_vec(), self.cursor);
        let (queue, kind, limit) = (self.queue.clone(), self.kind.clone(), usize::from(self.limit));
        let page = desk
            .read(async move |conn: &mut Conn| {
                page(conn, &states, queue.as_deref(), kind.as_deref(), from, limit).await
            })
            .await?;
        if self.json {
            let jobs = page.jobs.iter().map(JobView::new).collect::<Result<_, _>>()?;
            let next_cursor = page.next.map(|place| place.to_string());
            return output.print(&json(&Document { jobs, next_cursor })?);
        }
        let mut shown = if page.jobs.is_empty() { self.nothing(&page) } else { lines(&page)? };
        if let Some(next) = page.next {
            if page.tired {
                shown.push_str(&format!("{PASSED_OVER} jobs of other kinds were passed over\n"));
            }
            shown.push_str(&format!("there is more: --cursor {next}\n"));
        }
        output.print(&shown)
    }

    fn nothing(&self, page: &Page) -> String {
        let states: Vec<_> = self.states().iter().map(|state| state.name()).collect();
        let kind = self.kind.as_ref().map(|kind| format!(" of the kind {kind}")).unwrap_or_default();
        let queue = self.queue.as_ref().map(|queue| format!(" in the queue {queue}")).unwrap_or_default();
        let here = if self.cursor.is_some() || page.next.is_some() { " on this page" } else { "" };
        format!("no jobs{kind}{queue} are {}{here}\n", states.join(" or "))
    }
}

async fn page(
    conn: &mut Conn,
    states: &[State],
    queue: Option<&str>,
    kind: Option<&str>,
    from: Option<Place>,
    limit: usize,
) -> Result<Page, DbError> {
    let now = store::clock(conn).await?;
    let mut page = Page { jobs: Vec::new(), next: None, now, tired: false };
    let mut last: Option<Place> = None;
    let mut passed_over = 0;
    let begin = from.and_then(|from| states.iter().position(|state| *state == from.state)).unwrap_or(0);
    for &state in &states[begin..] {
        let mut after = from.filter(|from| from.state == state).map(|from| from.cursor);
        loop {
            let want = if kind.is_some() { CHUNK } else { limit + 1 - page.jobs.len() };
            let rows = store::list(conn, state, queue, after, want).await?;
            let full = rows.len() == want;
            for job in rows {
                let place = Place { state, cursor: job.cursor() };
                if kind.is_some_and(|kind| kind != job.kind) {
                    passed_over += 1;
                    if passed_over == PASSED_OVER {
                        return Ok(Page { next: Some(place), tired: true, ..page });
                    }
                } else if page.jobs.len() == limit {
                    return Ok(Page { next: last, ..page });
                } else {
                    page.jobs.push(job);
                    last = Some(place);
                }
                after = Some(place.cursor);
            }
            if !full {
                break;
            }
        }
    }
    Ok(page)
}

/// A line per job.
fn lines(page: &Page) -> Result<String, DbError> {
    let head = ["ID", "STATE", "QUEUE", "KIND", "ATTEMPT", "WHEN", "ERROR"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for job in &page.jobs {
        let state = job.state()?;
        let (what, at) = match state {
            State::Available => ("due", job.run_at),
            State::Running => ("begun", job.started_at.unwrap_or(job.run_at)),
            _ => ("ended", job.finished_at.unwrap_or(job.run_at)),
        };
        rows.push(vec![
            job.id.to_string(),
            state.to_string(),
            safe(&job.queue),
            safe(&job.kind),
            format!("{}/{}", job.attempt, job.max_attempts),
            format!("{what} {}", when(at, page.now)),
            beginning(job.error.as_deref().unwrap_or_default(), ERROR_WIDTH),
        ]);
    }
    Ok(table(&rows, |column| column == 0))
}
