use std::collections::BTreeSet;

use clap::Args;
use clap::builder::TypedValueParser;

use super::desk::Desk;
use super::text::safe;
use super::{CliError, Output, id, kind, queue, state};
use crate::data::{Conn, DbError};
use crate::jobs::State;
use crate::jobs::store::{self, Picked};

/// So many jobs are looked at, and at most changed, in one transaction.
const BATCH: usize = 500;
/// What is retried and discarded.
const ASIDE: &[State] = &[State::Dead, State::Parked];

#[derive(Args)]
pub(super) struct Retry {
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
pub(super) struct Discard {
    #[command(flatten)]
    which: Which,
    /// In production, with --all: yes, that is meant
    #[arg(long, requires = "all", conflicts_with = "ids")]
    yes: bool,
}

#[derive(Args)]
pub(super) struct Cancel {
    /// The ids of the jobs
    #[arg(required = true, value_parser = id)]
    ids: Vec<i64>,
}

#[derive(Args)]
struct Which {
    /// The ids of the jobs
    // What goes with --all conflicts with ids: clap takes a flag that is not given for one with a value.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = id)]
    ids: Vec<i64>,
    /// All dead and parked jobs of a queue, in batches
    #[arg(long, requires = "queue")]
    all: bool,
    /// With --all: the queue
    #[arg(long, short, requires = "all", conflicts_with = "ids", value_parser = queue)]
    queue: Option<String>,
    /// With --all: only jobs of this kind
    #[arg(long, short, requires = "all", conflicts_with = "ids", value_parser = kind)]
    kind: Option<String>,
    /// With --all: only jobs in this state
    #[arg(long, short, requires = "all", conflicts_with = "ids", value_parser = aside())]
    state: Option<State>,
}

fn aside() -> impl TypedValueParser<Value = State> {
    state(ASIDE)
}

/// What is done with a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Retry,
    Discard,
    Cancel,
}

impl Deed {
    const fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Discard => "discarded",
            Self::Cancel => "cancelled",
        }
    }
}

/// What is to be told of a job: what happened, or why nothing did.
type Outcome = Result<&'static str, String>;

impl Retry {
    pub(super) async fn run(self, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
        self.which.run(Deed::Retry, desk, output).await
    }
}

impl Discard {
    /// Whether it may be done.
    pub(super) fn check(&self, production: bool) -> Result<(), CliError> {
        if self.which.all && production && !self.yes { Err(CliError::UnconfirmedDiscard) } else { Ok(()) }
    }

    pub(super) async fn run(self, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
        self.which.run(Deed::Discard, desk, output).await
    }
}

impl Cancel {
    pub(super) async fn run(self, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
        each(Deed::Cancel, self.ids, desk, output).await
    }
}

impl Which {
    async fn run(self, deed: Deed, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
        let Some(queue) = self.queue else { return each(deed, self.ids, desk, output).await };
        let states = self.state.map_or(ASIDE.to_vec(), |state| vec![state]);
        let mut tally = Tally::default();
        let ended = all(deed, &queue, self.kind.as_deref(), &states, desk, output, &mut tally).await;
        // Also when it ends early: what was done is done.
        let jobs = if tally.done == 1 { "job" } else { "jobs" };
        output.print(&format!("{} {} {jobs} of the queue {queue}\n", deed.done(), tally.done))?;
        ended?;
        tally.verdict(deed)
    }
}

#[derive(Default)]
struct Tally {
    done: usize,
    failed: usize,
}

impl Tally {
    fn verdict(&self, deed: Deed) -> Result<(), CliError> {
        match self.failed {
            0 => Ok(()),
            failed => Err(CliError::Undone { what: deed.done(), failed, of: self.done + failed }),
        }
    }

    /// Counts what became of a job, and tells why nothing did.
    fn count(&mut self, id: i64, outcome: &Outcome, desk: &Desk, output: &mut Output<'_>) {
        match outcome {
            Ok(_) => self.done += 1,
            Err(why) => {
                self.failed += 1;
                output.complain(format_args!("{}: job {id} {why}\n", desk.service));
            }
        }
    }
}

/// One job after the other, each for itself.
async fn each(deed: Deed, ids: Vec<i64>, desk: &Desk, output: &mut Output<'_>) -> Result<(), CliError> {
    let (mut tally, mut seen) = (Tally::default(), BTreeSet::new());
    for id in ids {
        if !seen.insert(id) {
            continue;
        }
        let outcome = alone(deed, id, desk).await?;
        if let Ok(said) = &outcome {
            output.print(&format!("job {id} {said}\n"))?;
        }
        tally.count(id, &outcome, desk, output);
    }
    tally.verdict(deed)
}

/// All that are in the states now, batch by batch.
async fn all(
    deed: Deed,
    queue: &str,
    kind: Option<&str>,
    states: &[State],
    desk: &Desk,
    output: &mut Output<'_>,
    tally: &mut Tally,
) -> Result<(), CliError> {
    // What comes back while this goes on is left alone.
    let until = desk.read(async |conn: &mut Conn| store::clock(conn).await).await?;
    for &state in states {
        let mut after: Option<Picked> = None;
        loop {
            let (queue, from) = (queue.to_owned(), after.take());
            let mut page = desk
                .read(async move |conn: &mut Conn| {
                    store::pick(conn, state, &queue, until, from.as_ref(), BATCH).await
                })
                .await?;
            let Some(last) = page.last().cloned() else { break };
            page.retain(|job| kind.is_none_or(|kind| kind == job.kind));
            // A transaction that takes many keys may wait for one that waits for it.
            let (keyed, free): (Vec<_>, Vec<_>) =
                page.into_iter().partition(|job| deed == Deed::Retry && job.keyed);
            let ids: Vec<i64> = free.into_iter().map(|job| job.id).collect();
            let outcomes = desk
                .write(async move |conn: &mut Conn| {
                    let mut outcomes = Vec::with_capacity(ids.len());
                    for id in ids {
                        outcomes.push((id, one(conn, deed, id).await?));
                    }
                    Ok(outcomes)
                })
                .await?;
            for (id, outcome) in outcomes {
                tally.count(id, &outcome, desk, output);
            }
            for job in keyed {
                let outcome = alone(deed, job.id, desk).await?;
                tally.count(job.id, &outcome, desk, output);
            }
            after = Some(last);
        }
    }
    Ok(())
}

async fn alone(deed: Deed, id: i64, desk: &Desk) -> Result<Outcome, DbError> {
    match desk.write(async move |conn: &mut Conn| one(conn, deed, id).await).await {
        Err(error) if error.is_unique_violation() => {
            Ok(Err("was about to take its unique key back, and another job got it: try again".to_owned()))
        }
        done => done,
    }
}

async fn one(conn: &mut Conn, deed: Deed, id: i64) -> Result<Outcome, DbError> {
    let said = match deed {
        Deed::Retry => store::retry(conn, id).await?.then_some("is due again"),
        Deed::Discard => store::discard(conn, id).await?.then_some("is cancelled"),
        Deed::Cancel => store::cancel(conn, id).await?.map(|state| match state {
            State::Running => "runs: its worker is told, and it is cancelled unless it completes first",
            _ => "is cancelled",
        }),
    };
    match said {
        Some(said) => Ok(Ok(said)),
        None => Ok(Err(why_not(conn, deed, id).await?)),
    }
}

/// Why nothing was done with a job, and what would do.
async fn why_not(conn: &mut Conn, deed: Deed, id: i64) -> Result<String, DbError> {
    let Some(job) = store::get(conn, id).await? else {
        return Ok("is not there: it never was, or it ended and was forgotten".to_owned());
    };
    let state = job.state()?;
    let why = match (deed, state) {
        (Deed::Retry, State::Available) => "it runs when it is due".to_owned(),
        (Deed::Retry, State::Running) => "wait for its end, or `jobs cancel` it".to_owned(),
        (Deed::Retry, State::Completed | State::Cancelled) => {
            "only dead and parked jobs are retried; what is to run once more is enqueued anew".to_owned()
        }
        (Deed::Retry, State::Dead | State::Parked) => match job.unique_key {
            Some(key) => match store::holder(conn, &key).await? {
                Some(holder) if holder != id => format!(
                    "job {holder} holds its unique key {}: retry it when that one has ended, or discard it",
                    safe(&key)
                ),
                _ => AT_THIS_MOMENT.to_owned(),
            },
            None => AT_THIS_MOMENT.to_owned(),
        },
        (Deed::Discard, State::Available | State::Running) => "`jobs cancel` it".to_owned(),
        (Deed::Cancel, State::Dead | State::Parked) => "`jobs discard` it".to_owned(),
        (Deed::Discard | Deed::Cancel, State::Completed | State::Cancelled) => {
            format!("nothing is left to be {}", deed.done())
        }
        (Deed::Discard, State::Dead | State::Parked) | (Deed::Cancel, State::Available | State::Running) => {
            AT_THIS_MOMENT.to_owned()
        }
    };
    Ok(format!("is {state}: {why}"))
}

const AT_THIS_MOMENT: &str = "it was not a moment ago, try again";
