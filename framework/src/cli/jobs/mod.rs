//! `jobs`: what an operator wants to know of jobs, and does with them.

mod counts;
mod desk;
mod list;
mod manage;
mod show;
mod view;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::{CLOSE, CliError, Output, text};
use crate::app::Ready;
use crate::jobs::{JobsError, MIGRATIONS, State, check_kind, check_queue};
use desk::Desk;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Jobs {
    #[command(flatten)]
    counts: counts::Counts,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Count the jobs by queue and state (the default)
    ///
    /// From 100000 jobs on a count says only that there are as many, or more.
    Counts(counts::Counts),
    /// List jobs, without their payloads
    ///
    /// Without --state those that wait for a decision: dead and parked jobs. Jobs that wait come in the order in which
    /// they will run, those that run the newest first, others the last that ended first. Payloads, which may hold
    /// personal data, are not shown, also not by --json: `jobs show` does.
    List(list::List),
    /// Show all of a job, its payload included
    ///
    /// The payload may hold personal data.
    Show(show::Show),
    /// Make dead and parked jobs due again, with all their attempts
    Retry(manage::Retry),
    /// Cancel dead and parked jobs: they are not tried again
    Discard(manage::Discard),
    /// Cancel jobs that wait, and ask those that run to end
    ///
    /// The worker of a job that runs is told at its next heartbeat, seconds later, and the job is cancelled when it ends,
    /// unless it completes.
    Cancel(manage::Cancel),
}

/// Carries a command out on the service's database.
pub(super) fn run(ready: &Ready, jobs: Jobs, output: &mut Output<'_>) -> Result<(), CliError> {
    let what = jobs.what.unwrap_or(What::Counts(jobs.counts));
    match &what {
        What::List(list) => list.check()?,
        What::Discard(discard) => discard.check(ready.config().profile().is_production())?,
        _ => {}
    }
    let migrations = ready.migrations().ok_or(CliError::NoDatabase("no job in it"))?;
    if !migrations.include(&MIGRATIONS) {
        return Err(CliError::NoJobs);
    }
    actix_rt::System::new().block_on(async {
        let desk = Desk::open(ready).await?;
        let done = match what {
            What::Counts(counts) => counts.run(&desk, output).await,
            What::List(list) => list.run(&desk, output).await,
            What::Show(show) => show.run(&desk, output).await,
            What::Retry(retry) => retry.run(&desk, output).await,
            What::Discard(discard) => discard.run(&desk, output).await,
            What::Cancel(cancel) => cancel.run(&desk, output).await,
        };
        desk.close(done).await
    })
}

/// Reads the name of a state; clap suggests one for a word that is none.
fn state(among: &'static [State]) -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(among.iter().map(|state| state.name())).try_map(|name| name.parse::<State>())
}

fn id(text: &str) -> Result<i64, &'static str> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.ok_or("the id of a job is a whole number, as `jobs list` shows it")
}

fn queue(name: &str) -> Result<String, JobsError> {
    check_queue(name).map(|()| name.to_owned())
}

fn kind(name: &str) -> Result<String, JobsError> {
    check_kind(name).map(|()| name.to_owned())
}
